"""Who is killed, and who does not notice: controller, gateway and engine with real signals."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.error
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from studio_core.errors import NotFound
from studio_core.paths import daemon_environment
from studio_core.supervisor import identity
from studio_core.supervisor import spec as specs
from tests.house import House, house
from tests.wait import wait_until


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as found:
        yield found


def read_stream(answer: Any) -> list[str]:
    """The data of every event."""
    return [line[6:].decode().strip() for line in answer if line.startswith(b"data: ")]


@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_controller_is_noticed_by_nobody(home: House, rounds: int) -> None:
    home.recipe("one", token_s=0.02)
    before = home.launch("one")
    for _ in range(rounds):
        answer = home.ask("one", stream=True, max_tokens=60)
        killed = home.kill_controller()
        events = read_stream(answer)
        assert events[-1] == "[DONE]"
        assert sum('"content"' in event for event in events) == 60
        wait_until(lambda killed=killed: home.status().controller.pid != killed)  # type: ignore[misc]
        after = home.instance("one")
        assert (after.engine_pid, after.shim_pid) == (before.engine_pid, before.shim_pid)
        wait_until(lambda: home.instance("one").state == "ready")


def test_a_start_that_had_no_shim_when_its_controller_died_begins_anew(home: House) -> None:
    """What lies on disk then is a spec, and nothing runs."""
    home.recipe("one")
    before = home.launch("one")
    spec = specs.read(home.places.instance(before.id))
    home.client.shutdown(engines=True)
    wait_until(lambda: not home.processes(), what="all have ended")
    left = home.places.instance("one-000000")
    specs.write(left, replace(spec, instance=left.name, launch_id="l-0000000000", origin="person"))
    home.up()
    after = home.client.over("l-0000000000")
    assert (after.state, after.origin) == ("ready", "person")
    assert home.instance("one").id == after.instance_id != left.name
    assert not left.exists()


def test_the_family(home: House) -> None:
    home.recipe("one")
    found = home.launch("one")
    engine, shim = identity.stat_fields(found.engine_pid or 0), identity.stat_fields(found.shim_pid or 0)
    assert engine is not None and shim is not None
    assert int(engine[1]) == found.shim_pid
    assert int(shim[1]) != home.status().controller.pid


def test_a_recipe_that_was_changed_since_the_start_is_said_to_be(home: House) -> None:
    """By any controller; words for people and the way back do not count."""
    home.recipe("one")
    home.launch("one")
    recipe = home.client.recipe("one").recipe

    def said(**change: Any) -> bool:
        home.client.put_recipe({**recipe, **change})
        return home.instance("one").recipe_changed

    assert not said()
    assert not said(name="Another", notes="read this", tags=["new"])
    assert said(max_model_len=512)
    home.kill_controller()
    wait_until(lambda: home.instance("one").recipe_changed, what="the next controller says so too")
    assert not said()


def test_the_status_says_how_long_each_daemon_has_run(home: House) -> None:
    first, second = home.status(), wait_until(lambda: found if (found := home.status()).probe.pid else None)
    assert second is not None
    for name in ("controller", "gateway", "probe"):
        pid, age = getattr(second, name).pid, getattr(second, name).age_s
        assert 0 < age <= time.time() - psutil.Process(pid).create_time() + 1.0, name
    assert 0 < first.controller.age_s < second.controller.age_s


def test_a_killed_gateway_is_replaced_and_connections_wait_for_it(home: House) -> None:
    home.recipe("one")
    before = home.launch("one")
    gateway = home.status().gateway.pid
    assert gateway is not None
    os.kill(gateway, signal.SIGKILL)
    # Made while nobody accepts: it waits in the socket's queue.
    with home.ask("one", max_tokens=2) as answer:
        assert json.load(answer)["usage"]["completion_tokens"] == 2
    assert home.instance("one").engine_pid == before.engine_pid
    assert home.status().gateway.pid != gateway


def test_a_killed_engine_has_failed_with_its_last_lines(home: House) -> None:
    home.recipe("one", lines=5)
    before = home.launch("one")
    assert before.engine_pid is not None
    os.kill(before.engine_pid, signal.SIGKILL)
    failed = wait_until(lambda: found if (found := home.instance("one")).state == "failed" else None)
    assert failed is not None and failed.failure is not None
    assert "SIGKILL" in failed.failure.title
    assert any("line 4" in line for line in failed.failure.lines)


def test_exclusive_stops_the_first_after_its_requests(home: House) -> None:
    home.recipe("one")
    home.recipe("two")
    home.launch("one")
    over = home.root / "over"
    answer = home.ask("one", stream=True, until=str(over))
    wait_until(lambda: home.instance("one").running == 1)
    launch = home.client.launch("two")
    wait_until(lambda: home.instance("one").state == "draining")
    over.touch()
    assert read_stream(answer)[-1] == "[DONE]"
    assert home.client.over(launch.id).state == "ready"
    assert [one.recipe_id for one in home.status().instances] == ["two"]


def test_a_cold_model_starts_once_for_many(home: House) -> None:
    home.recipe("one", load_s=0.5)
    answers: list[Any] = []

    def ask() -> None:
        with home.ask("one", max_tokens=1) as answer:
            answers.append(json.load(answer))

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 40
    assert len([one for one in home.status().launches if one.recipe_id == "one"]) == 1


def test_a_model_stopped_by_hand_stays_down_until_a_person_launches_it(home: House) -> None:
    home.recipe("one")
    found = home.launch("one")
    home.client.evict(found.id)
    with pytest.raises(Exception, match="503"):
        home.ask("one")
    home.launch("one")
    with home.ask("one", max_tokens=1) as answer:
        assert answer.status == 200


def test_a_cancel_also_ends_the_wait_of_requests_and_nothing_starts_again(home: House) -> None:
    home.recipe("one", hang=True)
    refused: list[int] = []

    def ask() -> None:
        try:
            home.ask("one")
        except urllib.error.HTTPError as error:
            refused.append(error.code)

    asking = threading.Thread(target=ask)
    asking.start()
    wait_until(lambda: home.client.status().launches, what="the request has started a launch")
    home.client.cancel("one")
    asking.join()
    assert refused == [503]
    assert [(one.state, one.origin) for one in home.status().launches] == [("cancelled", "acquire")]


def test_a_launch_that_may_not_displace_is_a_conflict(tmp_path: Path) -> None:
    with house(tmp_path, drain_s=0.3) as home:
        home.recipe("one")
        home.recipe("two")
        home.launch("one")
        over = home.root / "over"
        answer = home.ask("one", stream=True, until=str(over))
        wait_until(lambda: home.instance("one").running == 1)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(home.places.control_socket))) as owner:
            refused = owner.post("http://studio/launch/two", timeout=60)
        assert (refused.status_code, refused.json()["title"]) == (409, "one still answers 1 requests")
        assert "force" in refused.json()["hint"]
        assert home.instance("one").state == "ready"
        over.touch()
        assert read_stream(answer)[-1] == "[DONE]"


def test_twenty_controllers_one_wins(tmp_path: Path) -> None:
    one = House(tmp_path)
    argv = [sys.executable, "-m", "studio_core.controller", "--state", str(tmp_path), "--set", f"port={one.port}"]
    found = [
        subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=daemon_environment(), cwd="/", text=True)
        for _ in range(20)
    ]
    try:
        # Twenty interpreters with all that a controller imports: half a minute of two cores where others have them too.
        wait_until(lambda: sum(process.poll() is not None for process in found) == 19, timeout=150.0)
        losers = [process for process in found if process.returncode is not None]
        assert {process.returncode for process in losers} == {75}
        for process in losers:
            assert process.stderr is not None
            lines = process.stderr.read().splitlines()
            assert len(lines) == 1 and "a controller runs already" in lines[0]
        assert one.status().controller.pid in [process.pid for process in found if process.returncode is None]
    finally:
        one.down()
        for process in found:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()


def test_no_request_is_lost_while_the_controller_dies_five_times(home: House) -> None:
    home.recipe("one")
    home.launch("one")
    ids: list[str] = []
    for number in range(200):
        if number % 40 == 20:
            home.kill_controller()
        with home.ask("one", max_tokens=2) as answer:
            ids.append(answer.headers["x-request-id"])
            answer.read()
    wait_until(lambda: home.client.usage()["totals"]["total_requests"] == 200 if home.status() else False)
    assert rows(home) == sorted(ids)


def rows(home: House) -> list[str]:
    import sqlite3

    with sqlite3.connect(f"file:{home.places.root}/controller.db?mode=ro", uri=True) as connection:
        found = sorted(row[0] for row in connection.execute("SELECT id FROM requests WHERE outcome = 'ok'"))
    connection.close()
    return found


@pytest.mark.parametrize("count", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_cancelled_launches_leave_nothing(home: House, count: int) -> None:
    """Cancelled at random moments; no orphan, no descriptor that stays."""
    home.recipe("one", load_s=0.2)
    controller = home.status().controller.pid
    dice = random.Random(7)
    before = 0
    for number in range(count):
        launch = home.client.launch("one")
        moment = dice.random() * 0.4
        wait_until(lambda launch=launch, moment=moment: home.client.launch_state(launch.id).age_s > moment)  # type: ignore[misc]
        state = home.client.launch_state(launch.id).state
        if state != "ready":
            # It may have become ready since.
            with contextlib.suppress(NotFound):
                home.client.cancel("one")
            assert home.client.launch_state(launch.id).state in ("cancelled", "ready")
        for one in home.status().instances:
            home.client.evict(one.id, force=True)
        wait_until(lambda: not home.status().instances)
        if number == 1:
            before = len(os.listdir(f"/proc/{controller}/fd"))
    wait_until(lambda: len(os.listdir(f"/proc/{controller}/fd")) <= before + 1, what="descriptors are closed")
    assert not any(str(home.root / "engine") in " ".join(process.cmdline()) for process in home.processes())
