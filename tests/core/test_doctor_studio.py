"""What doctor finds of Studio itself: places, ports, listeners, daemons; and the whole command."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_core import settings
from studio_core.doctor import examination, listener, network, place
from studio_core.doctor import house as own
from studio_core.doctor.finding import FAIL, OK, WARN
from studio_core.doctor.subject import Subject
from studio_core.paths import Places
from studio_core.supervisor.tree import MARK
from tests import free
from tests.command import Command
from tests.house import House, house
from tests.wait import wait_until


def subject(root: Path, **chosen: object) -> Subject:
    values = {"data_dir": str(root), "port": free.port(), "inference_port": free.port(), **chosen}
    return Subject(settings.load(values, {"HOME": str(root)}), {"HOME": str(root)})


def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    here = subject(tmp_path / "none" / "yet")
    assert [one.level for one in place.folder(here)] == [OK]
    assert list(place.modes(here)) == []
    assert [one.level for one in place.disk(here)] == [OK]


def test_what_is_open_to_others(places: Places) -> None:
    here = subject(places.root)
    (places.logs / "controller.log").touch(0o600)
    assert [one.level for one in (*place.folder(here), *place.modes(here))] == [OK, OK]
    (places.logs / "controller.log").chmod(0o644)
    (found,) = place.modes(here)
    assert found.level == WARN and "controller.log" in found.what
    subprocess.run(found.remedy.split(), check=True)
    assert [one.level for one in place.modes(here)] == [OK]
    places.root.chmod(0o750)
    (found,) = place.folder(here)
    assert found.level == FAIL and "chmod 700" in found.remedy


@pytest.mark.skipif(os.getuid() != 0, reason="another uid is only to be had as root")
def test_what_belongs_to_others(places: Places) -> None:
    os.chown(places.logs, 65534, 65534)
    (found,) = place.modes(subject(places.root))
    assert found.level == FAIL and found.remedy.startswith("chown")
    os.chown(places.root, 65534, 65534)
    (found,) = place.folder(subject(places.root))
    assert found.level == FAIL and "uid 65534" in found.what


def test_ports_and_who_holds_them(tmp_path: Path) -> None:
    here = subject(tmp_path)
    assert [one.level for one in (*network.gateway_port(here), *network.inference_port(here))] == [OK, OK]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        (gateway,) = network.gateway_port(subject(tmp_path, port=number))
        (inference,) = network.inference_port(subject(tmp_path, inference_port=number))
    for found, level in ((gateway, FAIL), (inference, WARN)):
        assert found.level == level and f"pid {os.getpid()}" in found.what and "studio settings set " in found.remedy


@pytest.mark.parametrize(("host", "level"), [("127.0.0.1", OK), ("::1", OK), ("localhost", OK), ("0.0.0.0", WARN), ("gpu1", WARN)])
def test_exposure(tmp_path: Path, host: str, level: str) -> None:
    assert [one.level for one in network.exposure(subject(tmp_path, host=host))] == [level]


ADDRESSES = ["127.0.0.1", "0.0.0.0", "::1", "::"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_listener_is_seen_with_its_address(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        number = server.getsockname()[1]
        (found,) = [one for one in listener.of([os.getpid()]) if one.port == number]
    assert (found.pid, found.address, found.is_loopback) == (os.getpid(), address, address in ("127.0.0.1", "::1"))
    assert listener.Listener(1, "::ffff:127.0.0.1", 1).is_loopback and not listener.Listener(1, "::ffff:10.0.0.1", 1).is_loopback


LISTENS = "import socket, sys; s = socket.create_server((sys.argv[1], 0)); print(s.getsockname()[1], flush=True); sys.stdin.read()"


@pytest.mark.parametrize(("address", "level"), [("127.0.0.1", OK), ("0.0.0.0", WARN)])
def test_listeners_of_engines(places: Places, address: str, level: str) -> None:
    """A process that bears an instance's mark, as all of an engine do."""
    places.instance("one-1").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", LISTENS, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, MARK: "one-1"},
    ) as process:
        assert process.stdout is not None
        number = process.stdout.readline().strip()
        (found,) = network.engines(subject(places.root))
        process.communicate("")
    assert found.level == level
    assert (f"one-1 on {address}:{number}" in found.what) is (level == WARN)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("st")) as found:
        yield found


def test_a_house_that_is_well(home: House) -> None:
    here = subject(home.root, port=home.port)
    wait_until(lambda: home.status().gateway.connected)
    found = [*own.controller(here), *own.gateway(here), *network.gateway_port(here), *place.modes(here)]
    assert [one.level for one in found] == [OK] * 4, found
    # The one thing to know: it is a first start, and what a logout ends is said.
    assert ["a reboot" in one.what for one in own.notices(here)] == [True]
    assert "in 0 ms" in found[1].what or " ms" in found[1].what


def test_doctor_tells_all_and_its_exit_code_what_to_do(home: House) -> None:
    studio = Command(home.root, "--port", str(home.port))
    done = studio.data("doctor")
    assert {one["check"] for one in done["findings"]} >= {
        "python", "sqlite", "libraries", "state", "modes", "disk", "controller", "gateway", "port", "inference port", "exposure",
        "engine listeners", "logout", "characters", "tmux", "gpu", "shared memory", "open files", "engines",
    }
    assert done["counts"]["fail"] == 0
    assert [one for one in done["findings"] if one["level"] != "ok" and not one["remedy"]] == []
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wrong = Command(home.root, "--port", str(taken.getsockname()[1]))("doctor")
    assert wrong.returncode == 1 and "\nfail  port" in wrong.stdout and "1 to repair" in wrong.stdout and wrong.stderr == ""


def test_a_check_that_cannot_be_made_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state directory that is a file: most checks cannot be made."""
    file = tmp_path / "file"
    file.touch()
    found = list(examination.examine(subject(file)))
    assert {one.check for one in found} >= {"python", "engines"}
    assert [one for one in found if one.level != OK and not one.remedy] == []
