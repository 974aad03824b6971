"""Keys that come faster than the app follows: each waits until what the one before led to has happened.

Textual hands every key to whoever has the focus when it comes; over a slow link "/small" comes at once, and its `s` would act
on the list that "/" was pressed in.
"""

from __future__ import annotations

from collections import deque

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

# A key whose handling nobody hears the end of keeps the next one so long.
PATIENCE_S = 0.2


class TypeAhead:
    """`turn` before an event is handed on, `sent` after; `over` when a key has come back up to the app."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._now: events.Event | None = None
        self._waiting: deque[events.Event] = deque()

    def turn(self, event: events.Event) -> bool:
        """Whether it may be handed on; else it is kept, and comes again."""
        if self._now is None:
            self._now = event
            if self._waiting:
                self._watch(event)
            return True
        if not self._waiting:
            self._watch(self._now)
        self._waiting.append(event)
        return False

    def _watch(self, event: events.Event) -> None:
        """Somebody waits for this one's end, for so long."""
        self._app.set_timer(PATIENCE_S, lambda: self._next(event))

    def sent(self, event: events.Event, target: MessagePump) -> None:
        """What stops at its target does not come back; what a binding of first rank took was not even handed on."""
        if event.is_forwarded:
            target.call_later(self._taken, event)
        else:
            self.over(event)

    def _taken(self, event: events.Event) -> None:
        if event._stop_propagation or isinstance(event, events.Paste):
            self.over(event)

    def over(self, event: events.Event) -> None:
        """The action comes after this, and moves the focus one message later."""
        self._app.call_later(self._app.call_later, self._next, event)

    async def _next(self, event: events.Event) -> None:
        if event is self._now:
            self._now = None
            if self._waiting:
                await self._app.on_event(self._waiting.popleft())
