"""The two state machines and the planner, as a model: supersede, cancel, hold, death at each step."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from studio_core.supervisor import instance, launch, planner, restart
from studio_core.supervisor.instance import Life
from studio_core.supervisor.restart import Ending, Policy

RECIPES = st.sampled_from(["a", "b", "c"])
# One that is never started again, one that is when it crashed, one that always is.
POLICIES = {"a": Policy(), "b": Policy(restart.ON_FAILURE, 2), "c": Policy(restart.ALWAYS, 3)}


PINNED = frozenset({"b"})


class House(RuleBasedStateMachine):
    """A house with one model at a time: requests, cancels, deaths and releases in any order."""

    launches = Bundle("launches")

    def __init__(self) -> None:
        super().__init__()
        self.state: dict[str, str] = {}
        self.recipe: dict[str, str] = {}
        self.origin: dict[str, str] = {}
        self.lives: dict[str, Life] = {}
        self.holds: set[str] = set()
        self.pausing: set[str] = set()
        self.restarts: dict[str, int] = {}
        self.insisted: set[str] = set()

    def holdings(self) -> list[planner.Holding]:
        return [
            planner.Holding(name, self.recipe[name], life.claims, life.state == instance.READY, pinned=self.pinned(name))
            for name, life in self.lives.items()
        ]

    def pinned(self, name: str) -> bool:
        return self.recipe[name] in PINNED and self.lives[name].alive

    def attempts(self) -> list[planner.Attempt]:
        return [
            planner.Attempt(name, self.recipe[name], self.origin[name], name in self.pausing, self.recipe[name] in PINNED)
            for name, state in self.state.items() if state not in launch.OVER
        ]

    def move(self, name: str, target: str) -> None:
        before = self.state[name]
        self.state[name] = launch.step(before, target)
        assert before not in launch.OVER or self.state[name] == before, "a launch that is over moved"
        if name in self.lives and self.state[name] in (launch.CANCELLED, launch.SUPERSEDED, launch.FAILED):
            self.happen(name, "stop")

    def happen(self, name: str, event: str) -> None:
        before = self.lives[name]
        after = instance.advance(before, event)
        assert before.claims or not after.claims, "a claim came back"
        self.lives[name] = after

    @rule(target=launches, recipe=RECIPES, origin=st.sampled_from([launch.PERSON, launch.ACQUIRE]), force=st.booleans())
    def request(self, recipe: str, origin: str, force: bool) -> str:
        force = force and origin == launch.PERSON
        held = recipe in self.holds
        result = planner.plan(
            recipe, origin, force=force, exclusive=True, held=held, holdings=self.holdings(), attempts=self.attempts()
        )
        if origin == launch.ACQUIRE:
            assert self.pausing.issuperset(result.supersedes), "the gateway displaced somebody's launch"
            assert not (held and not result.refused), "a held recipe was started by the gateway"
        for rival in result.supersedes:
            self.move(rival, launch.SUPERSEDED)
        if result.serving or result.joined or result.refused or result.queued or result.pinned:
            return result.joined or ""
        if origin == launch.PERSON:
            self.holds.discard(recipe)
        name = self.begin(recipe, origin)
        if force:
            self.insisted.add(name)
        return name

    def begin(self, recipe: str, origin: str, restarts: int = 0) -> str:
        name = f"l{len(self.state)}"
        self.state[name], self.recipe[name], self.origin[name] = launch.PLANNED, recipe, origin
        self.restarts[name] = restarts
        return name

    @rule(target=launches, name=launches, served=st.sampled_from([1.0, 700.0]), code=st.sampled_from([0, 1, None]))
    def crash(self, name: str, served: float, code: int | None) -> str:
        """A ready engine, or a restarted one that comes, ends by itself; what follows waits."""
        life, recipe = self.lives.get(name, Life(instance.GONE)), self.recipe.get(name, "")
        if life.state != instance.READY and not (life.coming and self.restarts[name]):
            return ""
        ready = life.state == instance.READY
        self.happen(name, "exits")
        self.move(name, launch.FAILED)
        turn = restart.decide(POLICIES[recipe], Ending(self.restarts[name], served if ready else None, code))
        plan = planner.plan(recipe, launch.RESTART, force=False, exclusive=True, held=recipe in self.holds,
                            holdings=self.holdings(), attempts=self.attempts())
        if turn is None or plan != planner.Plan():
            return ""
        begun = self.begin(recipe, launch.RESTART, turn.number)
        self.pausing.add(begun)
        return begun

    @rule(name=launches)
    def pause_is_over(self, name: str) -> None:
        self.pausing.discard(name)

    @rule(name=launches)
    def advance(self, name: str) -> None:
        """One step of the service: send away who must leave, start when nobody claims, ready."""
        state = self.state.get(name, launch.READY)
        if name in self.pausing:
            return
        if state in (launch.PLANNED, launch.WAITING):
            rest = planner.leaving(self.recipe[name], frozenset(), True, self.holdings())
            if self.origin[name] == launch.RESTART and any(self.recipe[other] != self.recipe[name] for other in rest):
                self.move(name, launch.FAILED)
                return
            kept = [other for other in rest if self.pinned(other) and self.recipe[other] != self.recipe[name]]
            assert not kept or name in self.insisted, "a pinned engine is sent away although nobody insists"
            for other in rest:
                self.happen(other, "stop")
            if rest:
                self.move(name, launch.WAITING)
            else:
                self.move(name, launch.STARTING)
                self.lives[name] = Life()
        elif state == launch.STARTING:
            self.happen(name, "ready")
            self.move(name, launch.READY)

    @rule(name=launches)
    def cancel(self, name: str) -> None:
        if name in self.state:
            self.move(name, launch.CANCELLED)

    @rule(name=launches)
    def die(self, name: str) -> None:
        if name in self.lives:
            self.happen(name, "exits")
            if self.state[name] == launch.STARTING:
                self.move(name, launch.FAILED)

    @rule(name=launches, event=st.sampled_from(sorted(instance.EVENTS)))
    def anything(self, name: str, event: str) -> None:
        """Events of the engine that come at any moment; only a clean sweep or a person frees a claim."""
        if name in self.lives:
            before = self.lives[name]
            self.happen(name, event)
            freed = before.claims and not self.lives[name].claims
            assert not freed or event in ("clean", "release")

    @rule(name=consumes(launches))
    def stop_by_hand(self, name: str) -> None:
        if name in self.lives:
            self.happen(name, "stop")
            self.holds.add(self.recipe[name])
            for other in self.pausing:
                if self.recipe[other] == self.recipe[name]:
                    self.move(other, launch.CANCELLED)

    @invariant()
    def one_claim_at_a_time(self) -> None:
        assert sum(life.claims for life in self.lives.values()) <= 1, "two engines claim the machine"

    @invariant()
    def one_attempt_at_a_time(self) -> None:
        assert len(self.attempts()) <= 1

    @invariant()
    def nobody_restarts_what_is_held_or_too_often(self) -> None:
        for name in self.pausing:
            if self.state[name] not in launch.OVER:
                assert self.recipe[name] not in self.holds, "a held recipe would be started again"
        assert all(count <= POLICIES[self.recipe[name]].limit for name, count in self.restarts.items())

    @invariant()
    def the_dead_do_not_serve(self) -> None:
        assert all(life.claims for life in self.lives.values() if life.alive)


House.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestHouse = House.TestCase


def test_every_launch_state_has_a_stage() -> None:
    assert set(launch.STAGES) == set(launch.STEPS)


def test_a_crash_while_ready_keeps_its_claim_until_swept() -> None:
    life = Life()
    for event in ("loads", "ready", "exits"):
        life = instance.advance(life, event)
    assert (life.state, life.claims) == (instance.FAILED, True)
    assert not instance.advance(life, "clean").claims


def test_a_stopped_engine_never_counts_as_failed() -> None:
    life = Life()
    for event in ("ready", "drain", "stop", "exits", "clean"):
        life = instance.advance(life, event)
    assert (life.state, life.asked, life.claims) == (instance.GONE, True, False)


def test_an_unkillable_engine_is_stuck_until_a_person_releases_it() -> None:
    life = instance.advance(instance.advance(Life(), "stop"), "unkillable")
    assert (life.state, life.claims) == (instance.STUCK, True)
    assert instance.advance(life, "release") == Life(instance.GONE, claims=False, asked=True)
