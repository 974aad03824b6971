"""What a logout and a reboot end. Facts: logind.conf(5), loginctl(1), user@.service(5), systemd.kill(5)."""

from __future__ import annotations

import configparser
import os
from collections.abc import Iterator
from pathlib import Path

from studio_core.doctor.finding import OK, WARN, Finding
from studio_core.doctor.subject import Subject

# In the order of their say: of a drop-in by the same name only the first counts.
HOMES = ("etc/systemd", "run/systemd", "usr/local/lib/systemd", "usr/lib/systemd", "lib/systemd")
UNIT = "studio.service"
YES = frozenset({"1", "yes", "y", "true", "t", "on"})


def logout(subject: Subject) -> Iterator[Finding]:
    """One line on what ends, and how to change it."""
    ends, remedy = verdict(subject)
    if not remedy:
        yield Finding("logout", OK, ends)
    else:
        yield Finding("logout", WARN, ends, "a model that loads for minutes has to be started again", remedy)


def verdict(subject: Subject) -> tuple[str, str]:
    """What a logout and a reboot end, and how to change it; no remedy where nothing can be done better."""
    if not (subject.root / "run/systemd/system").is_dir():
        return "a logout ends nothing (no systemd here); a reboot ends everything, and nothing starts it again", ""
    lingers = (subject.root / "var/lib/systemd/linger" / subject.user).exists()
    served = unit_path(subject).exists()
    steps = ["" if lingers else f"loginctl enable-linger {subject.user}", "" if served else "studio service install"]
    again = "then the service starts the daemons again" if lingers and served else "and nothing starts it again"
    ends = f"a logout ends nothing; a reboot ends everything, {again}"
    if in_user_manager(subject):
        if not lingers:
            ends = "your last logout ends daemons and engines (Linger is off), and so does a reboot"
    elif kills(subject):
        ends = "a logout ends daemons and engines (KillUserProcesses is on), and so does a reboot"
        steps.append("studio down, and start it outside of the login: systemctl --user start studio")
    return ends, ", then: ".join(filter(None, steps))


def kills(subject: Subject) -> bool:
    """Whether logind ends this user's processes at logout: KillUserProcesses and its two lists."""
    found = logind(subject.root)
    excluded = found.get("killexcludeusers", "root").split()
    only = found.get("killonlyusers", "").split()
    if subject.user in excluded:
        return False
    return subject.user in only if only else found.get("killuserprocesses", "no").lower() in YES


def logind(root: Path) -> dict[str, str]:
    """The effective section [Login], names in small letters."""
    main = next((path for home in HOMES if (path := root / home / "logind.conf").is_file()), None)
    extra: dict[str, Path] = {}
    for home in HOMES:
        for path in (root / home / "logind.conf.d").glob("*.conf"):
            extra.setdefault(path.name, path)
    found: dict[str, str] = {}
    for path in filter(None, (main, *(extra[name] for name in sorted(extra)))):
        parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True, delimiters=("=",))
        parser.read_string(path.read_text(encoding="utf-8", errors="replace"), str(path))
        if parser.has_section("Login"):
            found.update({name: value or "" for name, value in parser.items("Login")})
    return found


def unit_path(subject: Subject) -> Path:
    """Where a user's own units lie (systemd.unit(5))."""
    home = subject.environ.get("HOME") or str(Path.home())
    return Path(subject.environ.get("XDG_CONFIG_HOME") or Path(home, ".config")) / "systemd" / "user" / UNIT


def in_user_manager(subject: Subject) -> bool:
    """Whether the controller (or, without one, we) runs under user@.service and not in a login's own scope."""
    pid = subject.controller["pid"] if subject.controller else os.getpid()
    try:
        return "/user@" in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return False
