"""What is known of sglang's output and flags, as data."""

from __future__ import annotations

from collections.abc import Mapping

from studio_core.engines.engine import Milestone, Probe, Signature

MILESTONES: tuple[Milestone, ...] = ()
SIGNATURES: tuple[Signature, ...] = ()
SERIES: Mapping[str, str] = {}
# /health answers 503 while it warms up.
PROBES = (Probe("/health", keyed=True), Probe("/v1/models", keyed=True))
# Flags that Studio sets itself or that would hide the engine from it, and what to use instead.
OWNED: Mapping[str, str] = {
    "--host": "engines listen on loopback; the gateway is their address",
    "--port": "use the recipe's field port",
    "--model-path": "use the recipe's field model_path",
    "--served-model-name": "use the recipe's field served_model_name",
    "--api-key": "each start gets a key of its own; clients use Studio's keys",
    "--config": "Studio is where the flags come from",
    "--node-rank": "use the recipe's field nodes",
    "--ssl-keyfile": "the gateway speaks plain HTTP to engines on loopback",
    "--ssl-certfile": "the gateway speaks plain HTTP to engines on loopback",
}
