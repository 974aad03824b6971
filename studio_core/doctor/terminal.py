"""The terminal that the app is drawn in: characters, colours, tmux and its clipboard."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

from studio_core.doctor.finding import OK, WARN, Finding
from studio_core.doctor.subject import Subject

TMUX_S = 5.0
# What tmux calls 24-bit colour in terminal-features and, before 3.2, in terminal-overrides.
DIRECT = ("RGB", "Tc")


def characters(subject: Subject) -> Iterator[Finding]:
    environ = subject.environ
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    term = environ.get("TERM", "")
    if locale and not locale.upper().replace("-", "").endswith("UTF8"):
        yield Finding("characters", WARN, f"the locale {locale} is not UTF-8", "frames and plots are drawn with Unicode",
                      "export LANG=C.UTF-8")
    elif term in ("dumb", "unknown"):
        yield Finding("characters", WARN, f"TERM is {term}", "the app cannot be drawn on such a terminal",
                      "use a terminal emulator, or verbs: studio status")
    else:
        yield Finding("characters", OK, f"locale {locale or 'not set'}, terminal {term or 'none'}")


def tmux(subject: Subject) -> Iterator[Finding]:
    if not subject.environ.get("TMUX"):
        yield Finding("tmux", OK, "not inside tmux")
        return
    if shutil.which("tmux", path=subject.environ.get("PATH")) is None:
        yield Finding("tmux", WARN, "inside tmux, whose program is not on PATH", "its options cannot be read", "add it to PATH")
        return
    good = True
    if _option(subject, "-sv", "set-clipboard") == "off":
        good = False
        yield Finding("tmux", WARN, "tmux keeps copied text from the terminal's clipboard (set-clipboard off)",
                      "copying in the app then reaches tmux only", "tmux set -s set-clipboard on")
    name = _option(subject, "-gv", "default-terminal")
    if "256color" not in name and "direct" not in name:
        good = False
        yield Finding("tmux", WARN, f"tmux offers few colours (default-terminal {name})", "the app's colours are rounded",
                      "tmux set -g default-terminal tmux-256color, then a new window")
    wide = _option(subject, "-sv", "terminal-features") + _option(subject, "-sv", "terminal-overrides")
    if not any(word in wide for word in DIRECT):
        good = False
        yield Finding("tmux", WARN, "tmux passes no 24-bit colours on", "the app's colours are rounded to 256",
                      "tmux set -as terminal-features ',*:RGB'")
    for remedy in _deaf(subject):
        good = False
        yield Finding("tmux", WARN, "tmux does not know that the terminal around it takes copied text",
                      "copying in the app then reaches tmux only", remedy)
    if good:
        yield Finding("tmux", OK, "tmux passes clipboard and colours on")


def _deaf(subject: Subject) -> Iterator[str]:
    """Where a client is attached: `Ms`, with which tmux hands text on, must be among its capabilities."""
    info = _ask(subject, "info")
    if any("Ms: [missing]" in line for line in info.splitlines()):
        yield "tmux set -as terminal-features ',*:clipboard'"


def _option(subject: Subject, flags: str, name: str) -> str:
    """The option's value, empty where this tmux does not know it."""
    return _ask(subject, "show-options", flags, name).strip()


def _ask(subject: Subject, *words: str) -> str:
    done = subprocess.run(
        ["tmux", *words], capture_output=True, text=True, timeout=TMUX_S, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, **subject.environ},
    )
    return done.stdout
