"""The machine and the house."""

from __future__ import annotations

from typing import Any

from studio_core import wire
from studio_core.client.connection import Connection


class SystemCalls(Connection):
    """What is asked about the machine, its use and the settings."""

    def gpus(self) -> wire.Gpus:
        return self._get("/gpus", wire.Gpus)

    def config(self) -> dict[str, Any]:
        return self._get("/config", dict[str, Any])

    def usage(self) -> dict[str, Any]:
        return self._get("/usage", dict[str, Any])
