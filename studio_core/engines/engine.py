"""What every engine is to the rest of Studio: one Protocol, its tables as data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from studio_core.engines.node import Line
from studio_core.engines.problem import Problem
from studio_core.engines.remedy import Fix
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings


@dataclass(frozen=True, slots=True)
class Bench:
    """What a command is built for: where it will listen, its key, and its own folder."""

    host: str
    port: int
    api_key: str
    folder: Path
    settings: Settings


def stand_in(settings: Settings) -> Bench:
    """A bench for looking at a command that nobody will run."""
    return Bench("127.0.0.1", 1, "", Path("."), settings)


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute: an argv list (never a shell), the engine's own environment, and the working directory.

    `files` are written into the instance's folder (0600) before the start: name → text. They may hold secrets.
    `origin` says who named the program, or where it was found.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Milestone:
    """A log line that means progress: `percent` is of the whole start.

    A line that counts (tqdm bars) has a group `pct` of 0 to 100 and moves from `percent` to `upto`.
    """

    id: str
    pattern: re.Pattern[str]
    percent: float
    stage: str
    upto: float | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """A log line that names a cause: in words, with a remedy. Named groups of the pattern may be used in the texts.

    `weak` lines are consequences ("exiting due to ..."): used only where no other line says more. `when` the line counts:
    at an engine's `end`; when a start makes no progress and the line is among the last (`stall`); or at once, because the
    engine goes on but this start can never become ready (`lost`). A pattern over `lines` lines has line breaks in it.
    `fix` is the change of the recipe that the cause calls for.
    """

    id: str
    pattern: re.Pattern[str]
    title: str
    hint: str
    weak: bool = False
    fix: Fix | None = None
    when: Literal["end", "stall", "lost"] = "end"
    lines: int = 1


def cause(name: str, pattern: str, title: str, hint: str, fix: Fix | None = None, **more: Any) -> Signature:
    """A signature as a row of a table; `more` are its other fields."""
    return Signature(name, re.compile(pattern), title, hint, fix=fix, **more)


@dataclass(frozen=True, slots=True)
class Probe:
    """One GET that must answer 200 before the engine counts as ready; `keyed` sends the engine's key."""

    path: str
    keyed: bool = False


class Engine(Protocol):
    """One kind of inference server."""

    @property
    def name(self) -> str: ...

    @property
    def milestones(self) -> Sequence[Milestone]: ...

    @property
    def signatures(self) -> Sequence[Signature]:
        """In the order of their say: the first that matches any line names the cause."""

    @property
    def probes(self) -> Sequence[Probe]: ...

    @property
    def series(self) -> Mapping[str, str]:
        """Our name of a gauge or counter → the engine's series, for the exporter and the drain's check.

        Our names: running, waiting (requests), prompt_tokens, cached_tokens, generated_tokens (counters),
        prompt_tokens_per_second, generated_tokens_per_second, kv_usage (0 to 1; several data-parallel engines add up),
        ttft_seconds and ttft_count (sum and number of the times to the first token), preemptions, sleeping.
        """

    def check(self, recipe: Recipe, settings: Settings) -> None:
        """Raise BadRecipe for what cannot work: missing model or binary, unknown flag, wrong type.

        May ask an installed binary for its flags, so it can take a second: call it in a thread.
        """

    def problems(self, recipe: Recipe, settings: Settings, ask: bool = False) -> Iterator[Problem]:
        """Everything that is wrong, also what may still start. `ask`: the engine itself, which can take half a minute."""

    def nodes(self, recipe: Recipe) -> Sequence[Line]:
        """What a person runs on the recipe's other machines; empty for an engine or a recipe of one."""

    def command(self, recipe: Recipe, bench: Bench) -> Command:
        """The command line for this recipe.

        Raises:
            BadRecipe: a field that this engine cannot express.
        """
