"""The engines of a machine, and a real pip that installs a small one."""

from __future__ import annotations

import json
import re
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from studio_core import wire
from studio_core.engines import machine, runtime
from studio_core.engines.install import keep
from studio_core.engines.inventory import inventory
from studio_core.errors import BadValue, Conflict, NotFound
from studio_core.paths import Places
from studio_core.recipes.recipe import parse
from studio_core.settings import load
from studio_core.supervisor.job import Jobs
from tests.wait import wait_until


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(machine, "GPUS", tmp_path / "gpus")


NO_GPU = "it needs a GPU, and this machine has none"


def environment(folder: Path, package: str, version: str) -> Path:
    (folder / "lib/python3.11/site-packages" / f"{package}-{version}.dist-info").mkdir(parents=True)
    python = folder / "bin/python"
    python.parent.mkdir()
    python.write_text("")
    python.chmod(0o755)
    return python


def llama_server(path: Path, devices: str = "  (none)") -> Path:
    """As llama.cpp's own answers to --version and --list-devices."""
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = f"printf 'Available devices:\\n{devices}\\n'"
    path.write_text(f"#!/bin/sh\n[ $1 = --version ] && echo 'version: 9999 (abc)' >&2 || {answer}\n")
    path.chmod(0o755)
    return path


def rows(settings: dict[str, str], *recipes: dict[str, Any]) -> dict[tuple[str, str], wire.Installed]:
    found = inventory(load(settings, {}), [parse({"id": f"r{at}", "model_path": "x", **one}) for at, one in enumerate(recipes)])
    return {(one.engine, one.place): one for one in found}


def test_every_place_with_its_version(tmp_path: Path) -> None:
    managed = environment(runtime.managed("vllm"), "vllm", "0.33.0+cpu")
    setting = environment(tmp_path / "sg", "sglang", "0.5.23")
    server = llama_server(tmp_path / "bin" / "llama-server")
    found = rows({"sglang_python": str(setting)})
    told = {key: (one.version, one.usable, one.origin, one.note, one.can) for key, one in found.items()}
    assert told["vllm", str(managed)] == ("0.33.0+cpu", True, "managed", "a build for the CPU", ["CPU", "adapters"])
    assert told["sglang", str(setting)] == ("0.5.23", False, "setting sglang_python", NO_GPU, [])
    assert told["llamacpp", str(server)] == ("9999", True, "PATH", "", ["CPU", "adapters", "slots"])
    assert told["llamacpp", "xllamacpp"][1:3] == (True, "package") and told["llamacpp", "xllamacpp"][4][0] == "CPU"


def test_what_recipes_name_is_listed_too(tmp_path: Path) -> None:
    own = environment(tmp_path / "own", "vllm", "0.31.0")
    script = own.parent / "vllm"
    script.write_text(f"#!{own}\n")
    script.chmod(0o755)
    other = environment(tmp_path / "other", "sglang", "0.5.1")
    server = llama_server(tmp_path / "mine" / "llama-server")
    found = rows({}, {"python_path": str(own)}, {"python_path": "/nowhere/python"}, {"binary": str(script)},
                 {"backend": "sglang", "runtime": {"kind": "managed_venv", "ref": str(tmp_path / "other")}},
                 {"backend": "llamacpp", "runtime": {"kind": "binary", "ref": str(server)}},
                 {"backend": "llama.cpp", "binary": "/nowhere/llama-server"}, {"runtime": {"kind": "docker", "ref": "image:1"}})
    told = {key: (one.version, one.origin, one.note) for key, one in found.items() if one.origin.startswith("recipe")}
    assert told == {
        ("vllm", str(own)): ("0.31.0", "recipe r0", NO_GPU),
        ("vllm", "/nowhere/python"): ("", "recipe r1", "the interpreter is not there"),
        ("sglang", str(other)): ("0.5.1", "recipe r3", NO_GPU), ("llamacpp", str(server)): ("9999", "recipe r4", ""),
        ("llamacpp", "/nowhere/llama-server"): ("", "recipe r5", "the program is not there"),
    }


def test_the_folder_of_runtime_bin_is_named_as_the_place(tmp_path: Path) -> None:
    server = llama_server(tmp_path / "runtime" / "llama-server")
    llama_server(tmp_path / "bin" / "llama-server")
    found = rows({"runtime_bin": str(server.parent)})
    assert found["llamacpp", str(server)].origin == "setting runtime_bin"
    assert {origin for (engine, _), one in found.items() if engine == "llamacpp" and (origin := one.origin) != "package"} == {
        "setting runtime_bin"}, "the one on PATH is not what a recipe would get"


def test_what_they_can_do_on_a_machine_with_gpus(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "gpus" / f"0000:0{number}:00.0").mkdir(parents=True)
    vllm = environment(runtime.managed("vllm"), "vllm", "0.33.0")
    cuda = llama_server(tmp_path / "bin" / "llama-server", "  CUDA0: NVIDIA H100 80GB HBM3 (81110 MiB, 80500 MiB free)")
    plain = llama_server(tmp_path / "plain" / "llama-server")
    found = rows({}, {"backend": "llamacpp", "binary": str(plain)})
    assert found["vllm", str(vllm)].can == ["2 GPUs", "sleep", "adapters"] and found["vllm", str(vllm)].usable
    assert found["llamacpp", str(cuda)].can == ["CUDA0 NVIDIA H100 80GB HBM3", "adapters", "slots"]
    assert found["llamacpp", str(plain)].usable and "does not use this machine's GPUs" in found["llamacpp", str(plain)].note


