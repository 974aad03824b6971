"""Which tool and reasoning parser an engine is given, and why.

The recipe wins. Else a model's name counts where its config.json does not speak against it, then its architecture, then
its chat template, and last the name under which it is served. What the installed engine does not have is never chosen.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from studio_core.engines import family
from studio_core.engines.family import Families, Family
from studio_core.engines.problem import Problem
from studio_core.models import facts as model_facts
from studio_core.models.facts import ModelFacts
from studio_core.recipes.recipe import Recipe

TOOL, REASONING = "tool", "reasoning"
KINDS = (TOOL, REASONING)
NONE = "none"
# The field of a recipe and the spellings among its extra_args that say a parser, by kind.
FIELDS = {TOOL: "tool_call_parser", REASONING: "reasoning_parser"}
SPELLINGS = {TOOL: ("tool_call_parser", "tool_format"), REASONING: ("reasoning_parser", "reasoning_format")}
PLUGINS = {TOOL: "tool_parser_plugin", REASONING: "reasoning_parser_plugin"}
# SGLang's own word for: find out by the chat template.
AUTO = "auto"
UNLISTED = "; the engine does not list it"
LLAMA = "llama-server reads the chat template itself"
# What only continues a text has no parsers, unless its name goes on: base-instruct.
BASE = re.compile(r"(?<![a-z])base(?![a-z])(?!.*(instruct|chat|\bit\b))", re.IGNORECASE)
Known = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class Choice:
    """A parser's name, or None for no parser, and the reason in words.

    Of TabbyAPI, `tool` is a tool_format, and `reasoning` the tokens that begin and end a thought, with a space between.
    """

    name: str | None
    reason: str

    @property
    def line(self) -> str:
        """`glm47: architecture Glm4MoeForCausalLM`."""
        return f"{self.name or NONE}: {self.reason}"

    @property
    def tokens(self) -> tuple[str, str] | None:
        """The two tokens of TabbyAPI's reasoning."""
        words = (self.name or "").split(" ")
        return (words[0], words[1]) if len(words) == 2 and all(words) else None


@dataclass(frozen=True, slots=True)
class Choices:
    """Both parsers of a recipe. `wants` is what the documents of the model's `family` pass beside them, shown and never passed."""

    tool: Choice
    reasoning: Choice
    wants: str = ""
    family: str = ""


def of_recipe(recipe: Recipe, engine: str, known: Known | None = None) -> Choices:
    """Both parsers for a recipe on `engine` (vllm, sglang, tabbyapi, llamacpp), the recipe's own words first.

    `known` are the names that the installed engine has, by kind (`registration.known`); None: those of the version that
    the shipped table is from. Reads the model's small files: call it in a thread.
    """
    said = {kind: choice for kind in KINDS if (choice := _said(recipe, kind, engine, known)) is not None}
    if len(said) == len(KINDS):
        return Choices(said[TOOL], said[REASONING])
    facts = ModelFacts() if engine == "llamacpp" else _facts(recipe)
    found = choose(engine, facts, known)
    return Choices(said.get(TOOL, found.tool), said.get(REASONING, found.reasoning), _unsaid(found.wants, recipe), found.family)


def _unsaid(wants: str, recipe: Recipe) -> str:
    """What of these flags the recipe does not say, one way or the other."""
    said = {key.lstrip("-").replace("_", "-") for key in recipe.extra_args}
    words = wants.split()
    pairs = [words[at:at + 2] for at in range(0, len(words), 2)]
    return " ".join(word for pair in pairs if pair[0].lstrip("-") not in said for word in pair)


def wishes(choices: Choices) -> Iterator[Problem]:
    """What a person may want to add: engines find most of it themselves, so it is theirs to decide."""
    words = choices.wants.split()
    for flag, value in zip(words[::2], words[1::2], strict=False):
        key = flag.lstrip("-").replace("-", "_")
        where = f"; {value} is a file of the engine's sources" if "/" in value else ""
        text = f"the documents of {choices.family} pass {flag} {value} beside its parsers"
        yield Problem(f"extra_args.{key}", text, f"add {key}: {value} where tools or thoughts are not read{where}", severe=False)


