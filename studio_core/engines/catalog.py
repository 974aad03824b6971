"""The flags of an engine as typed data: shipped tables of known versions, or what an installed engine said of itself.

The tables in `data/` were read from the engines' own sources; each names version and origin. They have the form that
`probe/*.py` answers in, so that what is asked and what is shipped are the same thing.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

# Flags that went away, and what to write instead; asked only for what a catalog does not know.
SUCCESSORS: Mapping[str, Mapping[str, str]] = {
    "vllm": {
        "--disable-log-requests": "remove it: requests are not logged unless --enable-log-requests is given",
        "--enable-reasoning": "set reasoning_parser alone",
        "--speculative-model": 'use speculative_config: {"model": ...}',
        "--num-speculative-tokens": 'use speculative_config: {"num_speculative_tokens": ...}',
        "--guided-decoding-backend": 'use structured_outputs_config: {"backend": ...}',
        "--use-v2-block-manager": "remove it: there is only one block manager now",
        "--num-scheduler-steps": "remove it: the V1 engine schedules each step",
        "--swap-space": "remove it: the V1 engine does not swap",
        "--worker-use-ray": "use distributed_executor_backend: ray",
        "--rope-scaling": 'use hf_overrides: {"rope_parameters": {...}}',
        "--rope-theta": 'use hf_overrides: {"rope_parameters": {...}}',
        "--task": "use runner and convert",
        "--cuda-graph-sizes": "use cudagraph_capture_sizes",
        "--max-seq-len-to-capture": "remove it, or use max_cudagraph_capture_size",
        "--enable-expert-parallelism": "use enable_expert_parallel",
        "--device": "remove it: the platform is found by itself",
        "--enable-lora-bias": "remove it: it was dropped with its feature",
        "--lora-extra-vocab-size": "remove it: it was dropped with its feature",
    },
    "sglang": {
        "--enable-ep-moe": "use ep_size",
        "--enable-deepep-moe": "use moe_a2a_backend: deepep",
        "--enable-flashinfer-cutlass-moe": "use moe_runner_backend: flashinfer_cutlass",
        "--enable-flashinfer-trtllm-moe": "use moe_runner_backend: flashinfer_trtllm",
        "--enable-triton-kernel-moe": "use moe_runner_backend: triton_kernel",
        "--enable-flashinfer-mla": "use attention_backend: flashinfer",
        "--enable-flashmla": "use attention_backend: flashmla",
        "--disable-flashinfer": "use attention_backend: triton",
        "--disable-flashinfer-sampling": "use sampling_backend: pytorch",
        "--schedule-heuristic": "use schedule_policy",
        "--enable-overlap-schedule": "remove it: it is on unless disable_overlap_schedule is given",
        "--disable-jump-forward": "remove it: it was dropped with its feature",
    },
    "llamacpp": {
        "--mlock": "use load_mode: mlock",
        "--mmap": "use load_mode: mmap",
        "--no-mmap": "use load_mode: none",
        "--direct-io": "use load_mode: dio",
        "--draft-max": "use spec_draft_n_max",
        "--draft-min": "use spec_draft_n_min",
        "--spec-ngram-size-n": "use spec_ngram_simple_size_n, or that of the kind in spec_type",
        "--spec-ngram-size-m": "use spec_ngram_simple_size_m, or that of the kind in spec_type",
        "--spec-ngram-min-hits": "use spec_ngram_simple_min_hits, or that of the kind in spec_type",
    },
}


@dataclass(frozen=True, slots=True, eq=False)
class Flag:
    """One option. `kind` is bool, int, float, str, choice, json, list or any (of which only the name is known).

    A list is written as words after the flag, with commas, or by repeating the flag (`style`). `known` are values among
    others, `choices` all there are. `section` and `key` say where it stands in an engine's configuration file.
    """

    name: str
    kind: str = "any"
    aliases: tuple[str, ...] = ()
    negations: tuple[str, ...] = ()
    item: str = "str"
    style: str = "words"
    choices: tuple[Any, ...] = ()
    known: tuple[Any, ...] = ()
    nullable: bool = False
    human: bool = False
    dotted: bool = False
    optional: bool = False
    positional: bool = False
    removed: bool = False
    deprecated: bool = False
    replacement: str = ""
    default: Any = None
    env: str = ""
    section: str = ""
    key: str = ""
    help: str = ""
    count: int | None = None

    @property
    def spellings(self) -> tuple[str, ...]:
        return (self.name, *self.aliases, *self.negations)

    @property
    def negation(self) -> str | None:
        """The long spelling that turns it off, if it has one."""
        return next((name for name in self.negations if name.startswith("--")), next(iter(self.negations), None))


@dataclass(frozen=True)
class Catalog:
    """All flags of one version. `asked`: the engine said so itself, so what is not here does not exist.

    `label` names it for a person, `parsers` are its tool_parsers and reasoning_parsers, `variables` the names of those of
    its environment, where it told them.
    """

    engine: str
    version: str
    flags: tuple[Flag, ...]
    label: str = ""
    asked: bool = False
    parsers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()

    @cached_property
    def _by_spelling(self) -> dict[str, Flag]:
        return {spelling: flag for flag in reversed(self.flags) for spelling in flag.spellings}

    def find(self, spelling: str) -> Flag | None:
        """By any spelling, also with underscores, and `--flag.key` of a flag that takes keys."""
        plain = canonical(spelling)
        tried = (spelling, plain, f"--{spelling[2:].replace('_', '-')}")
        found = next((flag for name in tried if (flag := self._by_spelling.get(name)) is not None), None)
        if found is None and "." in plain:
            parent = self._by_spelling.get(plain.split(".", 1)[0])
            return parent if parent is not None and parent.dotted else None
        return found

    def inside(self, spelling: str) -> bool:
        """Whether it names a key of a flag's value, as `--flag.key` does, and not the flag."""
        flag = self.find(spelling)
        return flag is not None and "." in spelling and spelling.replace("_", "-") not in flag.spellings

    def spell(self, key: str) -> str:
        """The flag of an `extra_args` key: `ctx_size` is `--ctx-size`; `ngl` is `-ngl` where only that exists; `-x` is itself."""
        if key.startswith("-") and not key.startswith("--"):
            return key
        bare = key.lstrip("-")
        name, short = canonical(f"--{bare}"), f"-{bare}"
        if self.find(name) is None and short in self._by_spelling:
            return short
        whole = name.replace("_", "-")
        return whole if whole in self._by_spelling else name

    def nearest(self, spelling: str) -> str | None:
        """The known long flag most like it, if any is near."""
        names = sorted(name for name in self._by_spelling if name.startswith("--"))
        return next(iter(difflib.get_close_matches(canonical(spelling), names, 1, 0.6)), None)

    def successor(self, spelling: str) -> str | None:
        """What to write in place of a flag that this engine once had."""
        return SUCCESSORS.get(self.engine, {}).get(canonical(spelling))


