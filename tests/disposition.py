"""Signals that whoever started the tests ignores (nohup, a shell's `&`): what a test starts would ignore them too."""

from __future__ import annotations

import signal
from types import FrameType

INHERITED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def keep_to_ourselves() -> None:
    """Go on ignoring them, by a handler: the kernel gives a program that is executed the default in its place."""
    for number in INHERITED:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, _ignore)


def _ignore(number: int, frame: FrameType | None) -> None:
    pass
