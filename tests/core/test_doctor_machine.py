"""What doctor reads of a machine: versions, logind, limits, NVML, tmux, engines. Files and programs are real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_core import settings
from studio_core.doctor import engine, gpu, limit, session, terminal, version
from studio_core.doctor.finding import FAIL, OK, WARN, Finding
from studio_core.doctor.subject import Subject
from studio_core.paths import engine_environment
from tests.nvml import fake

USER = Subject(settings.load({}, {}), {}).user


def subject(root: Path, environ: dict[str, str] | None = None, **chosen: str) -> Subject:
    """A machine whose files begin at `root`."""
    found = environ if environ is not None else {"HOME": str(root / "home")}
    return Subject(settings.load({"data_dir": str(root / "state"), **chosen}, found), found, root)


PYTHON = [
    ((3, 11, 2), {"CVE-2023-24329", "CVE-2023-6597"}), ((3, 11, 7), {"CVE-2023-6597"}), ((3, 11, 8), set()),
    ((3, 12, 0), {"CVE-2023-6597", "CVE-2024-12254"}), ((3, 12, 8), {"CVE-2024-12254"}), ((3, 12, 9), set()),
    ((3, 13, 1), {"CVE-2024-12254"}), ((3, 13, 2), set()), ((3, 14, 0), set()),
]


@pytest.mark.parametrize(("number", "names"), PYTHON, ids=[version.dotted(row[0]) for row in PYTHON])
def test_faults_of_python(number: tuple[int, ...], names: set[str]) -> None:
    assert {fault.name for fault in version.PYTHON if fault.strikes(number)} == names


SQLITE: dict[tuple[int, ...], bool] = {
    (3, 6, 23): False, (3, 7, 0): True, (3, 40, 1): True, (3, 44, 5): True, (3, 44, 6): False, (3, 45, 0): True, (3, 50, 6): True,
    (3, 50, 7): False, (3, 51, 2): True, (3, 51, 3): False, (3, 53, 0): False,
}


@pytest.mark.parametrize("number", SQLITE, ids=version.dotted)
def test_the_wal_fault_of_sqlite(number: tuple[int, ...]) -> None:
    assert version.wal_fault(number) is SQLITE[number]


def test_versions_are_read_as_far_as_they_are_numbers() -> None:
    assert version.parsed("1.3.1rc1") == (1, 3, 1) and version.parsed("2.2") == (2, 2) and version.parsed("unknown") == ()
    (found,) = version.libraries(subject(Path("/")))
    assert found.level == OK


# Files of /etc, /run and /usr/lib → whether this user's processes are ended at logout.
LOGIND: dict[str, tuple[dict[str, str], bool]] = {
    "nothing said": ({}, False),
    "a comment": ({"etc/systemd/logind.conf": "[Login]\n#KillUserProcesses=yes\n"}, False),
    "on": ({"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n"}, True),
    "on, and we are excluded": ({"etc/systemd/logind.conf": f"[Login]\nKillUserProcesses=1\nKillExcludeUsers=a {USER}\n"}, False),
    "off, and only we": ({"etc/systemd/logind.conf": f"[Login]\nKillOnlyUsers={USER}\nKillExcludeUsers=\n"}, True),
    "on, and only others": (
        {"etc/systemd/logind.conf": "[Login]\nKillUserProcesses=on\nKillOnlyUsers=a\nKillExcludeUsers=\n"}, False,
    ),
    "a drop-in says otherwise": ({
        "etc/systemd/logind.conf": "[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n",
        "usr/lib/systemd/logind.conf.d/50-x.conf": "[Login]\nKillUserProcesses=no\n",
    }, False),
    "the drop-in of /etc hides the one of /usr/lib": ({
        "etc/systemd/logind.conf.d/50-x.conf": "[Login]\nKillExcludeUsers=\n",
        "usr/lib/systemd/logind.conf.d/50-x.conf": "[Login]\nKillUserProcesses=yes\n",
    }, False),
    "the last drop-in wins": ({
        "run/systemd/logind.conf.d/10-x.conf": "[Login]\nKillUserProcesses=no\nKillExcludeUsers=\n",
        "etc/systemd/logind.conf.d/20-x.conf": "[Login]\nKillUserProcesses=yes\n",
    }, True),
}


@pytest.mark.parametrize("case", LOGIND)
def test_kill_user_processes(tmp_path: Path, case: str) -> None:
    files, killed = LOGIND[case]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert session.kills(subject(tmp_path)) is killed


def test_what_a_logout_ends_and_how_to_change_it(tmp_path: Path) -> None:
    here = subject(tmp_path)
    (found,) = session.logout(here)
    assert found.level == OK and "no systemd" in found.what
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    (found,) = session.logout(here)
    assert found.level == WARN and "a logout ends nothing; a reboot ends everything" in found.what
    assert "enable-linger" in found.remedy and "studio service install" in found.remedy
    conf = tmp_path / "etc/systemd/logind.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("[Login]\nKillUserProcesses=yes\nKillExcludeUsers=\n", encoding="utf-8")
    (found,) = session.logout(here)
    assert "a logout ends daemons and engines" in found.what and "systemctl --user start" in found.remedy
    conf.unlink()
    linger = tmp_path / "var/lib/systemd/linger" / USER
    linger.parent.mkdir(parents=True)
    linger.touch()
    session.unit_path(here).parent.mkdir(parents=True)
    session.unit_path(here).touch()
    (found,) = session.logout(here)
    assert found.level == OK and "then the service starts the daemons again" in found.what


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def nvml(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> fake.Nvml:
    found = fake.Nvml(library, tmp_path / "nvml.state")
    for name, text in found.environment.items():
        monkeypatch.setenv(name, text)
    return found


def test_gpus_and_a_lost_one(nvml: fake.Nvml, tmp_path: Path) -> None:
    nvml.set("1.handle !15", *fake.machine(fake.gpu(0), fake.gpu(1)))
    good, lost = gpu.nvml(subject(tmp_path))
    assert (good.level, good.what) == (OK, "GPU 0: NVIDIA Test 80GB, driver 570.86.10")
    assert (lost.level, lost.what) == (FAIL, "GPU 1 is lost")


@pytest.mark.parametrize(("how", "word"), [("sleep", "does not answer"), ("abort", "exit code -6")])
def test_a_driver_that_hangs_or_crashes(
    nvml: fake.Nvml, tmp_path: Path, how: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only what hangs needs the short wait: a busy machine takes seconds to start what crashes.
    monkeypatch.setattr(gpu, "PROBE_S", 2.0 if "hang" in how or "sleep" in how else 60.0)
    nvml.set(f"nvmlDeviceGetMemoryInfo {how}", *fake.machine(fake.gpu(0)))
    (found,) = gpu.nvml(subject(tmp_path))
    assert found.level == FAIL and word in found.what and found.remedy


def test_no_driver_at_all(tmp_path: Path) -> None:
    (found,) = gpu.nvml(subject(tmp_path))
    assert (found.level, found.what.startswith("no GPU: ")) == (WARN, True) or found.level == OK


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment inside a real tmux server of its own."""
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    path = tmp_path / "tmux"
    base = {**os.environ, "TMUX_TMPDIR": str(tmp_path), "TERM": "xterm"}
    subprocess.run(["tmux", "-f", "/dev/null", "-S", str(path), "new-session", "-d", "sleep 60"], check=True, env=base, timeout=30)
    yield {**base, "TMUX": f"{path},1,0"}
    subprocess.run(["tmux", "-S", str(path), "kill-server"], check=True, env=base, timeout=30)


