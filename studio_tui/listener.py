"""Hears Studio's events for the whole life of the app, and comes back by itself when Studio was away.

What moves every second is heard apart, by `Figures`, and only while somebody looks at it.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from textual.message import Message

from studio_core import daemon, wire
from studio_core.client import Stream
from studio_core.client.connection import OPEN_S
from studio_core.errors import Daemonless, StudioError
from studio_core.paths import Places
from studio_core.settings import Settings
from studio_core.text import line
from studio_core.wire.parse import convert
from studio_tui import message
from studio_tui.boundary import safe
from studio_tui.view import Link

if TYPE_CHECKING:
    from studio_core.client.asked import Asked

RETRY_S = 0.25
# The gateway brings a dead controller back; one that it does not bring back in this time is started from here.
PATIENCE_S = 3.0
# After a start that failed.
PAUSE_S = 2.0


class Listener:
    """`post` takes messages from this thread, `heard` is told of each request."""

    def __init__(self, settings: Settings, post: Callable[[Message], None], heard: Callable[[Asked], None] | None = None) -> None:
        self._settings = settings
        # What is asked here holds up hearing: it has no longer than a silence may last.
        self._client = daemon.client(settings, max(OPEN_S, settings.silence_s))
        self._client.heard = heard
        self._post = post
        self._over = threading.Event()
        self._stream: Stream | None = None
        self._lives: object = None

    def stop(self) -> None:
        self._over.set()
        if self._stream is not None:
            self._stream.close()

    def run(self) -> None:
        self._say("connecting")
        first, since = True, time.monotonic()
        while not self._over.is_set():
            try:
                silent = self._hear()
                first, since = False, time.monotonic()
                self._away(silent)
            except Daemonless as error:
                self._away(error, start=first or time.monotonic() - since > PATIENCE_S, first=first)
                first = False
            except StudioError as error:
                self._say("failed", error.line())
                self._over.wait(PAUSE_S)
            self._over.wait(RETRY_S)

    def _hear(self) -> StudioError | None:
        """Returns when the stream has ended, with the reason where nothing ended it but silence: a host may go without a word.

        Raises:
            StudioError: there is none to be had.
        """
        silence = self._settings.silence_s
        with contextlib.closing(self._client.events("status", "recipe", silence=silence)) as self._stream:
            self._say("live")
            # The recipes are asked for with the status that comes first.
            self._lives = None
            for event in self._stream:
                self._take(event.event, event.data)
            return Daemonless(f"nothing was heard for {self._settings.silence_s:g} s") if self._stream.silent else None

    def _take(self, kind: str, data: Any) -> None:
        if kind == "status":
            status = safe(convert(data, wire.Status))
            self._post(message.StatusCame(status))
            self._notice(status)
        elif kind == "recipe":
            self._recipes()

    def _notice(self, status: wire.Status) -> None:
        """A model that came, went or changed its state changes what is said of its recipe."""
        lives = ([(one.id, one.state) for one in status.instances], [(one.id, one.state) for one in status.launches], status.holds)
        if lives != self._lives:
            self._lives = lives
            self._recipes()

    def _recipes(self) -> None:
        with contextlib.suppress(StudioError):
            self._post(message.RecipesCame(tuple(safe(self._client.recipes()))))

    def _away(self, error: StudioError | None = None, start: bool = False, first: bool = False) -> None:
        """Say that nobody answers. Who ran `studio down` meant it: only a new app starts Studio again."""
        if self._over.is_set():
            return
        local = not self._settings.url
        if local and not first and Places(self._settings.state_dir).down.exists():
            self._say("down", "studio up starts it again")
        elif local and start:
            self._start(first)
        elif not first:
            self._say("reconnecting", error.line() if error else "")

    def _start(self, first: bool) -> None:
        self._say("connecting" if first else "reconnecting", "starting the controller")
        try:
            daemon.ensure(self._settings)
        except StudioError as error:
            self._say("failed", error.line())
            self._over.wait(PAUSE_S)

    def _say(self, state: str, why: str = "") -> None:
        self._post(message.LinkChanged(Link(state, line(self._client.place), line(why))))


class Figures:
    """GPUs and what engines measure of themselves, until `stop`. Whether Studio answers, the listener tells."""

    def __init__(self, settings: Settings, post: Callable[[Message], None], heard: Callable[[Asked], None] | None = None) -> None:
        self._client = daemon.client(settings)
        self._client.heard = heard
        self._silence: float = settings.silence_s
        self._post = post
        self._over = threading.Event()
        self._stream: Stream | None = None

    def stop(self) -> None:
        self._over.set()
        if self._stream is not None:
            self._stream.close()

    def _figures(self) -> Stream:
        return self._client.events("gpu", "metrics", silence=self._silence)

    def run(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(StudioError), contextlib.closing(self._figures()) as self._stream:
                for event in self._stream:
                    if self._over.is_set():
                        return
                    self._take(event.event, event.data)
            self._over.wait(RETRY_S)

    def _take(self, kind: str, data: Any) -> None:
        if kind == "gpu":
            self._post(message.GpusCame(safe(convert(data, wire.Gpus))))
        elif kind == "metrics":
            self._post(message.MetricsCame(safe(convert(data, wire.Metrics))))
