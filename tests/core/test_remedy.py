"""Causes, evidence and remedies of provoked failures, and the changes themselves.

The rows of `recorded/remedy.json` were written by hand from what each failure is; their outputs are recordings of real
engines, or lines from sources as each row says.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio_core.bench import diagnosis as figure
from studio_core.engines import catalog, remedy
from studio_core.engines.diagnosis import diagnose, stalled
from studio_core.engines.engine import Signature, cause
from studio_core.engines.registry import ENGINES, find
from studio_core.errors import LaunchFailed, PortTaken
from studio_core.recipes.patch import difference, merged
from studio_core.recipes.recipe import parse
from studio_core.supervisor.attempt import failure_of
from studio_core.wire import Exit
from tests.core.test_recording import FROM, VLLM
from tests.engines import recording

ROWS = figure.table()
# Recordings in which nothing went wrong by itself.
WELL = ("good", "good_compiled", "served", "stopped_loading", "stopped_early", "interrupted_loading", "interrupted_compiling",
        "group_stopped_ready")


def ident(row: dict[str, Any]) -> str:
    return str(row.get("recording") or f"{row['engine']}: {row['title']}")


@pytest.mark.parametrize("row", ROWS, ids=ident)
def test_a_provoked_failure_has_its_cause_evidence_and_remedy(row: dict[str, Any]) -> None:
    failure = figure.answer(row)
    assert row["title"] in failure.title
    assert row["hint"] in failure.hint
    assert (failure.fix.change if failure.fix else None) == row["change"]
    assert figure.right(row, failure)


def test_every_recorded_failure_has_a_row() -> None:
    rows = {(row["origin"], row["recording"]) for row in ROWS if "recording" in row}
    assert rows == {(folder, name) for folder in FROM for name in recording.names(folder) if name not in WELL}


@pytest.mark.parametrize("name", WELL)
def test_no_cause_is_invented_where_nothing_failed(name: str) -> None:
    stored = recording.load(VLLM, name)
    strong = [one for one in find("vllm").signatures if not one.weak and one.when == "end" and one.lines == 1]
    assert [(one.id, line) for one in strong for line in stored.lines if one.pattern.search(line)] == []


def test_a_row_that_is_wrong_is_counted() -> None:
    row = {**ROWS[0], "change": {"port": 1}}
    assert not figure.right(row, figure.answer(row))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_words_of_a_signature_use_only_its_own_groups(engine: str) -> None:
    for one in ENGINES[engine].signatures:
        words = dict.fromkeys(one.pattern.groupindex, "x")
        assert one.title.format_map(words) and one.hint.format_map(words), one.id


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fix_is_made_for_any_recipe_without_an_error(engine: str) -> None:
    stored = parse({"id": "one", "backend": engine, "model_path": "/model"}).stored()
    for one in ENGINES[engine].signatures:
        case = remedy.Case(stored, dict.fromkeys(one.pattern.groupindex, "1"), catalog.shipped(engine))
        change = remedy.change(one.fix, case)
        assert change is None or list(difference(stored, change.patch)), one.id


def test_a_fix_that_changes_nothing_or_breaks_the_recipe_is_none() -> None:
    stored = parse({"id": "one", "model_path": "/model", "max_model_len": 8192}).stored()
    case = remedy.Case(stored, {"fit": "8192", "none": "0", "empty": ""}, catalog.shipped("vllm"))
    assert remedy.change(remedy.put("", max_model_len="{fit}"), case) is None
    assert remedy.change(remedy.put("", max_model_len="{none}"), case) is None
    assert remedy.change(remedy.put("", max_model_len="{empty}"), case) is None
    assert remedy.change(remedy.put("", max_model_len=4096), case) == remedy.Change("", {"max_model_len": 4096})
    assert remedy.change(remedy.put("", max_model_len=4096), remedy.Case({}, {}, case.catalog)) is None


def test_a_flag_with_a_successor_is_written_anew() -> None:
    stored = parse({"id": "one", "model_path": "/m", "extra_args": {"worker_use_ray": True, "cuda_graph_sizes": [1, 2]}}).stored()
    said = ["vllm: error: unrecognized arguments: --worker-use-ray --cuda-graph-sizes 1 2"]
    fix = diagnose(find("vllm"), said, Exit(code=2), stored).fix
    assert fix is not None
    assert merged(stored, fix.change)["extra_args"] == {"cudagraph_capture_sizes": [1, 2]}
    assert fix.title == "remove worker_use_ray and write cudagraph_capture_sizes in place of cuda_graph_sizes"


def test_a_port_that_was_taken_before_the_start_has_its_remedy_too() -> None:
    taken = failure_of(PortTaken("port 8000 of recipe one is taken", "by nginx"))
    assert taken.fix is not None and taken.fix.change == {"port": None}
    assert failure_of(LaunchFailed("x")).fix is None


def test_a_stall_is_explained_only_by_the_last_lines() -> None:
    stalling = "INFO [pynccl.py:103] vLLM is using nccl==2.27.5"
    assert "NCCL" in stalled(find("vllm"), [stalling], "no progress for 300 s").title
    later = stalled(find("vllm"), [stalling, *"abcde"], "no progress for 300 s")
    assert (later.title, later.detail) == ("the start made no progress", "no progress for 300 s")
    assert diagnose(find("vllm"), [stalling], Exit(code=1)).title == "the engine ended with exit code 1"


def test_lines_over_which_a_cause_stretches() -> None:
    one: Signature = cause("x", r"^(?P<field>\w+)\n  too (?P<what>\w+)", "{field} is too {what}", "", lines=2)
    assert one.pattern.search("width\n  too large")
    failure = diagnose(find("vllm"), ["x", "max_num_seqs", "  Input should be greater than 0 [type=x, input_value=-1, y]"], None)
    assert failure.title == "max_num_seqs is -1: Input should be greater than 0"
    assert failure.evidence == ["max_num_seqs", "Input should be greater than 0 [type=x, input_value=-1, y]"]


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda below: st.dictionaries(st.sampled_from("abcd"), below, max_size=4), max_leaves=12,
)
MAPPINGS = st.dictionaries(st.sampled_from("abcd"), TREES, max_size=4)


# A machine with other work may stand still for seconds while one example is drawn.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(MAPPINGS, MAPPINGS)
def test_a_merge_patch_is_what_the_standard_says(data: dict[str, Any], change: dict[str, Any]) -> None:
    """RFC 7396, section 2, as its pseudo code has it."""
    def apply(target: Any, patch: Any) -> Any:
        if not isinstance(patch, dict):
            return patch
        result = dict(target) if isinstance(target, dict) else {}
        for name, value in patch.items():
            if value is None:
                result.pop(name, None)
            else:
                result[name] = apply(result.get(name), value)
        return result

    before = json.dumps(data)
    assert merged(data, change) == apply(data, change)
    assert json.dumps(data) == before


def test_a_difference_in_lines() -> None:
    data = {"port": 8000, "extra_args": {"a": 1, "b": {"c": True}}}
    change = {"port": None, "extra_args": {"a": 1, "b": {"c": False}, "d": "x"}, "dtype": None}
    lines = ["- port: 8000", "- extra_args.b.c: true", "+ extra_args.b.c: false", "+ extra_args.d: x"]
    assert list(difference(data, change)) == lines
