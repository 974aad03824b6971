"""The engines of a machine, and a real pip that installs a small one."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from studio_core.engines import machine, runtime
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
    monkeypatch.setattr(machine, "GPUS", tmp_path / "gpus")


def environment(folder: Path, package: str, version: str) -> Path:
    (folder / "lib/python3.11/site-packages" / f"{package}-{version}.dist-info").mkdir(parents=True)
    python = folder / "bin/python"
    python.parent.mkdir()
    python.write_text("")
    python.chmod(0o755)
    return python


def test_every_place_with_its_version(tmp_path: Path) -> None:
    managed = environment(runtime.managed("vllm"), "vllm", "0.33.0+cpu")
    setting = environment(tmp_path / "sg", "sglang", "0.5.23")
    of_recipe = environment(tmp_path / "own", "vllm", "0.31.0")
    (tmp_path / "tabby").mkdir()
    server = tmp_path / "bin" / "llama-server"
    server.parent.mkdir()
    server.write_text("#!/bin/sh\necho 'version: 9999 (abc)' >&2\n")
    server.chmod(0o755)
    found = inventory(
        load({"sglang_python": str(setting), "tabby_api_dir": str(tmp_path / "tabby")}, {}),
        [parse({"id": "a", "backend": "vllm", "model_path": "x", "python_path": str(of_recipe)}),
         parse({"id": "b", "backend": "vllm", "model_path": "x", "python_path": "/nowhere/python"})],
    )
    rows = {(one.engine, one.place): (one.version, one.usable, one.origin, one.note) for one in found}
    assert rows["vllm", str(managed)] == ("0.33.0+cpu", True, "managed", "a build for the CPU")
    assert rows["sglang", str(setting)] == ("0.5.23", False, "setting sglang_python", "it needs a GPU, and this machine has none")
    assert rows["vllm", str(of_recipe)][:3] == ("0.31.0", False, "recipe a")
    assert rows["vllm", "/nowhere/python"] == ("", False, "recipe b", "the interpreter is not there")
    assert rows["tabbyapi", str(tmp_path / "tabby")] == ("", False, "setting tabby_api_dir", "it has no main.py")
    assert rows["llamacpp", str(server)] == ("9999", True, "PATH", "")
    assert rows["llamacpp", "xllamacpp"][1]


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
    wait_until(lambda: not jobs.running("vllm"), 60.0)
    return jobs.list()[0].state


def versions() -> list[str]:
    return [one.version for one in inventory(load({}, {}), []) if one.engine == "vllm"]


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


def test_a_cancelled_one_leaves_what_was_there(jobs: Jobs) -> None:
    jobs.start("vllm", "9.1")
    wait_until(lambda: jobs.log("vllm").read_text(), 20.0)
    jobs.cancel("vllm")
    assert ended(jobs) == "failed" and versions() == []
    with pytest.raises(NotFound):
        jobs.cancel("vllm")


@pytest.mark.parametrize(("engine", "version", "said"), [
    ("tabbyapi", "", "is not installed by Studio"), ("../x", "", "is not installed by Studio"),
    ("vllm", "1; rm", "is not a version"),
])
def test_what_cannot_be_installed(jobs: Jobs, engine: str, version: str, said: str) -> None:
    with pytest.raises(BadValue, match=said):
        jobs.start(engine, version)
    assert json.dumps([one.engine for one in jobs.list()]) == "[]"