def canonical(spelling: str) -> str:
    """A long flag with dashes; the keys after a dot keep their underscores."""
    if not spelling.startswith("--"):
        return spelling
    head, dot, rest = spelling.partition(".")
    return head.replace("_", "-") + dot + rest


@lru_cache
def shipped(engine: str) -> Catalog:
    """The table of a known version that comes with Studio; empty for an engine without one."""
    path = files(__package__) / "data" / f"{engine}_flags.json"
    return of(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else Catalog(engine, "", ())


def of(answer: Mapping[str, Any], asked: bool = False) -> Catalog:
    """A catalog from a table or from a probe's answer."""
    parsers = {name: tuple(answer[name]) for name in ("tool_parsers", "reasoning_parsers") if answer.get(name)}
    rows = tuple(_flag(row) for row in answer["flags"])
    engine, version = str(answer["engine"]), str(answer.get("version", ""))
    return Catalog(engine, version, rows, f"{engine} {version}", asked, parsers, frozenset(answer.get("variables", ())))


def limited(catalog: Catalog, named: Iterable[Flag], label: str) -> Catalog:
    """The flags that a program names, as the table knows them; what the program itself says is gone or outdated is that."""
    flags = []
    for flag in named:
        known = next((found for spelling in sorted(flag.spellings) if (found := catalog.find(spelling)) is not None), flag)
        if flag.deprecated:
            known = replace(known, removed=flag.removed, deprecated=True, replacement=flag.replacement or known.replacement)
        flags.append(known)
    return Catalog(catalog.engine, "", tuple(dict.fromkeys(flags)), label, asked=True)


def _flag(row: Mapping[str, Any]) -> Flag:
    nargs, off, item = row.get("nargs"), row.get("negation") or (), str(row.get("item_type", "str"))
    return Flag(
        name=row["flag"], kind=row["type"], aliases=tuple(row.get("aliases", ())),
        negations=(off,) if isinstance(off, str) else tuple(off),
        item="json" if item.startswith("object") else item, style=row.get("list_style", "words"),
        choices=tuple(row.get("choices", ())),
        known=tuple(row.get("known_values", ())), nullable=row.get("nullable", False), human=row.get("human_readable", False),
        dotted=row.get("dotted_keys", False), optional=row.get("value_optional", False) or nargs == "?",
        positional=row.get("positional", False), removed=row.get("removed", False), deprecated=row.get("deprecated", False),
        replacement=row.get("replacement", ""), default=row.get("default"), env=row.get("env") or "",
        section=row.get("section", ""), key=row.get("key", ""), help=row.get("help", ""),
        count=nargs if isinstance(nargs, int) else None,
    )
