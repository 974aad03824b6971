"""Studio from its built wheel, in a fresh environment, run from an empty folder: nothing of the checkout is there."""

from __future__ import annotations

import contextlib
import importlib.metadata as metadata
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from packaging.utils import canonicalize_name

from studio_core import __version__
from studio_core.supervisor import port
from studio_tui import theme
from tests.guards import source
from tests.terminal import Window
from tests.tui import picture
from tests.wait import wait_until
from tests.wheel import environment
from tests.wheel.environment import Environment

SCREENSHOT = Path(__file__).with_name("screenshot.py")
OWN = {"studio_core", "studio_tui"}
# Comes with an extra, and may be imported by its runner only.
OPTIONAL = {"xllamacpp": ("demo", "studio_core/engines/llamaserver/"), "pyte": ("test", "studio_core/bench/")}
# Not what it says of an empty house: what others have running on this machine is in the table too.
TABLE = "OUT TOK/S"
PATIENCE_S = 60
WHERE = """
import json, studio_core, studio_tui, sys
from studio_core.paths import shipped
print(json.dumps([studio_core.__file__, studio_tui.__file__, str(shipped("config")), str(shipped("styles"))]))
print(json.dumps(sys.path))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment.build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return environment.install(wheel, tmp_path_factory.mktemp("fresh") / "venv")


@dataclass(frozen=True)
class Studio:
    """The installed command in an empty folder, on an empty state directory."""

    fresh: Environment
    folder: Path
    environ: dict[str, str]

    def run(self, *argv: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, cwd=self.folder, env=self.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S,
            check=False,
        )

    def good(self, *words: str) -> str:
        done = self.run(self.fresh.studio, *words)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def python(self, *argv: str | Path) -> str:
        """The same interpreter; -P keeps a program's own folder off its path."""
        done = self.run(self.fresh.python, "-P", *argv)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout


@pytest.fixture
def studio(fresh: Environment, state_dir: Path, tmp_path: Path, free_port: int) -> Iterator[Studio]:
    folder = tmp_path / "empty"
    folder.mkdir()
    environ = {**environment.bare(), "HOME": str(state_dir), "VLLM_STUDIO_DATA_DIR": str(state_dir), "LANG": "C.UTF-8"}
    environ |= {"VLLM_STUDIO_PORT": str(free_port), "VLLM_STUDIO_INFERENCE_PORT": str(port.pick(free_port + 1))}
    one = Studio(fresh, folder, environ)
    yield one
    one.run(fresh.studio, "down", "--engines")
    assert list(folder.iterdir()) == [], "nothing is written where it was run"


def test_the_wheel_holds_every_source_the_shipped_folders_and_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    places = {"config": "studio_core/_config", "styles": "studio_tui/_styles", **{name: name for name in OWN}}
    for folder, place in places.items():
        files = {path: path.relative_to(source.ROOT / folder).as_posix() for path in _files(source.ROOT / folder)}
        assert len(files) >= 3
        assert [path for path, name in files.items() if held.get(f"{place}/{name}") != path.read_bytes()] == []
    (licence,) = [text for name, text in held.items() if name.endswith(".dist-info/licenses/LICENSE")]
    assert licence == (source.ROOT / "LICENSE").read_bytes()
    assert {name.split("/")[0] for name in held if ".dist-info/" not in name} == OWN


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]


def test_what_the_sources_import_the_wheel_requires(fresh: Environment) -> None:
    declared = {extra: environment.required(fresh.site, extra) for extra in ("", "demo", "test")}
    packages = metadata.packages_distributions()
    imported = {(module.split(".")[0], source.name(path)) for path in source.python(*OWN) for _, module in source.imports(path)}
    foreign = {(name, path) for name, path in imported if name not in OWN | sys.stdlib_module_names}
    assert {"textual", "msgspec", "xllamacpp"} <= {name for name, _ in foreign}, "what is imported was found"
    missing = []
    for name, path in sorted(foreign):
        extra, place = OPTIONAL.get(name, ("", ""))
        extra = extra if path.startswith(place) else ""
        if not declared[extra] & {canonicalize_name(package) for package in packages[name]}:
            missing.append(f"{path}: {name}")
    assert missing == []


def test_it_runs_from_the_fresh_environment_alone(studio: Studio) -> None:
    imported, path = (json.loads(line) for line in studio.python("-c", WHERE).splitlines())
    assert [one for one in imported if not Path(one).is_relative_to(studio.fresh.site)] == []
    assert [one for one in path if one.endswith("-packages")] == [str(studio.fresh.site)]
    assert [one for one in path if Path(one).is_relative_to(source.ROOT)] == []
    assert not studio.fresh.site.joinpath("pytest").exists(), "nothing that only tests need is there"
    assert studio.good("--version") == f"studio {__version__}\n"


def test_doctor(studio: Studio) -> None:
    lines = studio.good("doctor").splitlines()
    assert lines[-1].endswith(" 0 to repair")
    checks = {line.split()[1] for line in lines if line.startswith(("ok ", "warn "))}
    assert {"python", "sqlite", "libraries", "state", "controller", "port", "gpu", "engines"} <= checks, lines
    assert any(line.startswith("ok") and "is yours alone" in line for line in lines)


def test_up_status_the_app_and_down(studio: Studio) -> None:
    studio.good("up")
    found = json.loads(studio.good("status", "--json"))
    daemons = [psutil.Process(found[name]["pid"]) for name in ("controller", "gateway", "probe")]
    assert [one.cmdline()[0] for one in daemons] == [str(studio.fresh.python)] * len(daemons)
    _look(studio.python(SCREENSHOT, TABLE, "load "))
    with Window([str(studio.fresh.studio)], studio.environ, cwd=str(studio.folder)) as window:
        window.until(TABLE)
        window.send("q")
        assert window.ended() == 0
    studio.good("down")
    wait_until(lambda: not any(_lives(one) for one in daemons), what="all daemons are down")
    assert studio.run(studio.fresh.studio, "status", "--json").returncode == 3


def _lives(process: psutil.Process) -> bool:
    """Nobody may be there to reap a daemon: a zombie is dead."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _look(svg: str) -> None:
    """The dashboard is there, and looks as its style sheets say: colours that only they give."""
    lines = picture.lines(svg)
    assert lines[0].startswith(" Studio  1 Dashboard  2 Recipes")
    assert lines[1].startswith(" MACHINE ") and any(line.startswith(" MODEL ") for line in lines), svg
    assert any(TABLE in line for line in lines)
    assert picture.fill(svg, "MACHINE") == picture.fill(svg, "MODEL") == theme.DARK.secondary
    assert picture.fill(svg, "USE") == theme.DARK.variables["quiet"]
