"""Starts and stops."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from studio_core import wire
from studio_core.client.connection import Connection, Stream
from studio_core.errors import Daemonless

# The states in which a launch stays.
OVER = frozenset({"ready", "failed", "cancelled", "superseded"})


class LaunchCalls(Connection):
    """What is asked about launches and what runs."""

    def status(self) -> wire.Status:
        return self._get("/status", wire.Status)

    def release(self, instance_id: str) -> None:
        """A person's word that a failed or stuck instance holds nothing any more."""
        self._send("POST", f"/evict?{urlencode({'instance': instance_id, 'release': 'true'})}", wire.Evicted)

    def instances(self) -> list[wire.Instance]:
        return self.status().instances

    def events(self, *kinds: str, silence: float | None = None) -> Stream:
        """What happens, from now on; with `kinds` of these only. After `silence` seconds without a sign of life it ends."""
        query = [f"kinds={','.join(kinds)}"] * bool(kinds) + ([] if silence is None else [f"ping={silence / 3:g}"])
        return self._stream("GET", "?".join(filter(None, ["/events", "&".join(query)])), silence=silence)

    def command(self, instance: str) -> wire.StartCommand:
        """What an instance was started with."""
        return self._get(f"/instances/{quote(instance, safe='')}/command", wire.StartCommand)

    def launch(self, recipe_id: str, wait: bool = False, force: bool = False) -> wire.Launch:
        """Start a recipe; returns at once, or with `wait` when the launch is over. Raises LaunchFailed and others."""
        query = urlencode({"wait": "false", "force": str(force).lower()})
        answer: wire.LaunchAnswer = self._send("POST", f"/launch/{quote(recipe_id, safe='')}?{query}", wire.LaunchAnswer)
        return self.over(answer.launch_id) if wait else self.launch_state(answer.launch_id)

    def over(self, launch_id: str) -> wire.Launch:
        """Wait until the launch is over. Raises as `launch_states` does."""
        *_, last = self.launch_states(launch_id)
        return last

    def launch_states(self, launch_id: str) -> Iterator[wire.Launch]:
        """The launch after each change; the last one is over.

        Raises:
            Daemonless: the controller went away; the launch may go on.
        """
        with contextlib.closing(self.events()) as stream:
            for event in stream:
                if event.event in ("launch_progress", "status"):
                    launch = self.launch_state(launch_id)
                    yield launch
                    if launch.state in OVER:
                        return
        raise Daemonless("Studio went away during the launch", "its engine goes on", "see: studio ps")

    def launch_state(self, launch_id: str) -> wire.Launch:
        return self._get(f"/launches/{quote(launch_id, safe='')}", wire.Launch)

    def cancel(self, recipe_id: str) -> wire.Launch:
        return self._send("POST", f"/launch/{quote(recipe_id, safe='')}/cancel", wire.Launch)

    def evict(self, instance_id: str | None = None, force: bool = False) -> wire.Evicted:
        """Stop one instance or all; waits until they are gone."""
        query = {"force": str(force).lower(), **({"instance": instance_id} if instance_id else {})}
        return self._send("POST", f"/evict?{urlencode(query)}", wire.Evicted, endless=True)

    def shutdown(self, engines: bool = False) -> None:
        self._send("POST", f"/shutdown?engines={str(engines).lower()}", Any)
