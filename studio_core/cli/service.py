"""`studio service install` and `remove`: the systemd user unit that starts the controller at boot or login."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping

from studio_core import daemon
from studio_core.doctor.session import UNIT, unit_path, verdict
from studio_core.doctor.subject import Subject
from studio_core.errors import StudioError
from studio_core.paths import Places, daemon_environment, shipped
from studio_core.settings import Settings

MANAGER_S = 30.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=["install", "remove"], help="write the unit and enable it, or take it away")


def run(options: argparse.Namespace, settings: Settings) -> int:
    return {"install": _install, "remove": _remove}[options.action](Subject(settings, os.environ))


def _install(subject: Subject) -> int:
    path = unit_path(subject)
    text = unit(subject.settings, os.environ)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StudioError(f"cannot write {path}", error.strerror or str(error), "check its permissions") from error
    print(f"written: {path}")
    _manage([["daemon-reload"], ["enable", UNIT]])
    if (found := daemon.running(Places(subject.settings.state_dir))) is not None:
        print(f"a controller runs already (pid {found['pid']}); hand it over: studio down, then: systemctl --user start {UNIT}")
    else:
        print(f"start it: systemctl --user start {UNIT}")
    ends, remedy = verdict(subject)
    print(ends + (f"; change it: {remedy}" if remedy else ""))
    return 0


def _remove(subject: Subject) -> int:
    """Take the unit away; what runs goes on."""
    path = unit_path(subject)
    if not path.exists():
        print(f"not installed: {path}")
        return 0
    _manage([["disable", UNIT]])
    try:
        path.unlink()
    except OSError as error:
        raise StudioError(f"cannot remove {path}", error.strerror or str(error), "check its permissions") from error
    print(f"removed: {path}; what runs goes on until: studio down")
    _manage([["daemon-reload"]])
    return 0


def unit(settings: Settings, environ: Mapping[str, str]) -> str:
    """The unit's text for this interpreter, this code and this state directory."""
    places = Places(settings.state_dir.absolute())
    given = [f"--set {word(f'{name}={text}')}" for name, text in daemon.given(settings).items()]
    values = {
        "python": word(sys.executable, program=True), "state": word(str(places.root)), "down": word(str(places.down)),
        "set": " ".join(given), "path": assignment("PATH", environ.get("PATH", os.defpath)),
        "code": assignment("PYTHONPATH", daemon_environment()["PYTHONPATH"]),
    }
    text = (shipped("config") / UNIT).read_text(encoding="utf-8")
    return "\n".join(_filled(line, values) for line in text.splitlines()) + "\n"


def _filled(line: str, values: Mapping[str, str]) -> str:
    """Comments stay as they are."""
    return line if line.startswith("#") else re.sub("@([a-z]+)@", lambda found: values[found[1]], line).rstrip()


def word(text: str, program: bool = False) -> str:
    """One word of a command line as systemd.service(5) quotes it; a program's own path knows no variables."""
    return _quoted(text if program else text.replace("$", "$$"))


def assignment(name: str, text: str) -> str:
    """One value of Environment=, systemd.exec(5)."""
    return _quoted(f"{name}={text}")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped}"'


def _manage(commands: list[list[str]]) -> None:
    """Tell the user manager; where there is none, say what to do once there is."""
    for command in commands:
        argv = ["systemctl", "--user", *command]
        problem = _tell(argv)
        if problem:
            print(f"no user manager was reached ({problem}); where there is one, run: {' '.join(argv)}")


def _tell(argv: list[str]) -> str:
    """What went wrong, in a line; empty when it worked."""
    if shutil.which(argv[0]) is None:
        return "systemd is not installed"
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=MANAGER_S, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {MANAGER_S:.0f} s"
    return "" if done.returncode == 0 else " ".join(done.stderr.split()) or f"systemctl ended with {done.returncode}"
