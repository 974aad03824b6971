"""The terminal's keys and pictures: Textual's driver for Unix, which sleeps while nobody presses a key.

Textual's own wakes ten times a second to see whether an escape was a key of its own, which was most of what an app costs
that nothing happens in.
"""

from __future__ import annotations

import os
import select
import time

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from studio_tui.intake import Intake, decoder

ENTER = "\x1b[?1049h"
READ = 4096


class Driver(LinuxDriver):
    """Waits for keys without a limit, except while it holds the beginning of a sequence."""

    def __init__(self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._leaving = False
        # For as long as the app: an editor may have the terminal in between.
        self._woken, self._waking = os.pipe()

    def start_application_mode(self) -> None:
        self._leaving = False
        super().start_application_mode()  # type: ignore[no-untyped-call]

    def disable_input(self) -> None:
        self._leaving = True
        os.write(self._waking, b".")
        if self._key_thread is not None:
            self._key_thread.join()
        os.read(self._woken, 1)
        super().disable_input()

    def run_input_thread(self) -> None:
        parser, decode = Intake(self._debug), decoder().decode
        while not self._leaving:
            ready, _, _ = select.select([self.fileno, self._woken], [], [], patience(parser))
            if self.fileno in ready and (text := decode(os.read(self.fileno, READ))):
                for event in parser.feed(text):
                    self.process_message(event)
            for event in parser.tick():
                self.process_message(event)


class TakenOver(Driver):
    """For a terminal that shows the first frame already: entering the alternate screen again could clear it."""

    _entered = False

    def write(self, data: str) -> None:
        if not self._entered and ENTER in data:
            self._entered, data = True, data.replace(ENTER, "")
        super().write(data)


def patience(parser: Intake) -> float | None:
    """Seconds until an escape was a key of its own; None where nothing has begun."""
    due = parser._timeout_time
    # Textual looks at the same clock.
    return None if due is None else max(0.0, due - time.monotonic())
