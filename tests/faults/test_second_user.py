"""Under a second uid: whose state directory it is, who may drive a controller, and whose records are touched."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from studio_core.paths import Places
from studio_core.supervisor import identity, spec
from studio_core.supervisor import record as records
from studio_core.supervisor.record import Record
from tests import free
from tests.command import Command
from tests.house import House
from tests.instance import Instance
from tests.stranger import Stranger, stranger
from tests.wait import wait_until

OTHER = 65531
# What Studio passes to every llama-server.
FLAGS = ("--model", "--host", "--port", "--alias", "--ctx-size", "--metrics", "--verbosity")


@pytest.fixture(scope="module")
def second() -> Iterator[Stranger]:
    with stranger() as one:
        yield one


@pytest.fixture
def open_dir(state_dir: Path) -> Path:
    """A folder of ours that everybody may look into."""
    state_dir.chmod(0o755)
    return state_dir


# What is wrong with the state directory → how it is made, what is said, the remedy.
Make = Callable[[Stranger, Path], Path]
FOLDERS: dict[str, tuple[Make, str, str]] = {
    "cannot be made": (lambda _, root: root / "new", "cannot create the state directory", "VLLM_STUDIO_DATA_DIR"),
    "not writable": (lambda who, root: who.own(root / "s", 0o500), "is not writable: its mode is 0500", "chmod 700"),
    "everybody may look": (lambda who, root: who.own(root / "s", 0o755), "is open to other users: its mode is 0755", "chmod 700"),
    "a group may write": (lambda who, root: who.own(root / "s", 0o770), "is open to other users: its mode is 0770", "chmod 700"),
    "another user's": (lambda _, root: root, "belongs to uid 0: this is uid 65533", "VLLM_STUDIO_DATA_DIR"),
    "another user's, closed": (lambda _, root: closed(root / "s"), "belongs to uid 0: this is uid 65533", "VLLM_STUDIO_DATA_DIR"),
    "out of reach": (lambda _, root: closed(root / "s") / "in", "cannot be reached: Permission denied", "VLLM_STUDIO_DATA_DIR"),
    "a folder in it": (lambda who, root: inside(who, root / "s"), "instances is not writable: its mode is 0500", "chmod 700"),
}


def closed(folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    return folder


def inside(who: Stranger, folder: Path) -> Path:
    who.own(folder)
    who.own(folder / "instances", 0o500)
    return folder


@pytest.mark.parametrize("words", [["up"], ["launch", "x"], ["recipes"], ["demo", "--no-open"]], ids=" ".join)
@pytest.mark.parametrize("name", FOLDERS)
def test_a_state_directory_that_cannot_be_used(second: Stranger, open_dir: Path, name: str, words: list[str]) -> None:
    make, said, remedy = FOLDERS[name]
    root = make(second, open_dir)
    before = tree(open_dir)
    found = second.command(root).bad(*words)
    assert said in found and remedy in found, found
    assert tree(open_dir) == before, "nothing is left behind"


def tree(folder: Path) -> set[tuple[Path, int]]:
    return {(one, one.lstat().st_mode) for one in folder.rglob("*")}


@pytest.mark.parametrize("name", [name for name in FOLDERS if name not in ("cannot be made", "a folder in it")])
def test_doctor_says_it_too(second: Stranger, open_dir: Path, name: str) -> None:
    root = FOLDERS[name][0](second, open_dir)
    done = second.command(root)("doctor", "--json")
    findings = json.loads(done.stdout)["findings"] if done.stdout else []
    said = done.stderr + "".join(f"{one['what']}: {one['why']}" for one in findings)
    assert FOLDERS[name][1] in said and done.returncode == 1


@pytest.mark.parametrize("verb", ["status", "ps", "gpus"])
def test_looking_at_another_users_is_refused_in_words(second: Stranger, open_dir: Path, verb: str) -> None:
    assert "belongs to uid 0" in second.command(open_dir).bad(verb)


def test_a_database_that_cannot_be_written(second: Stranger, open_dir: Path) -> None:
    root = second.own(open_dir / "s")
    (root / "controller.db").touch(0o600)
    said = second.command(root, "--port", str(free.port())).bad("up")
    assert "controller.db: Permission denied" in said and "chmod 600" in said
    assert not (root / "control.sock").exists()


@pytest.fixture
def theirs(second: Stranger, open_dir: Path) -> Iterator[tuple[Command, Places]]:
    """A Studio of the second user, as open as modes can make it."""
    root = second.own(open_dir / "s")
    studio = second.command(root, "--port", str(free.port()))
    studio.good("up")
    places = Places(root)
    try:
        root.chmod(0o755)
        for name in ("control.sock", "gateway.sock", "link.sock"):
            (root / name).chmod(0o666)
        yield studio, places
    finally:
        root.chmod(0o700)
        assert studio.good("down", "--engines") == "down\n"


def test_another_users_controller_is_not_driven(theirs: tuple[Command, Places], second: Stranger) -> None:
    studio, places = theirs
    third = Stranger(second.python, [Path(one) for one in second.environ["PYTHONPATH"].split(os.pathsep)], OTHER)
    for words in (["status"], ["ps"], ["gpus"]):
        assert f"uid {second.uid}" in third.command(places.root).bad(*words)
    for words in (["up"], ["recipes"], ["launch", "x"], ["stop", "x"], ["down"]):
        said = third.command(places.root).bad(*words)
        assert f"uid {second.uid}" in said and f"this is uid {OTHER}" in said, said
    assert studio.data("status")["controller"]["pid"] is not None


def test_a_folder_that_is_closed_while_studio_runs(theirs: tuple[Command, Places], second: Stranger) -> None:
    studio, places = theirs
    binary, model, recipe = (places.root / name for name in ("engine", "m.gguf", "one.json"))
    binary.write_text("#!/bin/sh\n" + "".join(f"echo '{flag} N'\n" for flag in FLAGS))
    binary.chmod(0o755)
    model.write_bytes(b"GGUF")
    recipe.write_text(json.dumps({"id": "one", "backend": "llamacpp", "model_path": str(model), "binary": str(binary)}))
    for path in (binary, model, recipe):
        os.chown(path, second.uid, second.uid)
    studio.good("recipes", "add", str(recipe))
    places.instances.chmod(0o500)
    said = studio.bad("launch", "one", "--wait")
    assert "the engine's folder cannot be written" in said and f"chmod 700 {places.instances}" in said
    places.instances.chmod(0o700)
    wait_until(lambda: list(places.instances.iterdir()) == [], what="nothing is left")


KNOCK = """
import socket, sys
link = socket.socket(socket.AF_UNIX)
link.settimeout(20)
link.connect(sys.argv[1])
try:
    link.sendall(sys.argv[2].encode())
    print(len(link.recv(1000)))
