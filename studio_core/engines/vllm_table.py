"""What is known of vllm's output and flags, as data."""

from __future__ import annotations

from collections.abc import Mapping

from studio_core.engines.engine import Milestone, Probe, Signature

MILESTONES: tuple[Milestone, ...] = ()
SIGNATURES: tuple[Signature, ...] = ()
SERIES: Mapping[str, str] = {}
# Nothing answers before the engine is ready; health and metrics need no key.
PROBES = (Probe("/health"), Probe("/v1/models", keyed=True))
# Flags that Studio sets itself or that would hide the engine from it, and what to use instead.
OWNED: Mapping[str, str] = {
    "--host": "engines listen on loopback; the gateway is their address",
    "--port": "use the recipe's field port",
    "--uds": "the gateway reaches engines over TCP",
    "--model": "use the recipe's field model_path",
    "--served-model-name": "use the recipe's field served_model_name",
    "--api-key": "each start gets a key of its own; clients use Studio's keys",
    "--root-path": "the gateway expects the engine's own paths",
    "--ssl-keyfile": "the gateway speaks plain HTTP to engines on loopback",
    "--ssl-certfile": "the gateway speaks plain HTTP to engines on loopback",
    "--config": "Studio is where the flags come from",
    "--headless": "the instance here is the head; see the lines for the other nodes",
    "--node-rank": "use the recipe's field nodes",
    "--disable-log-stats": "Studio reads the engine's metrics",
}
