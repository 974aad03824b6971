"""`studio up`, `down` and what is said when the controller is dead, silent, somebody else's, or cannot start."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from studio_core import daemon, settings
from studio_core.cli.__main__ import main
from studio_core.paths import Places
from studio_core.supervisor import identity
from tests import free
from tests.command import Command, one_line
from tests.house import House, house
from tests.stranger import stranger
from tests.wait import wait_until


@pytest.fixture
def home(state_dir: Path) -> Iterator[House]:
    with house(state_dir) as found:
        yield found


@pytest.fixture
def studio(state_dir: Path) -> Command:
    return Command(state_dir)


def test_up_and_down_and_what_is_left(state_dir: Path) -> None:
    studio = Command(state_dir, "--port", str(free.port()))
    first = studio.good("up")
    assert "a logout" in first and "a reboot" in first
    pid = daemon.running(Places(state_dir))
    assert pid is not None and f"pid {pid['pid']}," in first
    again = studio.data("up")
    assert again["controller"]["pid"] == pid["pid"]
    gateway = again["gateway"]["pid"]
    assert studio.good("down") == "down; engines go on\n"
    wait_until(lambda: identity.ticks(gateway) is None, what="the gateway is gone too")
    assert studio.good("down") == "not running\n"
    assert studio("status").returncode == 3


def test_without_a_controller_the_engines_are_still_shown(home: House) -> None:
    studio = Command(home.root, "--port", str(home.port))
    home.recipe("one")
    engine = home.launch("one")
    assert studio.good("down") == "down; engines go on\n"
    done = studio("ps", "--json")
    assert done.returncode == 3
    (found,) = json.loads(done.stdout)
    assert (found["id"], found["engine_pid"], found["shim_pid"]) == (engine.id, engine.engine_pid, engine.shim_pid)
    status = json.loads(studio("status", "--json").stdout)
    assert (status["controller"]["pid"], [one["id"] for one in status["instances"]]) == (None, [engine.id])
    assert engine.id in studio("status").stdout
    assert studio.good("down", "--engines") == "down\n"
    wait_until(lambda: identity.ticks(engine.engine_pid or 0) is None, what="the engine is gone")
    assert json.loads(studio("ps", "--json").stdout) == []


def test_down_just_after_a_crash_ends_the_gateway_too(home: House) -> None:
    studio = Command(home.root, "--port", str(home.port))
    gateway = home.status().gateway.pid or 0
    home.kill_controller()
    assert studio.good("down") == "down; engines go on\n"
    wait_until(lambda: identity.ticks(gateway) is None, what="the gateway is gone")


def test_a_controller_that_is_revived_too_late_leaves_a_studio_down(home: House) -> None:
    """A gateway missed the one that was killed; before the one that it started has the lock, a person takes Studio down."""
    argv = json.loads(home.places.controller_json.read_text(encoding="utf-8"))["argv"]
    assert Command(home.root).good("down") == "down; engines go on\n"
    assert subprocess.run(argv, timeout=60, check=False).returncode == 0
    assert daemon.running(home.places) is None


def test_who_holds_the_lock_and_is_silent_is_named_and_replaced(
    home: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.recipe("one")
    engine, pid = home.launch("one"), home.status().controller.pid or 0
    monkeypatch.setattr(daemon, "SILENT_S", 0.5)
    monkeypatch.setattr(daemon, "ANSWER_S", 0.5)
    os.kill(pid, signal.SIGSTOP)
    for words in (["status"], ["launch", "one"], ["down"]):
        assert main(["--state", str(home.root), *words]) == 1
        said = capsys.readouterr().err
        assert f"pid {pid}" in said and "up --replace" in said and said.count("\n") == 1
    monkeypatch.undo()
    Command(home.root, "--port", str(home.port)).good("up", "--replace")
    assert home.status().controller.pid != pid
    assert home.instance("one").engine_pid == engine.engine_pid


def test_one_that_still_begins_is_waited_for_whoever_began_it(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine its interpreter alone takes longer than silence is suffered from one that has started."""
    home = House(places.root)
    monkeypatch.setattr(daemon, "SILENT_S", 0.1)
    with places.controller_lock.open("w") as lock, ThreadPoolExecutor() as beside:
        fcntl.flock(lock, fcntl.LOCK_EX)
        asking = beside.submit(daemon.ensure, home.settings)
        log = places.logs / "controller.log"
        wait_until(lambda: log.exists() and "runs already" in log.read_text(), what="the one that it started found the lock held")
        with pytest.raises(TimeoutError):
            asking.result(timeout=1.0)
        monkeypatch.undo()
        fcntl.flock(lock, fcntl.LOCK_UN)
        first = daemon.spawn(home.settings)
        try:
            assert asking.result().status().controller.pid == first.pid
        finally:
            home.down()
            first.wait()


def test_a_holder_is_found_before_it_has_told_who_it_is(home: House) -> None:
    pid = home.status().controller.pid
    home.places.controller_json.unlink()
    found = daemon.holder(home.places.controller_lock)
    assert found is not None and found[0] == pid
    assert daemon.running(home.places) is None
    assert daemon.holder(home.places.down) is None and daemon.holder(home.root / "none") is None


def test_a_foreign_record_is_not_taken_for_ours(home: House) -> None:
    found = json.loads(home.places.controller_json.read_text(encoding="utf-8"))
    for field in ("machine", "boot", "pidns", "ticks"):
        home.places.controller_json.write_text(json.dumps({**found, field: 1}), encoding="utf-8")
        assert daemon.running(home.places) is None, field
    home.places.controller_json.write_text(json.dumps(found), encoding="utf-8")
    assert daemon.running(home.places) == found


def test_a_taken_port_is_named_with_its_holder(places: Places, state_dir: Path, studio: Command) -> None:
    (places.logs / "controller.log").write_text("error: an older one\n", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        said = Command(state_dir, "--port", str(number)).bad("up")
    assert f"port {number}" in said and f"pid {os.getpid()}" in said and "studio settings set port " in said
    assert studio("status").returncode == 3


def test_a_state_directory_that_is_open_to_others(state_dir: Path, studio: Command) -> None:
    state_dir.chmod(0o755)
    assert "chmod 700" in studio.bad("up")


def test_the_command_line_is_handed_on_and_secrets_are_not() -> None:
    found = settings.load(
        {"data_dir": "d", "url": "http://x", "port": "1", "api_key": "secret", "allowed_hosts": "a, b"}, {"HOME": "/nowhere"}
    )
    assert daemon.given(found) == {"port": "1", "allowed_hosts": "a,b"}


def test_another_user_gets_one_line(home: House) -> None:
    """Under a second uid, which can read interpreter and code: the state directory is closed to it."""
    with stranger() as other:
        for words in (["up"], ["launch", "x"], ["keys", "admin"], ["status"]):
            one_line(other.command(home.root)(*words))
    assert home.status().controller.pid is not None
