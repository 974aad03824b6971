"""The event hub: everything that happens, to any number of listeners, each at its own pace.

A listener never holds more than the latest value of each (kind, key). A slow one therefore skips what is
outdated, is never dropped, and is never behind by more than one snapshot.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from studio_core.wire import Event

# What a new listener gets at once. Other kinds tell of a change, which is over when it was told.
STANDING = ("status", "gpu", "metrics")
# Values that wait for one listener. Beyond, the oldest keyed one goes: the standing `status` holds all launches anyway.
PENDING_LIMIT = 256


class Hub:
    """Publishes within one event loop."""

    def __init__(self) -> None:
        self._number = 0
        self._standing: dict[str, Event] = {}
        self._listeners: set[Subscription] = set()
        self._published: Counter[str] = Counter()
        self._closed = False

    def publish(self, kind: str, data: Any, key: str = "") -> None:
        """Tell every listener. Values of one kind and key replace each other; `data` must be ready for JSON."""
        self._number += 1
        event = Event(event=kind, data=data, id=str(self._number))
        self._published[kind] += 1
        if kind in STANDING:
            self._standing[kind] = event
        for listener in self._listeners:
            listener.put(kind, key, event)

    def subscribe(self, first: Iterable[tuple[str, Any]] = (), kinds: Collection[str] = ()) -> Subscription:
        """A new listener. It begins with `first`, then the standing values of the other kinds; `kinds`: of these only."""
        listener = Subscription(self, kinds)
        for kind, data in first:
            listener.put(kind, "", Event(event=kind, data=data, id=str(self._number)))
        for kind, event in self._standing.items():
            if not listener.has(kind):
                listener.put(kind, "", event)
        if self._closed:
            listener.close()
        else:
            self._listeners.add(listener)
        return listener

    def leave(self, listener: Subscription) -> None:
        self._listeners.discard(listener)

    def close(self) -> None:
        """End every listener's stream, so that a server can stop."""
        self._closed = True
        for listener in tuple(self._listeners):
            listener.close()

    def stats(self) -> dict[str, Any]:
        """The counts of GET /events/stats, under vLLM Studio's names, and what was coalesced."""
        return {
            "total_events_published": self._number,
            "channels": {"default": len(self._listeners)},
            "total_subscribers": len(self._listeners),
            "published": dict(self._published),
            "coalesced": sum(listener.coalesced for listener in self._listeners),
        }


class Subscription:
    """One listener: an async iterator of events, in the order in which their values last changed."""

    def __init__(self, hub: Hub, kinds: Collection[str] = ()) -> None:
        self.coalesced = 0
        self._kinds = frozenset(kinds)
        self._hub = hub
        self._pending: dict[tuple[str, str], Event] = {}
        self._news = asyncio.Event()
        self._closed = False

    def has(self, kind: str) -> bool:
        return (kind, "") in self._pending

    def put(self, kind: str, key: str, event: Event) -> None:
        """Keep the event until it is taken, in place of an older one of the same kind and key."""
        if self._kinds and kind not in self._kinds:
            return
        if self._pending.pop((kind, key), None) is not None:
            self.coalesced += 1
        elif len(self._pending) >= PENDING_LIMIT:
            self._pending.pop(next((name for name in self._pending if name[1]), next(iter(self._pending))))
            self.coalesced += 1
        self._pending[(kind, key)] = event
        self._news.set()

    async def next(self, timeout: float | None = None) -> Event | None:
        """The next event; None after `timeout` seconds of silence. Raises StopAsyncIteration when the hub has closed."""
        try:
            async with asyncio.timeout(timeout):
                while not self._pending and not self._closed:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None
        if not self._pending:
            raise StopAsyncIteration
        return self._pending.pop(next(iter(self._pending)))

    def close(self) -> None:
        self._closed = True
        self._news.set()
        self._hub.leave(self)

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Event:
        event = await self.next()
        assert event is not None, "without a timeout there is always an event"
        return event

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