except ConnectionError:
    print(0)
"""
GET = "GET /status HTTP/1.1\r\nHost: studio\r\n\r\n"


@pytest.mark.parametrize(("name", "word"), [("control.sock", GET), ("gateway.sock", GET), ("link.sock", "{}\n")])
def test_no_socket_answers_another_uid(theirs: tuple[Command, Places], second: Stranger, name: str, word: str) -> None:
    third = Stranger(second.python, [], OTHER)
    done = third.run(str(second.python), "-c", KNOCK, str(theirs[1].root / name), word)
    assert (done.stdout, done.stderr) == ("0\n", "")
    if word == GET:
        mine = second.run(str(second.python), "-c", KNOCK, str(theirs[1].root / name), word)
        assert int(mine.stdout) > 0


TRAP = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
server.listen()
print("listens", flush=True)
link, _ = server.accept()
print(len(link.recv(1000)))
"""


def test_a_socket_of_somebody_else_hears_nothing(second: Stranger, open_dir: Path) -> None:
    """What pretends to be a controller would get recipes and keys: a client looks first who listens."""
    root = second.own(open_dir / "s", 0o755)
    trap = subprocess.Popen(
        [*second.become, str(second.python), "-c", TRAP, str(root / "control.sock")], env=second.environ, cwd="/", text=True,
        stdout=subprocess.PIPE,
    )
    with trap:
        assert trap.stdout is not None and trap.stdout.readline() == "listens\n"
        third = Stranger(second.python, [Path(one) for one in second.environ["PYTHONPATH"].split(os.pathsep)], OTHER)
        said = third.command(root).bad("status")
        assert f"is run by uid {second.uid}: this is uid {OTHER}" in said and "VLLM_STUDIO_DATA_DIR" in said
        assert trap.stdout.read() == "0\n"


