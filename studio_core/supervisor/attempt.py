"""The launches as the supervisor keeps them."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from studio_core import wire
from studio_core.errors import NotFound, PortTaken, StudioError
from studio_core.recipes.recipe import Recipe
from studio_core.supervisor import launch, planner
from studio_core.supervisor.keeper import Keeper
from studio_core.supervisor.restart import Turn

KEPT = 20

_MESSAGES = {
    launch.PLANNED: "planned",
    launch.WAITING: "waiting for what must leave",
    launch.STARTING: "starting",
    launch.READY: "ready",
    launch.FAILED: "failed",
    launch.CANCELLED: "cancelled",
    launch.SUPERSEDED: "superseded by a newer launch",
}


@dataclass(slots=True)
class Attempt:
    """A launch with its task. `marks` are seconds since its creation at which each state was entered.

    A restart has its `turn`, and while it pauses the moment (monotonic) until which it does.
    """

    id: str
    recipe: Recipe
    origin: str
    force: bool
    created_at: str
    state: str = launch.PLANNED
    message: str = ""
    instance_id: str | None = None
    failure: wire.Failure | None = None
    leaving: list[str] = field(default_factory=list)
    marks: dict[str, float] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    turn: Turn | None = None
    due: float | None = None
    _began: float = field(default_factory=time.monotonic)

    @classmethod
    def new(cls, recipe: Recipe, origin: str, force: bool) -> Attempt:
        return cls(f"l-{secrets.token_hex(5)}", recipe, origin, force, datetime.now(UTC).isoformat())

    @classmethod
    def served(cls, recipe: Recipe, instance_id: str) -> Attempt:
        """A person's launch of what serves already: over at once."""
        attempt = cls.new(recipe, launch.PERSON, False)
        attempt.state, attempt.instance_id, attempt.message = launch.READY, instance_id, "already running"
        return attempt

    def begun_ago(self, seconds: float) -> None:
        """It is that old: an earlier controller began it."""
        self._began = time.monotonic() - seconds

    def move(self, target: str) -> None:
        """To `target`, if the launch may still go there."""
        self.state = launch.step(self.state, target)
        self.marks.setdefault(self.state, time.monotonic() - self._began)

    async def pause(self) -> None:
        """Until a restart's time has come."""
        if self.due is not None:
            await asyncio.sleep(max(0.0, self.due - time.monotonic()))
            self.due = None

    def _words(self) -> str:
        if self.due is not None and self.turn is not None and self.state not in launch.OVER:
            left = math.ceil(max(0.0, self.due - time.monotonic()))
            return f"next restart in {left} s, attempt {self.turn.number} of {self.turn.limit}"
        return self.message or (self.failure.title if self.failure else _MESSAGES[self.state])

    def view(self, keeper: Keeper | None) -> wire.Launch:
        """The launch as the API shows it."""
        pausing = self.due is not None and self.state not in launch.OVER
        return wire.Launch(
            id=self.id,
            recipe_id=self.recipe.id,
            state=self.state,
            stage="launching" if self.state == launch.STARTING and keeper is None else launch.STAGES[self.state],
            origin=self.origin,
            instance_id=self.instance_id,
            restart=self.turn.number if self.turn else 0,
            restart_limit=self.turn.limit if self.turn else 0,
            next_try_s=max(0.0, self.due - time.monotonic()) if pausing and self.due is not None else None,
            message=self._words(),
            progress=keeper.outlook() if keeper is not None else wire.Progress(),
            leaving=list(self.leaving),
            failure=self.failure,
            log_file=f"/logs/{self.instance_id}" if self.instance_id else None,
            created_at=self.created_at,
            age_s=time.monotonic() - self._began,
        )


class Attempts:
    """The launches under way, and the newest of those that are over: the rest is in the database."""

    def __init__(self) -> None:
        self._all: dict[str, Attempt] = {}

    def __iter__(self) -> Iterator[Attempt]:
        return iter(tuple(self._all.values()))

    def join(self, launch_id: str, origin: str) -> Attempt:
        """The launch under way, asked for once more; when a person does, it is a person's from then on. Raises NotFound."""
        found = self.get(launch_id)
        if origin == launch.PERSON:
            found.origin = origin
        return found

    def find(self, launch_id: str) -> Attempt | None:
        return self._all.get(launch_id)

    def get(self, launch_id: str) -> Attempt:
        """Raises NotFound."""
        if launch_id not in self._all:
            raise NotFound(f"no launch {launch_id}", "", "see: studio status")
        return self._all[launch_id]

    def active(self) -> list[Attempt]:
        return [one for one in self if one.state not in launch.OVER]

    def planned(self) -> list[planner.Attempt]:
        """Those under way, as the planner sees them."""
        return [planner.Attempt(one.id, one.recipe.id, one.origin, one.due is not None, one.recipe.pin) for one in self.active()]

    def remember(self, attempt: Attempt) -> Attempt:
        self._all[attempt.id] = attempt
        over = [one.id for one in self if one.state in launch.OVER and one is not attempt]
        for name in over[:-KEPT]:
            del self._all[name]
        return attempt


def failure_of(error: StudioError) -> wire.Failure:
    """An error as the cause of a failed launch."""
    fix = wire.Fix(title="let Studio choose a free port", change={"port": None}) if isinstance(error, PortTaken) else None
    return wire.Failure(title=error.title, detail=error.detail, hint=error.hint, code=error.code, fix=fix)
