"""SGLang's shipped table against the syntax tree of the published wheel, for machines on which its own parser does not import."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from studio_core.engines import catalog
from tests.engines import sglang_tree
from tests.engines.sglang_environment import VERSION
from tests.engines.test_sglang_probe import BEFORE_THE_PARSER

FIELDS = """
from sglang.srt.choices import BACKENDS
class Model:
    model_path: A[str, Arg(help="h", aliases=["--model"])]
    tp_size: A[int, Arg(help="h", cli_name="--tensor-parallel-size", aliases=["--tp"])] = 1
    log: A[Optional[List[str]], "help"] = None
    backend: A[str, Arg(help="h", choices=BACKENDS + ["own"])] = "triton"
    mode: A[Literal["a", "b"], "help"] = "a"
    graph: A[bool, Arg(help="h", action=argparse.BooleanOptionalAction)] = True
    rope: A[Optional[dict], Arg(help="h", type_parser=json.loads)] = None
    hidden: A[bool, Arg(help="h", no_cli=True)] = False
    computed: A[int, "help"] = len(BACKENDS)
    derived = Derived(fn="x")
"""
ARGUMENTS = """
class ServerArgs:
    def add_cli_args(parser):
        parser.add_argument("--old", action=DeprecatedStoreTrueAction, new_flag="--new")
"""


def test_what_syntax_tells_of_a_flag(tmp_path: Path) -> None:
    path = tmp_path / "sglang-9.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sglang/srt/server_args.py", ARGUMENTS)
        archive.writestr("sglang/srt/choices.py", 'BACKENDS = ["triton", OTHER]\nOTHER = "torch"')
        archive.writestr("sglang/srt/arg_groups/fields/model.py", FIELDS)
        archive.writestr("sglang/srt/arg_groups/fields/__init__.py", "")
    told = sglang_tree.flags(path)
    assert set(told) == {
        "--model-path", "--tensor-parallel-size", "--log", "--backend", "--mode", "--graph", "--rope", "--computed", "--old",
    }
    assert told["--tensor-parallel-size"].spellings == {"--tensor-parallel-size", "--tp"}
    assert (told["--tensor-parallel-size"].kind, told["--tensor-parallel-size"].default) == ("int", 1)
    assert (told["--log"].kind, told["--log"].item, told["--log"].default) == ("list", "str", None)
    assert (told["--backend"].kind, told["--backend"].choices) == ("choice", frozenset({"triton", "torch", "own"}))
    assert told["--mode"].choices == frozenset({"a", "b"})
    assert told["--graph"].spellings == {"--graph", "--no-graph"}
    assert told["--rope"].kind == "json" and told["--old"].deprecated
    assert told["--computed"].default is sglang_tree.UNTOLD


@pytest.fixture(scope="module")
def wheel() -> Path:
    """The published one, fetched now if it is not there."""
    return sglang_tree.wheel()


def differences(told: sglang_tree.Told, ours: catalog.Flag) -> dict[str, object]:
    """Where the table says something else than the source; what syntax does not tell is not compared."""
    pairs: dict[str, tuple[object, object]] = {"spellings": (told.spellings, frozenset(ours.spellings))}
    pairs |= {name: (getattr(told, name), getattr(ours, name)) for name in ("kind", "item", "deprecated") if getattr(told, name)}
    if told.choices is not None:
        pairs["choices"] = (told.choices, frozenset(map(str, ours.choices)))
    if told.default is not sglang_tree.UNTOLD:
        pairs["default"] = (told.default, ours.default)
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


@pytest.mark.engines
def test_the_shipped_table_is_what_the_source_of_the_wheel_says(wheel: Path) -> None:
    table = catalog.shipped("sglang")
    told, ours = sglang_tree.flags(wheel), {flag.name: flag for flag in table.flags}
    assert table.version == VERSION
    assert set(told) ^ set(ours) == BEFORE_THE_PARSER
    assert len(told) > 500
    # So few flags leave their kind to a converter or an action of the engine's own that this still is a comparison.
    assert sum(one.kind is None for one in told.values()) < 20
    assert {name: found for name in told if (found := differences(told[name], ours[name]))} == {}


@pytest.mark.engines
def test_its_parsers_are_those_of_the_table(wheel: Path) -> None:
    for flag, names in sglang_tree.parsers(wheel).items():
        found = catalog.shipped("sglang").find(flag)
        assert found is not None and sorted({*names, "auto"}) == sorted(map(str, found.choices)), flag
