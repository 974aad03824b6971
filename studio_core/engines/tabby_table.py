"""What is known of tabby's output and flags, as data."""

from __future__ import annotations

from collections.abc import Mapping

from studio_core.engines.engine import Milestone, Probe, Signature

MILESTONES: tuple[Milestone, ...] = ()
SIGNATURES: tuple[Signature, ...] = ()
SERIES: Mapping[str, str] = {}
# Its health does not tell of a model.
PROBES = (Probe("/health"), Probe("/v1/model", keyed=True))
# Options that Studio sets itself, and what to use instead.
OWNED: Mapping[str, str] = {
    "--host": "engines listen on loopback; the gateway is their address",
    "--port": "use the recipe's field port",
    "--disable-auth": "each start gets a key of its own; clients use Studio's keys",
    "--model-dir": "use the recipe's field model_path",
    "--model-name": "use the recipe's field model_path",
    "--config": "Studio writes the configuration",
}
