"""The way of a copied text: through tmux, as OSC 52 to the terminal, or into a file. The words always say which it was.

OSC 52 has no answer, and terminals drop what is too long without a word: so beyond LIMIT a file is written instead.
"""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from studio_core.paths import cache_dir

# What goes through terminals that are in use (xterm, tmux, hterm), in encoded bytes; k9s has the same.
LIMIT = 74_994
TMUX_S = 3.0
# GNU screen hands on no longer string at once.
SCREEN_PIECE = 700
VARIABLE = "STUDIO_CLIPBOARD"
WAYS = ("auto", "osc52", "tmux", "file")
# Terminals that do not know OSC 52: by TERM, and by TERM_PROGRAM.
DEAF = frozenset({"linux", "dumb", "vt100", "Apple_Terminal"})

Write = Callable[[str], None]


class Copied(Struct, frozen=True):
    """`way` is one of tmux, osc52, file, nowhere; `words` tell a person where the text is now."""

    way: str
    words: str


def copy(text: str, write: Write, environ: Mapping[str, str] | None = None) -> Copied:
    """Copy a text. `write` sends to the terminal. Takes some milliseconds in tmux, so it is called from a thread."""
    environ = os.environ if environ is None else environ
    encoded = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    asked = environ.get(VARIABLE, "auto")
    if asked == "file":
        return _file(text, environ, "")
    if len(encoded) > LIMIT:
        return _file(text, environ, f"{len(encoded) // 1024} KiB are too much for a terminal's clipboard; ")
    if asked in ("auto", "tmux") and environ.get("TMUX"):
        return _tmux(text, encoded, write, environ)
    if asked != "osc52" and (environ.get("TERM", "") in DEAF or environ.get("TERM_PROGRAM", "") in DEAF):
        return _file(text, environ, "this terminal takes no text; ")
    write(_screen(_sequence(encoded)) if environ.get("STY") else _sequence(encoded))
    return Copied("osc52", "copied to the terminal's clipboard (OSC 52)")


def _sequence(encoded: str) -> str:
    return f"\x1b]52;c;{encoded}\x07"


def _screen(sequence: str) -> str:
    """Through GNU screen to the terminal outside."""
    pieces = (sequence[at:at + SCREEN_PIECE] for at in range(0, len(sequence), SCREEN_PIECE))
    return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)


def _tmux(text: str, encoded: str, write: Write, environ: Mapping[str, str]) -> Copied:
    """Into tmux's buffer, and with `-w` (3.2) on to the terminal. Older ones take OSC 52 where they are told to."""
    if _run(("load-buffer", "-w", "-"), environ, text) is not None:
        return Copied("tmux", "copied through tmux, to its buffer and the terminal's clipboard")
    if (_run(("show-options", "-sv", "set-clipboard"), environ) or "").strip() == "on":
        write(_sequence(encoded))
        return Copied("osc52", "copied through tmux to the terminal's clipboard (OSC 52)")
    if (_run(("show-options", "-gwv", "allow-passthrough"), environ) or "").strip() in ("on", "all"):
        write(f"\x1bPtmux;{_sequence(encoded).replace(chr(27), chr(27) * 2)}\x1b\\")
        return Copied("osc52", "copied past tmux to the terminal's clipboard (OSC 52)")
    return _file(text, environ, "tmux passes nothing on (see: studio doctor); ")


def _run(words: tuple[str, ...], environ: Mapping[str, str], text: str = "") -> str | None:
    """What tmux says; None where it does not do it."""
    try:
        done = subprocess.run(
            ["tmux", *words], input=text.encode("utf-8", "replace"), capture_output=True, timeout=TMUX_S, check=False,
            env=dict(environ),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _file(text: str, environ: Mapping[str, str], why: str) -> Copied:
    path = cache_dir(environ) / "copied.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _place(path, text)
    except OSError as error:
        return Copied("nowhere", f"{why}not copied: {path} cannot be written ({error.strerror})")
    return Copied("file", f"{why}written to {path}")


def _place(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(text.encode("utf-8", "replace"))
    fresh.replace(path)
