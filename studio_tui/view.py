"""What the app knows, as one immutable value that is handed down to the screen that is shown."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct, field

from studio_core import wire

OVER = frozenset({"ready", "failed", "cancelled", "superseded"})
# Instances that a person may still stop.
STOPPABLE = frozenset({"starting", "downloading", "loading", "ready", "sleeping", "draining", "failed", "stuck"})


class Link(Struct, frozen=True):
    """The connection. `state` is a key of `status.LINKS`; `why` is one line."""

    state: str = "connecting"
    place: str = ""
    why: str = ""


class Life(Struct, frozen=True):
    """One model on its way, at work, or failed: an instance, or a launch that has none yet."""

    recipe_id: str
    name: str
    state: str
    progress: wire.Progress
    instance: wire.Instance | None = None
    launch: wire.Launch | None = None
    failure: wire.Failure | None = None

    @property
    def key(self) -> str:
        return self.instance.id if self.instance else self.launch.id if self.launch else self.recipe_id

    @property
    def coming(self) -> bool:
        return self.state in {"planned", "waiting", "starting", "downloading", "loading"}


class View(Struct, frozen=True):
    """`now` and the others `_at` are of one monotonic clock; ages in `status` were true at `status_at`.

    `link_at` is when the connection was lost, or 0.
    """

    link: Link = field(default_factory=Link)
    link_at: float = 0.0
    status: wire.Status | None = None
    status_at: float = 0.0
    gpus: wire.Gpus | None = None
    recipes: tuple[wire.RecipeView, ...] | None = None
    recipes_at: float = 0.0
    metrics: wire.Metrics | None = None
    samples: wire.Samples | None = None
    now: float = 0.0

    def age(self, seconds: float) -> float:
        return seconds + max(0.0, self.now - self.status_at)

    def left(self, seconds: float) -> float:
        """What is left of a time that was left at `status_at`."""
        return max(0.0, seconds - max(0.0, self.now - self.status_at))

    def name(self, recipe_id: str) -> str:
        return next((one.name for one in self.recipes or () if one.id == recipe_id), recipe_id)

    def lives(self) -> Iterator[Life]:
        """Instances in the server's order, then launches that have none yet."""
        if self.status is None:
            return
        launches = {one.instance_id: one for one in self.status.launches if one.instance_id}
        for one in self.status.instances:
            launch = launches.get(one.id)
            failure = one.failure or (launch.failure if launch else None)
            yield Life(one.recipe_id, one.name, one.state, one.progress, one, launch, failure)
        held = {one.id for one in self.status.instances}
        for begun in self.status.launches:
            if begun.state not in OVER and begun.instance_id not in held:
                yield Life(begun.recipe_id, self.name(begun.recipe_id), begun.state, begun.progress, launch=begun)

    def life(self, recipe_id: str) -> Life | None:
        """The newest of one recipe's: what is on its way before what failed; else a launch that failed."""
        mine = [one for one in self.lives() if one.recipe_id == recipe_id]
        mine.sort(key=lambda one: one.state == "failed")
        return mine[0] if mine else self._failed(recipe_id)

    def fates(self) -> dict[str, Life]:
        """`life` of every recipe that has one, in one walk: lists may be long."""
        found: dict[str, Life] = {}
        for one in self.lives():
            kept = found.get(one.recipe_id)
            if kept is None or (kept.state == "failed" and one.state != "failed"):
                found[one.recipe_id] = one
        tried = {one.recipe_id for one in (self.status.launches if self.status else ())} - set(found)
        return found | {name: life for name in tried if (life := self._failed(name)) is not None}

    def _failed(self, recipe_id: str) -> Life | None:
        tried = [one for one in (self.status.launches if self.status else ()) if one.recipe_id == recipe_id]
        last = max(tried, key=lambda one: one.created_at, default=None)
        if last is None or last.failure is None:
            return None
        return Life(recipe_id, self.name(recipe_id), "failed", last.progress, launch=last, failure=last.failure)

    def state(self, recipe: wire.RecipeView) -> str:
        """The state of a recipe as `status.MARKS` names it."""
        return self.state_of(recipe, self.life(recipe.id))

    def state_of(self, recipe: wire.RecipeView, life: Life | None) -> str:
        """The same where its life is known."""
        if life:
            return life.state
        if recipe.problems:
            return "broken"
        held = recipe.hold or (self.status is not None and recipe.id in self.status.holds)
        return "held" if held else "stopped"

    def serving(self) -> wire.Instance | None:
        return next((one for one in self.status.instances if one.state == "ready"), None) if self.status else None

    # What is measured.

    def metric(self, instance_id: str) -> wire.ModelMetrics | None:
        models = self.metrics.models if self.metrics else ()
        return next((one for one in models if one.instance_id == instance_id), None)

    def held(self, instance_id: str) -> int | None:
        """GPU memory of one instance, where the driver tells."""
        gpus = self.gpus.gpus if self.gpus else ()
        mine = [one for gpu in gpus for part in (gpu.processes, *(part.processes for part in gpu.slices)) for one in part
                if one.instance_id == instance_id]
        return sum(one.memory_bytes or 0 for one in mine) if mine else None

    def whose(self, process: wire.GpuProcess) -> str:
        """The model that a process on a GPU belongs to; empty where it is none of ours and no engine."""
        if self.status is None:
            return ""
        if process.instance_id:
            return next((one.name for one in self.status.instances if one.id == process.instance_id), process.instance_id)
        return next((one.name for one in self.status.foreign if one.pid == process.pid), "")