def problems(recipe: Recipe, engine: str, known: Known | None) -> Iterator[Problem]:
    """Parsers that the recipe names and the engine does not have, unless a plugin brings them.

    Severe where the engine itself was looked into (`known`): it would not start.
    """
    names = family.table().known.get(engine, {}) if known is None else known
    plugins = {key.lstrip("-").replace("-", "_") for key in recipe.extra_args}
    for kind in KINDS:
        choice = _said(recipe, kind, engine, known)
        if choice is None or not choice.reason.endswith(UNLISTED) or PLUGINS[kind] in plugins:
            continue
        near = difflib.get_close_matches(choice.name or "", sorted(names[kind]), 1, 0.6)
        hint = f"did you mean {near[0]}? Or none, or leave it out" if near else "choose another, or none, or leave it out"
        yield Problem(FIELDS[kind], f"{engine} has no {kind} parser {choice.name}", hint, severe=known is not None)


def _facts(recipe: Recipe) -> ModelFacts:
    """The recipe's own environment may say where its models are cached."""
    own = {name: text for name, text in recipe.env_vars.items() if name in model_facts.VARIABLES}
    return model_facts.read(recipe.model_path, recipe.served_model_name or "", {**os.environ, **own} if own else None)


def choose(engine: str, facts: ModelFacts, known: Known | None = None) -> Choices:
    """Both parsers for a model. Pure: the same facts and names give the same choices; never raises."""
    names = None if known is None else tuple((kind, frozenset(known[kind])) for kind in KINDS if kind in known)
    return _choose(engine, facts, names)


@lru_cache(maxsize=8192)
def _choose(engine: str, facts: ModelFacts, known: tuple[tuple[str, frozenset[str]], ...] | None) -> Choices:
    if engine == "llamacpp":
        return Choices(Choice(None, LLAMA), Choice("auto", LLAMA))
    table = family.table()
    search = _Search(table, engine, facts)
    has: Known = table.known.get(engine, {}) if known is None else dict(known)
    row = search.named()
    wants = row.parsers.get(engine, {}).get("wants", "") if row else ""
    tool, reasoning = (_had(search.found(kind, row), has.get(kind), known is not None) for kind in KINDS)
    return Choices(tool, reasoning, *((wants, row.name) if row and (tool.name or reasoning.name) else ()))


def _had(choice: Choice, names: Collection[str] | None, asked: bool) -> Choice:
    """The choice, unless the engine does not have it."""
    if choice.name is None or names is None or choice.name in names:
        return choice
    lacks = "the installed engine has no such parser" if asked else "the engine's known version has no such parser"
    return Choice(None, f"{lacks} as {choice.name} ({choice.reason})")


def _said(recipe: Recipe, kind: str, engine: str, known: Known | None) -> Choice | None:
    """The recipe's own word, in its field or in extra_args, which win over the fields."""
    extra = {key.lstrip("-").replace("-", "_"): value for key, value in recipe.extra_args.items()}
    spelled = next((name for name in SPELLINGS[kind] if name in extra), None)
    value: Any = extra[spelled] if spelled else getattr(recipe, FIELDS[kind])
    if spelled is None and not value:
        return None
    name = str(value)
    # Null or false in extra_args takes a flag away.
    if not value or name.lower() == NONE:
        return Choice(None, "the recipe says none")
    names = (known or family.table().known.get(engine, {})).get(kind)
    listed = names is None or name in names or (engine == "sglang" and name == AUTO)
    doubt = "" if listed else UNLISTED
    return Choice(name, f"the recipe says so{doubt}")


