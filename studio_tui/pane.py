"""`studio pane`: one to a few rows for a pinned pane of tmux. Its own small loop: Textual would cost ten times as much."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from studio_core import daemon, wire
from studio_core.client import Client
from studio_core.errors import BadInput, StudioError
from studio_core.settings import Settings
from studio_core.text import line as one_line
from studio_core.wire.parse import convert
from studio_tui.board import brief, layout
from studio_tui.board.glyph import ASCII, UNICODE
from studio_tui.board.span import Line, width
from studio_tui.boundary import safe
from studio_tui.view import Link, View

# One frame a second; somebody looks, as the probe must hear every so often.
TICK_S, LOOK_S, RETRY_S, PATIENCE_S = 1.0, 10.0, 1.0, 2.0
# From so many rows on the dashboard itself fits.
WHOLE = 9
# The terminal's own colours: a pane stands among others.
PENS = {"title": "1", "quiet": "2", "bar": "34", "busy": "33", "full": "31", "rest": "2", "good": "32", "bad": "31", "accent": "33",
        "graph": "34", "cursor": "1"}
KINDS: dict[str, Any] = {"status": wire.Status, "gpu": wire.Gpus, "metrics": wire.Metrics}
NAMES = {"status": "status", "gpu": "gpus", "metrics": "metrics"}


class Ear:
    """Hears Studio's events in a thread of its own; `view` is what is known now."""

    def __init__(self, settings: Settings) -> None:
        self.client: Client = daemon.client(settings, PATIENCE_S)
        self._silence: float = settings.silence_s
        self.view = View(link=Link("connecting", one_line(self.client.place)))
        threading.Thread(target=self._run, name="ear", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                with contextlib.closing(self.client.events(silence=self._silence)) as stream:
                    self._know(link=Link("live", self.view.link.place))
                    for event in stream:
                        if event.event in KINDS:
                            value = safe(convert(event.data, KINDS[event.event]))
                            self._know(**{NAMES[event.event]: value})
                            if event.event == "status":
                                self._know(status_at=time.monotonic())
            except (StudioError, msgspec.ValidationError) as error:
                self._know(link=Link("reconnecting", self.view.link.place, one_line(str(error))))
            else:
                self._know(link=Link("reconnecting", self.view.link.place))
            time.sleep(RETRY_S)

    def _know(self, **news: object) -> None:
        self.view = replace(self.view, **news)

    def look(self) -> None:
        with contextlib.suppress(StudioError):
            self.client.gpus()


def run(settings: Settings, plain: bool = False) -> int:
    """Until `q`, Ctrl-C or the end of the terminal. Raises BadInput without one."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput("a pane needs a terminal", "", "for a status bar: studio status --line")
    ear, screen = Ear(settings), Screen(plain)
    with _quiet_terminal() as resized:
        looked = -LOOK_S
        while True:
            now = time.monotonic()
            if now - looked >= LOOK_S and ear.view.link.state == "live":
                looked = now
                threading.Thread(target=ear.look, daemon=True).start()
            screen.show(replace(ear.view, now=now))
            ready, _, _ = select.select([0, resized], [], [], TICK_S)
            if resized in ready:
                os.read(resized, 64)
            if 0 in ready and _leaves():
                return 0


def _leaves() -> bool:
    """Whether the person goes, or the terminal is gone."""
    try:
        keys = os.read(0, 64)
    except OSError:
        return True
    return not keys or b"q" in keys or b"\x03" in keys


@contextlib.contextmanager
def _quiet_terminal() -> Iterator[int]:
    """Without echo, on the other screen; gives what can be read from when the size has changed."""
    kept, quiet = termios.tcgetattr(0), termios.tcgetattr(0)
    quiet[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
    termios.tcsetattr(0, termios.TCSANOW, quiet)
    resized, wake = os.pipe()
    os.set_blocking(wake, False)
    # The handler does nothing: the byte that comes with the signal ends the wait for a key.
    signal.signal(signal.SIGWINCH, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    os.write(1, b"\x1b[?1049h\x1b[?25l")
    try:
        yield resized
    finally:
        signal.set_wakeup_fd(-1)
        for handle in (resized, wake):
            os.close(handle)
        with contextlib.suppress(OSError, termios.error):
            os.write(1, b"\x1b[?25h\x1b[?1049l")
            termios.tcsetattr(0, termios.TCSANOW, kept)


class Screen:
    """Writes the lines that changed, from where they changed."""

    def __init__(self, plain: bool) -> None:
        self._signs = ASCII if plain else UNICODE
        self._colourless = bool(os.environ.get("NO_COLOR"))
        self._lines: list[Line] = []
        self._size = (0, 0)

    def show(self, view: View) -> None:
        size = tuple(os.get_terminal_size(1))
        columns, rows = size
        draw = layout.draw if rows >= WHOLE else brief.draw
        lines = draw(view, columns, rows, signs=self._signs)
        old = self._lines if size == self._size else []
        lead = "" if old else "\x1b[2J"
        out = "".join(self._difference(y, line, old[y] if old else ()) for y, line in enumerate(lines) if not old or line != old[y])
        self._lines, self._size = lines, size  # type: ignore[assignment]
        if out:
            os.write(1, (lead + out).encode())

    def _difference(self, y: int, line: Line, old: Line) -> str:
        """From the first span that is another on."""
        same = 0
        while same < min(len(line), len(old)) and line[same] == old[same]:
            same += 1
        x = sum(width(span.text) for span in line[:same])
        return f"\x1b[{y + 1};{x + 1}H" + "".join(self._span(text, tone) for text, tone in line[same:]) + "\x1b[0m"

    def _span(self, text: str, tone: str) -> str:
        codes = "" if self._colourless and tone not in ("title", "cursor") else PENS.get(tone, "")
        return f"\x1b[0;{codes}m{text}" if codes else f"\x1b[0m{text}"
