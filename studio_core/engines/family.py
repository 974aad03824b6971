"""The families table: which parsers a model's family wants of each engine, and how a chat template betrays its format.

`data/families.json` is ordered, the most specific row first; its head says where each fact is from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

from studio_core.engines.template import toggle
from studio_core.models.facts import ModelFacts

# A digit that a name goes on with, or its size (the 3B of llama-3b), means another thing than the digit alone.
_SIZE = re.compile(r"[bm](?![a-z])", re.IGNORECASE)
Parsers = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """One row. `parsers` are engine → kind (tool, reasoning, wants) → name.

    A `guest` was trained on an architecture that is another family's: only its name tells. `unproven`: nobody documents it.
    """

    name: str
    pattern: re.Pattern[str]
    excluded: re.Pattern[str] | None
    architectures: frozenset[str]
    types: frozenset[str]
    parsers: Parsers
    guest: bool
    unproven: bool

    def named(self, text: str) -> bool:
        """Whether a model's name says so; whole words only, so that mimosa is no MiMo and llama-40b no Llama 4."""
        if self.excluded is not None and self.excluded.search(text):
            return False
        return any(_whole(match, text) for match in self.pattern.finditer(text))

    def fits(self, facts: ModelFacts) -> bool:
        """Whether config.json, if there is one, allows it."""
        if not (facts.architectures or facts.model_type) or not (self.architectures or self.types):
            return True
        return bool(self.architectures & set(facts.architectures)) or facts.model_type in self.types


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """What in a chat template means a format: all of its conditions together."""

    id: str
    parsers: Mapping[str, str]
    text: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None
    excluded: re.Pattern[str] | None = None
    toggle: str = ""

    def matches(self, facts: ModelFacts) -> bool:
        template = facts.template
        return (
            all(one in template for one in self.text)
            and all(one in template or one in (facts.tokens or ()) for one in self.tokens)
            and (self.pattern is None or self.pattern.search(template) is not None)
            and (self.excluded is None or self.excluded.search(template) is None)
            and (not self.toggle or toggle(template) == self.toggle)
        )


@dataclass(frozen=True, eq=False)
class Families:
    """The whole table. `same` are names of one parser, `marks` what a template must show for a parser to make sense,
    `tokens` what a tokenizer must have or the engine will not start, `generic` what says nothing of a format."""

    rows: tuple[Family, ...]
    signatures: Mapping[str, tuple[Signature, ...]]
    known: Mapping[str, Mapping[str, list[str]]]
    same: Mapping[str, Mapping[str, list[list[str]]]]
    marks: Mapping[str, Mapping[str, str]]
    tokens: Mapping[str, Mapping[str, list[str]]]
    generic: frozenset[str] = field(default_factory=frozenset)
    versions: Mapping[str, str] = field(default_factory=dict)

    def of_architecture(self, facts: ModelFacts) -> Iterator[Family]:
        """The families whose own architecture it is; the model type is the more exact word, where the table has it."""
        host = [row for row in self.rows if not row.guest]
        if facts.model_type and facts.model_type not in self.generic:
            typed = [row for row in host if facts.model_type in row.types]
            if typed:
                yield from typed
                return
        named = set(facts.architectures) - self.generic
        yield from (row for row in host if row.architectures & named)

    def key(self, engine: str, kind: str, name: str | None) -> str | None:
        """One name for all names of the same parser."""
        groups = self.same.get(engine, {}).get(kind, [])
        return next((group[0] for group in groups if name in group), name)


def _whole(match: re.Match[str], text: str) -> bool:
    start, end = match.span()
    if start == end:
        return False
    before, first, last, after = text[start - 1:start], text[start], text[end - 1], text[end:end + 1]
    if (before.isalpha() and first.isalpha()) or (last.isalpha() and after.isalpha()):
        return False
    return not (last.isdigit() and (after.isdigit() or _SIZE.match(text, end)))


@lru_cache(maxsize=1)
def table() -> Families:
    """Read once, when first asked for."""
    data = json.loads((files(__package__) / "data" / "families.json").read_text(encoding="utf-8"))
    return Families(
        rows=tuple(_family(row) for row in data["families"]),
        signatures={kind: tuple(_signature(row) for row in rows) for kind, rows in data["signatures"].items()},
        known=data["known"], same=data["same"], marks=data["marks"], tokens=data["tokens"],
        generic=frozenset(data["generic"]), versions=data["versions"],
    )


def _family(row: Mapping[str, Any]) -> Family:
    return Family(
        name=row["family"], pattern=re.compile(row["name"], re.IGNORECASE),
        excluded=re.compile(row["not"], re.IGNORECASE) if "not" in row else None,
        architectures=frozenset(row["architectures"]), types=frozenset(row["types"]),
        parsers={engine: row[engine] for engine in ("vllm", "sglang", "tabbyapi") if engine in row},
        guest=row.get("guest", False), unproven=row.get("unproven", False),
    )


def _signature(row: Mapping[str, Any]) -> Signature:
    return Signature(
        id=row["id"], parsers={engine: row[engine] for engine in ("vllm", "sglang", "tabbyapi") if engine in row},
        text=tuple(row.get("text", ())), tokens=tuple(row.get("tokens", ())),
        pattern=re.compile(row["pattern"]) if "pattern" in row else None,
        excluded=re.compile(row["not"]) if "not" in row else None, toggle=row.get("toggle", ""),
    )