@dataclass(frozen=True, slots=True)
class _Search:
    """One model on one engine."""

    table: Families
    engine: str
    facts: ModelFacts

    def named(self) -> Family | None:
        """The first row that one of the names means and config.json allows."""
        return next(self._rows(self.facts.names), None)

    def _rows(self, names: Collection[str]) -> Iterator[Family]:
        for name in names:
            text = name.replace("_", "-").replace(" ", "-")
            # What a tuned model was made of (_name_or_path) does not make it a base model.
            if BASE.search(text):
                continue
            yield from (row for row in self.table.rows if row.named(text) and row.fits(self.facts))

    def found(self, kind: str, row: Family | None) -> Choice:
        if self.facts.names and BASE.search(self.facts.names[0].replace("_", "-")):
            return Choice(None, f"name says a base model, which has no {kind} parser")
        if row is not None:
            return self._by_row(kind, row, row.name)
        return self._by_architecture(kind) or self._by_template(kind) or self._by_served(kind)

    def _by_row(self, kind: str, row: Family, label: str) -> Choice:
        """What a row says, if the chat template can bear it; else what the template itself says."""
        name, why = row.parsers.get(self.engine, {}).get(kind), f"name says {label}{self._confirmed(row)}"
        if row.unproven and name:
            why += ", unproven"
        if name is None:
            return Choice(None, f"{why}, which has no {kind} parser")
        against = self._against(kind, name, row)
        if not against:
            return Choice(name, why)
        return self._by_template(kind) or Choice(None, f"{why}, but {against}")

    def _confirmed(self, row: Family) -> str:
        both = [one for one in self.facts.architectures if one in row.architectures]
        return f", architecture {both[0]}" if both else ""

    def _against(self, kind: str, name: str, row: Family | None = None) -> str:
        """What speaks against a parser: a chat template without its mark, a tokenizer without its tokens."""
        wanted = self.table.tokens.get(self.engine, {}).get(name, []) if kind == REASONING else []
        missing = [one for one in wanted if self.facts.tokens is not None and one not in self.facts.tokens]
        if missing:
            return f"its tokenizer has no token {missing[0]}"
        mark = self.table.marks[kind].get(name)
        brings = row is not None and "--chat-template" in row.parsers.get(self.engine, {}).get("wants", "")
        if not mark or not self.facts.template or (brings and kind == TOOL) or re.search(f"(?i){mark}", self.facts.template):
            return ""
        return f"its chat template does not fit {name}"

    def _by_architecture(self, kind: str) -> Choice | None:
        """The one parser of all families with this architecture; of several, the one that the chat template shows."""
        rows = list(self.table.of_architecture(self.facts))
        if not rows:
            return None
        label = next(iter(self.facts.architectures), self.facts.model_type)
        said = [row.parsers.get(self.engine, {}).get(kind) for row in rows]
        names = [None if name is None or self._against(kind, name) else name for name in said]
        keys = {self.table.key(self.engine, kind, name) for name in names}
        if len(keys) == 1:
            if names[0] is not None:
                return Choice(names[0], f"architecture {label}")
            return self._by_template(kind) or Choice(
                None, f"architecture {label} says {rows[0].name}, which has no {kind} parser")
        shown = self._by_template(kind)
        if shown is not None:
            return shown
        families = ", ".join(dict.fromkeys(row.name for row in rows[:3]))
        return Choice(None, f"architecture {label} is of several families ({families}), and no chat template tells which")

    def _by_template(self, kind: str) -> Choice | None:
        if not self.facts.template:
            return None
        sign = next((one for one in self.table.signatures[kind] if one.matches(self.facts)), None)
        if sign is None:
            return None
        name = sign.parsers.get(self.engine)
        if name is None:
            return Choice(None, f"chat template of the format {sign.id!r}, for which the engine has none")
        against = self._against(kind, name)
        return Choice(None, f"chat template of the format {sign.id!r}, but {against}") if against else Choice(
            name, f"chat template of the format {sign.id!r}")

    def _by_served(self, kind: str) -> Choice:
        row = next(self._rows([self.facts.served]), None) if self.facts.served else None
        if row is not None:
            return self._by_row(kind, row, f"{row.name} (as it is served)")
        return Choice(None, "neither name nor config.json nor chat template says")
