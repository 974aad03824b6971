"""Foreign engines beside a whole Studio: shown, served, left alone by everything that Studio does to its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_core import wire
from studio_core.errors import BadValue, Conflict
from tests import free
from tests.command import Command
from tests.hand import Hand, hand
from tests.house import House, house
from tests.stranger import Stranger, stranger
from tests.terminal import Window
from tests.wait import wait_until


@pytest.fixture
def home(state_dir: Path) -> Iterator[House]:
    with house(state_dir) as found:
        yield found


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Hand]:
    """Started by hand, with a child that has renamed itself."""
    with hand(tmp_path, free.port(), "--alias", "byhand", children=1) as found:
        yield found


def shown(home: House, mine: Hand) -> wire.Foreign:
    """As the status has it, once its models are known."""
    def look() -> wire.Foreign | None:
        return next((one for one in home.status().foreign if (one.pid, one.state) == (mine.pid, "ready")), None)

    found = wait_until(look, what="it is shown")
    assert found is not None
    return found


def attached(home: House, mine: Hand) -> str | None:
    return next((one.attached for one in home.status().foreign if one.pid == mine.pid), None)


def test_nothing_that_studio_does_signals_it(home: House, mine: Hand) -> None:
    home.recipe("one")
    home.recipe("two")
    own = home.launch("one")
    found = shown(home, mine)
    assert (found.port, found.proof, found.name) == (mine.port, "tree", "byhand")
    assert own.engine_pid not in {one.pid for one in home.status().foreign}
    home.launch("two")
    home.client.evict(force=True)
    with pytest.raises(Exception, match="nothing runs"):
        home.client.evict("byhand")
    home.client.attach(mine.pid, ticks=found.ticks)
    home.client.detach(mine.pid)
    home.down()
    assert mine.alive and mine.signals() == []


def test_a_port_that_it_holds_is_not_taken_from_it(home: House, mine: Hand) -> None:
    home.recipe("one")
    home.client.put_recipe({**home.client.recipe("one").recipe, "id": "greedy", "port": mine.port})
    launch = home.client.launch("greedy", wait=True)
    assert launch.failure is not None and launch.failure.code == "port_taken"
    assert mine.alive and mine.signals() == []


def test_it_is_served_across_a_killed_controller_and_until_it_dies(home: House, mine: Hand) -> None:
    found = shown(home, mine)
    answer = home.client.attach(mine.pid, "guest", ticks=found.ticks)
    assert answer.attached == "guest"
    with home.ask("guest", max_tokens=2) as reply:
        assert json.load(reply)["model"] == "byhand"
    killed = home.kill_controller()
    with home.ask("guest", max_tokens=1) as reply:
        assert reply.status == 200
    wait_until(lambda: home.status().controller.pid != killed)
    assert attached(home, mine) == "guest"
    with home.ask("guest", max_tokens=1) as reply:
        assert reply.status == 200
    wait_until(lambda: next((one for one in home.status().foreign if one.running is not None), None), what="its metrics are read")
    assert mine.signals() == []
    os.kill(mine.pid, signal.SIGKILL)
    mine.process.wait()
    wait_until(lambda: refused(home, "guest") == 404, what="its route is gone")
    assert json.loads(home.places.attached.read_text()) == []


def refused(home: House, model: str) -> int:
    try:
        with home.ask(model, max_tokens=1) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_detached_it_goes_on_and_is_not_served(home: House, mine: Hand) -> None:
    shown(home, mine)
    home.client.attach(mine.pid, "guest")
    assert refused(home, "guest") == 200
    home.client.detach(mine.pid)
    assert refused(home, "guest") == 404 and mine.alive
    home.recipe("guest")
    with pytest.raises(Conflict, match="is taken"):
        home.client.attach(mine.pid, "GUEST")


def test_the_command_line(home: House, mine: Hand) -> None:
    studio = Command(home.root)
    shown(home, mine)
    rows = [line.split() for line in studio.good("ps").splitlines() if str(mine.pid) in line.split()]
    assert [row[:5] for row in rows] == [["byhand", "ready", "llamacpp", str(mine.port), str(mine.pid)]]
    assert studio.good("attach", str(mine.pid), "--name", "guest") == f"pid {mine.pid} is served as guest\n"
    assert "as guest" in studio.good("status")
    assert studio.good("detach", str(mine.pid)).startswith(f"pid {mine.pid} detached")
    assert "is no foreign engine" in studio.bad("attach", "1")
    assert "is not attached" in studio.bad("detach", "1")
    assert "--yes-stop byhand" in studio.bad("stop", "--foreign", str(mine.pid))
    assert "type its name" in studio.bad("stop", "--foreign", str(mine.pid), "--yes-stop", "other")
    assert mine.alive and mine.signals() == []
    process = studio.start("stop", "--foreign", str(mine.pid), "--yes-stop", "byhand")
    mine.process.wait()
    out, said = process.communicate(timeout=30)
    assert (process.returncode, out, said) == (0, f"byhand (pid {mine.pid}) stopped\n", "")
    assert mine.signals() == [signal.SIGTERM]


def test_a_person_types_its_name(home: House, mine: Hand) -> None:
    studio = Command(home.root)
    shown(home, mine)
    argv = [*studio.argv, "stop", "--foreign", str(mine.pid)]
    with Window(argv, studio.environ, 100, 24) as window:
        window.until("type its name to stop it")
        window.send("yes\r")
        window.until("not stopped")
        assert window.ended() == 1
    assert mine.alive and mine.signals() == []
    with Window(argv, studio.environ, 100, 24) as window:
        window.until("type its name to stop it")
        window.send("byhand\r")
        mine.process.wait()
        window.until("stopped")
        assert window.ended() == 0


def test_an_answer_of_another_moment_stops_nobody(home: House, mine: Hand) -> None:
    found = shown(home, mine)
    for ticks, word, error in ((found.ticks + 1, "byhand", Conflict), (found.ticks, "byhan", BadValue), (0, "byhand", Conflict)):
        with pytest.raises(error):
            home.client.stop_foreign(mine.pid, ticks, word)
    assert mine.alive and mine.signals() == []


@pytest.fixture(scope="module")
def second() -> Iterator[Stranger]:
    with stranger() as one:
        yield one


def test_another_user_s_engine_is_shown_with_its_owner(home: House, second: Stranger, state_dir: Path) -> None:
    """Root may look into it and stop it all the same; an ordinary user may not: the next test."""
    folder = second.own(state_dir.parent / f"{state_dir.name}-theirs", 0o755)
    try:
        with theirs(second, folder) as other:
            found = shown(home, other)
            assert (found.uid, found.owner, found.proof) == (second.uid, f"uid {second.uid}", "tree")
            assert f"uid {second.uid}" in Command(home.root).good("ps")
    finally:
        clear(folder)


def theirs(second: Stranger, folder: Path):  # type: ignore[no-untyped-def]
    script = Path(second.environ["PYTHONPATH"].split(os.pathsep)[0]) / "tests" / "engines" / "scripted.py"
    return hand(
        folder, free.port(), "--alias", "theirs", become=second.become, python=str(second.python), environ=second.environ,
        script=script,
    )


def clear(folder: Path) -> None:
    for one in folder.iterdir():
        one.unlink()
    folder.rmdir()


def test_what_an_ordinary_user_may_do_with_another_s_engine(
    second: Stranger, state_dir: Path, mine: Hand, tmp_path: Path
) -> None:
    """Root's engine, seen by the second user's Studio: its socket's owner is the proof, it can be served and not stopped."""
    state_dir.chmod(0o755)
    root = second.own(state_dir / "s")
    studio = second.command(root, "--port", str(free.port()))
    studio.good("up")
    closed = tmp_path / "main.py"
    closed.write_text("import time; time.sleep(600)")
    tmp_path.chmod(0o700)
    tabby = subprocess.Popen([sys.executable, str(closed)])
    try:
        found = wait_until(lambda: next((one for one in look(studio) if one["pid"] == mine.pid and one["state"] == "ready"), None))
        assert found is not None
        assert (found["owner"], found["uid"], found["proof"], found["port"]) == ("root", 0, "owner", mine.port)
        assert f"{mine.port}?" in studio.good("ps")
        said = studio.bad("stop", "--foreign", str(mine.pid), "--yes-stop", "byhand")
        assert f"pid {mine.pid} belongs to root" in said and "may not signal it" in said
        forced = studio.bad("stop", "--foreign", str(mine.pid), "--yes-stop", "byhand", "--force")
        assert f"pid {mine.pid} belongs to root" in forced
        assert studio.good("attach", str(mine.pid)) == f"pid {mine.pid} is served as byhand\n"
        assert mine.alive and mine.signals() == []
        assert tabby.pid not in [one["pid"] for one in look(studio)] and tabby.poll() is None, "it may not look into its folder"
    finally:
        tabby.kill()
        tabby.wait()
        assert studio.good("down", "--engines") == "down\n"
    assert mine.alive and mine.signals() == []


def look(studio: Command) -> list[dict[str, object]]:
    found: list[dict[str, object]] = studio.data("status")["foreign"]
    return found
