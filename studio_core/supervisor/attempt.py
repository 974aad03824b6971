"""One launch as the supervisor keeps it."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from studio_core import wire
from studio_core.recipes.recipe import Recipe
from studio_core.supervisor import launch
from studio_core.supervisor.keeper import Keeper

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
    """A launch with its task. `marks` are seconds since its creation at which each state was entered."""

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
    _began: float = field(default_factory=time.monotonic)

    @classmethod
    def new(cls, recipe: Recipe, origin: str, force: bool) -> Attempt:
        return cls(f"l-{secrets.token_hex(5)}", recipe, origin, force, datetime.now(UTC).isoformat())

    def move(self, target: str) -> None:
        """To `target`, if the launch may still go there."""
        self.state = launch.step(self.state, target)
        self.marks.setdefault(self.state, time.monotonic() - self._began)

    def view(self, keeper: Keeper | None) -> wire.Launch:
        """The launch as the API shows it."""
        return wire.Launch(
            id=self.id,
            recipe_id=self.recipe.id,
            state=self.state,
            stage="launching" if self.state == launch.STARTING and keeper is None else launch.STAGES[self.state],
            origin=self.origin,
            instance_id=self.instance_id,
            message=self.message or (self.failure.title if self.failure else _MESSAGES[self.state]),
            progress=keeper.progress if keeper is not None else wire.Progress(),
            leaving=list(self.leaving),
            failure=self.failure,
            log_file=f"/logs/{self.instance_id}" if self.instance_id else None,
            created_at=self.created_at,
            age_s=time.monotonic() - self._began,
        )
