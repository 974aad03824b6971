"""The first frame: real figures from the controller on the screen while Textual is still being imported.

Plain escape codes and the same drawing as the app's, so that nothing moves when the app takes over. Where anything is
missing (no controller, another server, a terminal that is too small) there is none, and nothing else changes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import termios
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from studio_core import wire
from studio_core.errors import StudioError
from studio_core.paths import Places, connect, peer_uid
from studio_core.settings import Settings
from studio_core.wire.parse import decode
from studio_tui import memory
from studio_tui.board import history, layout
from studio_tui.board.span import Line
from studio_tui.boundary import safe
from studio_tui.view import Link, View

NAME = "first-frame.json"
# A controller that does not answer at once is not waited for.
PATIENCE_S = 0.25
SPAN_S = 900.0
ENTER, HIDE, SYNC, SHOWN = "\x1b[?1049h", "\x1b[?25l", "\x1b[?2026h", "\x1b[?2026l"
LEAVE = "\x1b[?25h\x1b[?1049l"
LIMIT = 4 * 1024 * 1024


class Look(Struct, frozen=True):
    """How the app looked when it was left: SGR parameters by tone, its first and last line at so many columns, in ASCII or not."""

    pens: Mapping[str, str] = {}
    columns: int = 0
    top: str = ""
    bottom: str = ""
    ascii: bool = False


def look(folder: Path) -> Look:
    """What the last run left; the terminal's own colours where there was none."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        data: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return Look(**{name: data[name] for name in Look.__struct_fields__ if name in data})
    return Look()


def room(settings: Settings) -> str:
    """The room that the app will open: the one that it remembers, see `memory.py`."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        data = json.loads((settings.state_dir / memory.NAME).read_text(encoding="utf-8"))
        return str(data["servers"][settings.url]["room"])
    return "dashboard"


def keep(folder: Path, seen: Look) -> None:
    """For the next start. A disk that is full costs only the colours of one frame."""
    fresh = folder / f"{NAME}.new"
    with contextlib.suppress(OSError):
        fresh.write_text(json.dumps(asdict(seen)), encoding="utf-8")
        fresh.replace(folder / NAME)


def snapshot(path: Path) -> View | None:
    """What the controller knows now; None when it does not say so at once."""
    try:
        with contextlib.closing(connect(path, PATIENCE_S)) as link:
            if peer_uid(link) not in (os.getuid(), 0):
                return None
            link.sendall(f"GET /snapshot?span={SPAN_S:.0f}&count={history.COUNT} HTTP/1.0\r\nhost: studio\r\n\r\n".encode())
            head, _, body = _answer(link).partition(b"\r\n\r\n")
        if b" 200 " not in head.partition(b"\r\n")[0]:
            return None
        found = safe(decode(body, wire.Snapshot))
    except (OSError, StudioError, msgspec.DecodeError):
        return None
    now = time.monotonic()
    return View(
        link=Link("live", socket.gethostname()), status=found.status, status_at=now, gpus=found.gpus, metrics=found.metrics,
        samples=found.samples, now=now,
    )


def _answer(link: socket.socket) -> bytes:
    data = bytearray()
    deadline = time.monotonic() + PATIENCE_S
    while len(data) < LIMIT and time.monotonic() < deadline:
        more = link.recv(65536)
        if not more:
            break
        data += more
    return bytes(data)


def frame(view: View, seen: Look, columns: int, rows: int) -> str:
    """The whole screen: the bars as they were left, the dashboard between them."""
    lines = layout.draw(view, columns, rows - 2, "", True)
    known = seen.columns == columns
    drawn = [seen.top if known else "", *(coloured(line, seen.pens) for line in lines), seen.bottom if known else ""]
    return SYNC + "".join(f"\x1b[{y};1H{text}\x1b[0m" for y, text in enumerate(drawn, 1)) + SHOWN


def coloured(line: Line, pens: Mapping[str, str]) -> str:
    ground = pens.get("", "")
    return "".join(f"\x1b[0;{pens.get(tone, ground)}m{text}" for text, tone in line)


@contextlib.contextmanager
def painted(settings: Settings, room: str) -> Iterator[View | None]:
    """The frame is on the screen, keys are kept for the app and not echoed; afterwards the terminal is as it was."""
    view = _paint(settings) if room == "dashboard" else None
    if view is None:
        yield None
        return
    kept = termios.tcgetattr(0)
    quiet = termios.tcgetattr(0)
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(0, termios.TCSANOW, quiet)
    # Until the app listens for it, a request to end is a way out that gives the terminal back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield view
    except BaseException:
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
        raise
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(0, termios.TCSANOW, kept)


def _paint(settings: Settings) -> View | None:
    seen = look(settings.state_dir)
    size = os.get_terminal_size(1)
    if settings.url or size.lines < 4 or seen.ascii or settings.glyphs == "ascii" or os.environ.get("TERM") == "dumb":
        return None
    if os.environ.get("NO_COLOR"):
        seen = Look()
    view = snapshot(Places(settings.state_dir).control_socket)
    if view is not None:
        sys.stdout.write(ENTER + HIDE + frame(view, seen, size.columns, size.lines))
        sys.stdout.flush()
    return view