# Whose an instance's folder is → what makes it so, and what is said of it.
def foreign(**changes: Any) -> Callable[[Path, dict[str, Any]], None]:
    return lambda folder, data: write(folder / "spec.json", json.dumps({**data, **changes}))


def write(path: Path, text: str) -> None:
    path.write_text(text)


def owned(folder: Path, data: dict[str, Any]) -> None:
    write(folder / "spec.json", json.dumps(data))
    os.chown(folder, OTHER, OTHER)


def replaced(folder: Path, _: dict[str, Any]) -> None:
    shutil.rmtree(folder)
    folder.write_text("a file")


RECORDS: dict[str, tuple[Callable[[Path, dict[str, Any]], None], str]] = {
    "another machine": (foreign(machine="other"), "belongs to another machine or container and is left alone"),
    "another container": (foreign(pidns=1), "belongs to another machine or container and is left alone"),
    "another instance": (foreign(instance="../../x"), "names another instance and is left alone"),
    "another engine": (foreign(engine="nope"), "cannot be read and is left alone"),
    "no JSON": (lambda folder, _: write(folder / "spec.json", "{"), "cannot be read and is left alone"),
    "no spec": (lambda folder, _: write(folder / "spec.json", '{"a": 1}'), "cannot be read and is left alone"),
    "another user": (owned, f"belongs to uid {OTHER} and is left alone"),
    "no folder": (replaced, "is no folder and is left alone"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_foreign_records_are_said_and_never_touched(places: Places, name: str) -> None:
    """Each names a process that lives, as its engine and as its shim."""
    if os.getuid() != 0:
        pytest.skip("another uid is only to be had as root")
    make, said = RECORDS[name]
    home = House(places.root)
    studio = Command(places.root, "--port", str(home.port))
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as victim:
        try:
            folder = record_of(places, victim.pid, make)
            before = content(folder)
            printed = studio.good("up")
            assert f"instance {folder.name} {said}" in printed
            for notice in (studio.good("status"), studio("doctor").stdout):
                assert f"instance {folder.name} {said}" in notice
            assert "nothing runs" in studio.good("status") and studio.data("ps") == []
            studio.good("logs")
            assert folder.name in studio.bad("stop", folder.name)
            assert studio.good("up", "--replace").startswith("controller pid ")
            assert studio.good("down", "--engines") == "down\n"
            assert content(folder) == before and victim.poll() is None
        finally:
            victim.kill()
            home.down()


def test_an_instance_of_an_earlier_boot_is_history_and_its_pids_are_others(places: Places) -> None:
    home = House(places.root)
    studio = Command(places.root, "--port", str(home.port))
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as victim:
        try:
            folder = record_of(places, victim.pid, foreign(boot="earlier"))
            studio.good("up")
            assert not folder.exists() and (places.history / folder.name).is_dir()
            assert studio.good("down", "--engines") == "down\n" and victim.poll() is None
        finally:
            victim.kill()
            home.down()


def record_of(places: Places, pid: int, make: Callable[[Path, dict[str, Any]], None]) -> Path:
    one = Instance(places)
    spec.write(one.folder, one.spec)
    ticks = identity.ticks(pid) or 0
    records.write(one.folder, Record(one.id, pid, ticks, records.RUNNING, pid, ticks, pid, seen=[(pid, ticks)]))
    make(one.folder, asdict(one.spec))
    return one.folder


def content(folder: Path) -> dict[str, Any]:
    if folder.is_file():
        return {"": folder.read_bytes()}
    return {one.name: (one.read_bytes(), one.stat().st_mode, one.stat().st_uid) for one in folder.iterdir()}
