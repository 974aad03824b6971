"""The machine and the house."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from studio_core import wire
from studio_core.client.connection import Connection


class SystemCalls(Connection):
    """What is asked about the machine, its use and the settings."""

    def models(self) -> wire.ModelFiles:
        """The model files of the machine."""
        return self._get("/v1/studio/models", wire.ModelFiles)

    def peaks(self) -> list[dict[str, Any]]:
        """The best figures of each model."""
        found: Any = self._get("/peak-metrics", Any)
        return list(found.get("metrics", [])) if isinstance(found, dict) else list(found)

    def gpus(self) -> wire.Gpus:
        return self._get("/gpus", wire.Gpus)

    def samples(self, span: float, count: int) -> wire.Samples:
        """The last `span` seconds in at most `count` steps."""
        return self._get(f"/samples?{urlencode({'span': span, 'count': count})}", wire.Samples)

    def snapshot(self, span: float, count: int) -> wire.Snapshot:
        return self._get(f"/snapshot?{urlencode({'span': span, 'count': count})}", wire.Snapshot)

    def requests(self) -> wire.Flights:
        """What is under way, over all gateways."""
        return self._get("/v1/studio/requests", wire.Flights)

    def cancel_request(self, request_id: str) -> None:
        self._send("DELETE", f"/v1/studio/requests/{quote(request_id, safe='')}", wire.Done)

    def config(self) -> dict[str, Any]:
        return self._get("/config", dict[str, Any])

    def event_counts(self) -> dict[str, Any]:
        """How many listeners the event stream has, and how many events of each kind it has told."""
        return self._get("/events/stats", dict[str, Any])

    def usage(self) -> dict[str, Any]:
        return self._get("/usage", dict[str, Any])