def set_option(tmux: dict[str, str], *words: str) -> None:
    subprocess.run(["tmux", "-S", tmux["TMUX"].split(",")[0], "set-option", *words], check=True, env=tmux, timeout=30)


def test_tmux_and_what_it_passes_on(tmp_path: Path, tmux: dict[str, str]) -> None:
    set_option(tmux, "-s", "set-clipboard", "off")
    set_option(tmux, "-g", "default-terminal", "screen")
    set_option(tmux, "-s", "terminal-features", "xterm*:title")
    found = list(terminal.tmux(subject(tmp_path, tmux)))
    assert [one.level for one in found] == [WARN] * 3 and all(one.remedy.startswith("tmux set") for one in found)
    for one in found:
        words = one.remedy.partition(",")[0] if "default-terminal" in one.remedy else one.remedy
        set_option(tmux, *words.replace("'", "").split()[2:])
    (good,) = terminal.tmux(subject(tmp_path, tmux))
    assert good.level == OK
    (outside,) = terminal.tmux(subject(tmp_path, {}))
    assert outside.what == "not inside tmux"


@pytest.mark.parametrize(("environ", "level"), [
    ({"LANG": "C.UTF-8", "TERM": "xterm"}, OK), ({"LC_ALL": "de_DE.utf8", "LANG": "C"}, OK), ({"LANG": "POSIX"}, WARN),
    ({"LC_ALL": "C", "LANG": "C.UTF-8"}, WARN), ({"LANG": "C.UTF-8", "TERM": "dumb"}, WARN), ({}, OK),
])
def test_characters(tmp_path: Path, environ: dict[str, str], level: str) -> None:
    (found,) = terminal.characters(subject(tmp_path, environ))
    assert found.level == level and bool(found.remedy) is (level != OK)


def test_limits(tmp_path: Path) -> None:
    (found,) = limit.shared_memory(subject(tmp_path))
    assert found.level == WARN and "No such file" in found.what
    (found,) = limit.open_files(subject(tmp_path))
    assert found.level in (OK, WARN)


def test_engines_are_looked_for_where_they_would_be_started(tmp_path: Path) -> None:
    for name in ("llama-server", "vllm"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "main.py").touch()
    found = list(engine.found(subject(tmp_path, {"PATH": str(tmp_path)}, tabby_api_dir=str(tmp_path))))
    assert [one.what.partition(":")[0] for one in found if "xllamacpp" not in one.what] == ["llama.cpp", "vLLM", "TabbyAPI"]
    assert all(isinstance(one, Finding) and one.level == OK for one in found)


def test_an_engine_that_studio_installed_is_found(tmp_path: Path) -> None:
    home = {"PATH": "/nowhere", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    own = tmp_path / ".local" / "bin" / "llama-server"
    own.parent.mkdir(parents=True)
    own.touch(0o755)
    for name in ("vllm", "sglang"):
        python = engine_environment(name, home) / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.touch()
    found = [one.what.partition(":")[0] for one in engine.found(subject(tmp_path, home)) if "xllamacpp" not in one.what]
    assert found == ["llama.cpp", "vLLM", "SGLang"]