@pytest.mark.parametrize("packed", [False, True])
def test_tabby_s_version_is_its_commit(tmp_path: Path, packed: bool) -> None:
    home, commit = tmp_path / "tabby", "e632af41eba68abeadc3437c62674360f2f8cbf1"
    (home / ".git" / "refs" / "heads").mkdir(parents=True)
    (home / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    if packed:
        (home / ".git" / "packed-refs").write_text(f"# peeled\n{'0' * 40} refs/heads/other\n{commit} refs/heads/main\n")
    else:
        (home / ".git" / "refs" / "heads" / "main").write_text(f"{commit}\n")
    steps = (("it has no main.py", home / "main.py"),
             ("it has no venv: run its start.sh once, or name an interpreter in python_path", home / "venv" / "bin" / "python"),
             (NO_GPU, tmp_path / "gpus" / "0000:01:00.0"), ("", tmp_path / "done"))
    for note, lacking in steps:
        one = rows({"tabby_api_dir": str(home)})["tabbyapi", str(home)]
        assert (one.version, one.note, one.usable) == ("e632af41", note, not note)
        lacking.parent.mkdir(parents=True, exist_ok=True)
        lacking.touch()
    assert one.can == ["1 GPU", "sleep"]


def wheel(folder: Path, version: str) -> None:
    """A package named vllm that is nothing else."""
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"vllm-{version}-py3-none-any.whl", "w") as made:
        made.writestr("vllm.py", "")
        made.writestr(f"vllm-{version}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
        kind = "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        made.writestr(f"vllm-{version}.dist-info/WHEEL", kind)
        made.writestr(f"vllm-{version}.dist-info/RECORD", "")


@pytest.fixture
def jobs(tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    wheel(tmp_path / "wheels", "9.1")
    wheel(tmp_path / "wheels", "9.2")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return Jobs(places)


def ended(jobs: Jobs) -> str:
    wait_until(lambda: not jobs.running("vllm"), 300.0)
    return jobs.list()[0].state


def versions() -> list[str]:
    return [one.version for one in inventory(load({}, {}), []) if one.engine == "vllm"]


# Three environments with pip, half a minute where nothing else runs.
@pytest.mark.timeout(600)
def test_an_environment_is_built_and_replaced_whole(jobs: Jobs, places: Places) -> None:
    jobs.start("vllm", "9.1")
    with pytest.raises(Conflict, match="being installed"):
        jobs.start("vllm")
    assert ended(jobs) == "done" and versions() == ["9.1"]
    assert "vllm is installed" in jobs.log("vllm").read_text()
    first = runtime.managed("vllm").resolve()
    # Another controller asks, and upgrades.
    later = Jobs(places)
    assert later.list()[0].state == "done"
    later.start("vllm")
    assert ended(later) == "done" and versions() == ["9.2"]
    assert first.exists(), "an engine may still run from it"
    jobs.start("vllm", "9.8")
    assert ended(jobs) == "failed" and versions() == ["9.2"]
    assert "No matching distribution" in jobs.log("vllm").read_text()
    assert len(list(runtime.managed("vllm").parent.glob("vllm@*"))) == 2


def test_who_reads_a_record_while_it_is_written_sees_what_it_said(tmp_path: Path) -> None:
    record, seen = tmp_path / "record.json", set[str]()
    keep(record, {"pid": 1})
    done = threading.Event()

    def write() -> None:
        for number in range(300):
            keep(record, {"pid": number, "more": "x" * 20_000})
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        seen.add(type(json.loads(record.read_text(encoding="utf-8"))["pid"]).__name__)
    writer.join()
    assert seen == {"int"} and list(tmp_path.iterdir()) == [record]


def test_a_cancelled_one_leaves_what_was_there(jobs: Jobs) -> None:
    jobs.start("vllm", "9.1")
    wait_until(lambda: jobs.log("vllm").read_text())
    jobs.cancel("vllm")
    assert ended(jobs) == "failed" and versions() == []
    with pytest.raises(NotFound):
        jobs.cancel("vllm")


@pytest.mark.parametrize(("engine", "version", "said"), [
    ("tabbyapi", "", "is not installed by Studio.*start.sh"), ("llama.cpp", "", "is not installed by Studio.*llama-server on PATH"),
    ("../x", "", "is not installed by Studio.*installs vllm, sglang"),
    ("vllm", "1; rm", "is not a version"),
])
def test_what_cannot_be_installed(jobs: Jobs, engine: str, version: str, said: str) -> None:
    with pytest.raises(BadValue) as caught:
        jobs.start(engine, version)
    assert re.search(said, caught.value.line())
    assert json.dumps([one.engine for one in jobs.list()]) == "[]"
