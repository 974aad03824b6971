"""Crashed engines are started again: as often as their recipe says, not against a person, and by the next controller too."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from studio_core import wire
from tests.house import House, house
from tests.wait import wait_until

# Long enough to look at, short enough to wait for.
PAUSE_S = 0.2
LONG_S = 600.0


def crash(one: House, name: str) -> wire.Instance:
    """Kill the engine of a recipe; returns what it was."""
    was = one.instance(name)
    assert was.engine_pid is not None
    os.kill(was.engine_pid, signal.SIGKILL)
    return was


def pausing(one: House, name: str) -> wire.Launch | None:
    """The restart that waits for its time."""
    found = [each for each in one.status().launches if each.recipe_id == name and each.next_try_s is not None]
    return found[0] if found else None


def ready_again(one: House, name: str, was: wire.Instance) -> wire.Instance | None:
    return next((each for each in one.status().instances
                 if each.recipe_id == name and each.state == "ready" and each.id != was.id), None)


def again(one: House, was: wire.Instance) -> None:
    wait_until(lambda: ready_again(one, was.recipe_id, was), what="it serves again")


def over(one: House) -> bool:
    return all(each.state in ("ready", "failed", "cancelled", "superseded") for each in one.status().launches)


def test_it_comes_back_and_a_request_that_comes_meanwhile_waits_for_it(state_dir: Path) -> None:
    with house(state_dir, restart_pause_s=PAUSE_S) as one:
        one.recipe("one", {"restart": "on-failure"})
        one.launch("one")
        was = crash(one, "one")
        wait_until(lambda: not one.active("one"), what="the gateway knows of the crash")
        answer = json.loads(one.ask("one").read())
        assert answer["choices"][0]["message"]["content"]
        now = ready_again(one, "one", was)
        assert now is not None
        launch = one.client.launch_state(now.launch_id)
        assert (launch.origin, launch.restart, launch.restart_limit) == ("restart", 1, 3)


def test_it_stays_down_when_it_crashes_too_often_and_says_why(state_dir: Path) -> None:
    with house(state_dir, restart_pause_s=0.01) as one:
        one.recipe("one", {"restart": "on-failure", "restart_limit": 2})
        one.launch("one")
        for _ in range(2):
            was = crash(one, "one")
            again(one, was)
        crash(one, "one")
        wait_until(lambda: one.instance("one").exit is not None and over(one), what="it is given up")
        assert [each.restart for each in one.status().launches] == [0, 1, 2]
        failure = one.instance("one").failure
        assert failure is not None and "killed" in f"{failure.title} {failure.detail}"


def test_the_pause_is_told_in_status_and_ended_by_a_stop(state_dir: Path) -> None:
    with house(state_dir, restart_pause_s=LONG_S) as one:
        one.recipe("one", {"restart": "always", "restart_limit": 5})
        one.launch("one")
        crash(one, "one")
        launch = wait_until(lambda: pausing(one, "one"), what="a restart waits")
        assert launch is not None and launch.message == f"next restart in {LONG_S:.0f} s, attempt 1 of 5"
        assert launch.next_try_s is not None and LONG_S - 60 < launch.next_try_s <= LONG_S
        wait_until(lambda: one.instance("one").exit, what="its residue is gone")
        one.client.evict(one.instance("one").id)
        assert pausing(one, "one") is None and one.status().holds == ["one"]
        assert one.client.launch_state(launch.id).state == "cancelled"


def test_a_launch_of_another_displaces_the_restart_and_one_of_its_own_is_at_once(state_dir: Path) -> None:
    with house(state_dir, restart_pause_s=LONG_S) as one:
        one.recipe("one", {"restart": "on-failure"})
        one.recipe("two")
        one.launch("one")
        crash(one, "one")
        first = wait_until(lambda: pausing(one, "one"))
        one.launch("two")
        assert first is not None and one.client.launch_state(first.id).state == "superseded"
        one.launch("one")
        was = crash(one, "one")
        second = wait_until(lambda: pausing(one, "one"))
        one.launch("one")
        assert second is not None and one.client.launch_state(second.id).state == "superseded"
        assert ready_again(one, "one", was) is not None


def test_requests_for_another_model_do_not_wait_for_the_pause(state_dir: Path) -> None:
    with house(state_dir, restart_pause_s=LONG_S) as one:
        one.recipe("one", {"restart": "on-failure"})
        one.recipe("two")
        one.launch("one")
        crash(one, "one")
        wait_until(lambda: pausing(one, "one"))
        assert json.loads(one.ask("two").read())["choices"]
        assert pausing(one, "one") is None


def test_what_a_person_stops_stays_stopped(state_dir: Path) -> None:
    with house(state_dir, restart_pause_s=0.01) as one:
        one.recipe("one", {"restart": "always"}, ignore_term=True)
        one.recipe("two", {"restart": "always"})
        one.launch("one")
        # Its own grace is too short for it: the kill is ours, and no crash.
        one.client.evict(one.instance("one").id)
        one.launch("two")
        assert {each.origin for each in one.status().launches} == {"person"}
        assert [each.recipe_id for each in one.status().instances] == ["two"]


def test_the_next_controller_goes_on_with_the_pause(state_dir: Path) -> None:
    with house(state_dir, restart_pause_s=LONG_S) as one:
        one.recipe("one", {"restart": "on-failure"})
        one.launch("one")
        was = crash(one, "one")
        wait_until(lambda: pausing(one, "one"))
        wait_until(lambda: (one.places.history / was.id / "record.json").exists(), what="its folder is in the history")
        pid = one.kill_controller()
        wait_until(lambda: one.status().controller.pid != pid)
        launch = wait_until(lambda: pausing(one, "one"), what="the restart waits again")
        assert launch is not None and (launch.restart, launch.restart_limit) == (1, 3)
        one.client.cancel("one")
        assert pausing(one, "one") is None


def test_a_crash_while_no_controller_is_there_is_made_good_by_the_next(state_dir: Path) -> None:
    with house(state_dir, restart_pause_s=PAUSE_S) as one:
        one.recipe("one", {"restart": "on-failure"})
        one.launch("one")
        one.places.down.touch()  # nobody revives it
        controller = one.kill_controller()
        was = crash_recorded(one)
        one.places.down.unlink()
        wait_until(lambda: one.status().controller.pid != controller)
        now = wait_until(lambda: ready_again(one, "one", was), what="it serves again")
        assert now is not None and one.client.launch_state(now.launch_id).restart == 1


def crash_recorded(one: House) -> wire.Instance:
    """Kill the engine by what the shim wrote of it."""
    folder = next(one.places.instances.iterdir())
    record = json.loads((folder / "record.json").read_text().partition(" ")[2])
    os.kill(record["engine_pid"], signal.SIGKILL)
    wait_until(lambda: '"state": "gone"' in (folder / "record.json").read_text(), what="the shim wrote the end down")
    return wire.Instance(id=folder.name, recipe_id="one", name="one", engine="llamacpp", state="gone")
