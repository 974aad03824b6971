"""What becomes of the app when its terminal goes away: it ends at once, and uses no processor time until then.

A closed terminal reads as an endless end of file, which would spin in Textual's input thread. poll(2) tells of a hang-up
without reading, so one sleeping thread is enough. Nothing is restored: there is no terminal left to restore.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual import constants
from textual.app import App

from studio_tui import theme

HUNG_UP = 129
if TYPE_CHECKING:
    from studio_tui.driver import Driver

# Clicks, movement, and coordinates as numbers: what Textual asks a terminal for.
MOUSE = (1000, 1003, 1015, 1006)


def watch() -> None:
    """End the process when a terminal that it uses hangs up."""
    terminals = {handle for handle in (0, 1, 2) if os.isatty(handle)}
    if terminals and sys.platform != "darwin":
        threading.Thread(target=_wait, args=(terminals,), name="terminal", daemon=True).start()


def _wait(terminals: set[int]) -> None:
    poll = select.poll()
    for handle in terminals:
        # No event is asked for: hang-up and error are always told.
        poll.register(handle, 0)
    poll.poll()
    os._exit(HUNG_UP)


def on_terminate(leave: Callable[[], None]) -> None:
    """SIGTERM leaves as a person would, with the terminal restored. Called inside the running loop."""
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave)


def write(app: App[Any], text: str) -> None:
    """Send a sequence to the terminal, in turn with what the app draws. Without a terminal nothing happens."""
    if app._driver is not None and not app.is_headless:
        app._driver.write(text)


def mouse(app: App[Any], capture: bool) -> None:
    """Take the mouse, or leave it to the terminal, whose own selection then works."""
    write(app, "".join(f"\x1b[?{mode}{'h' if capture else 'l'}" for mode in MOUSE))


def alarm(app: App[Any], text: str) -> None:
    """Bell, desktop notice (OSC 9) and title, for a terminal that nobody looks at. `text` is one clean line."""
    told = f"\x1b]9;{text}\x07"
    if os.environ.get("TMUX"):
        # tmux hands a notice on only where it is wrapped, and allow-passthrough is on; else it drops it.
        told = "\x1bPtmux;" + told.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    write(app, f"\a{told}\x1b[22;2t\x1b]2;{text}\x07")


def calm(app: App[Any]) -> None:
    """The title as it was."""
    write(app, "\x1b]2;Studio\x07\x1b[23;2t")


def suit(app: App[Any]) -> None:
    """The theme for a terminal with 16 colours, where nobody has chosen another."""
    if app.console.color_system == "standard" and app.theme == theme.DARK.name:
        app.theme = theme.PLAIN.name


def driver(taken: bool) -> type[Driver] | None:
    """Who reads keys and draws; None where a person chose another. `taken`: the terminal shows the first frame already."""
    if constants.DRIVER is not None:
        return None
    from studio_tui.driver import Driver, TakenOver

    return TakenOver if taken else Driver
