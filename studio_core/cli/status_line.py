"""`studio status --line`: one short line for a status bar, for example tmux's `#(studio status --line)`."""

from __future__ import annotations

from studio_core import wire
from studio_core.cli.table import age, size
from studio_core.text import line

SIGNS = {"ready": "\u25cf", "failed": "\u2716", "stuck": "\u25b2", "sleeping": "\u25cc"}
COMING = "\u25d0"


def brief(found: wire.Snapshot) -> str:
    """What serves, else what comes, else what failed; then the GPUs, or the host where there is none."""
    return "  ".join(filter(None, [_model(found), _machine(found.gpus)]))


def _model(found: wire.Snapshot) -> str:
    ranks = ("ready", "loading", "starting", "downloading", "waiting", "failed")
    alive = sorted(found.status.instances, key=lambda one: ranks.index(one.state) if one.state in ranks else len(ranks))
    if not alive:
        return "nothing runs"
    one = alive[0]
    more = f" +{len(alive) - 1}" if len(alive) > 1 else ""
    return f"{SIGNS.get(one.state, COMING)} {line(one.name)[:24]}{more} {_doing(one, found.metrics)}"


def _doing(one: wire.Instance, metrics: wire.Metrics) -> str:
    if one.state != "ready":
        left = f" {age(one.progress.eta_s)}" if one.progress.eta_s is not None else ""
        return one.state if one.progress.percent is None else f"{one.progress.percent:.0f}%{left}"
    seen = next((each for each in metrics.models if each.instance_id == one.id), None)
    rate = f" {seen.tokens_out_s:.0f} tok/s" if seen is not None and seen.tokens_out_s is not None else ""
    return f"{one.running}+{one.waiting}{rate}"


def _machine(found: wire.Gpus) -> str:
    live = [one for one in found.gpus if not one.lost]
    busy = [one.utilization for one in live if one.utilization is not None]
    if not found.gpus:
        cpu = found.host.cpu_percent
        return "" if cpu is None else f"CPU {cpu:.0f}% {size(found.host.memory_used)}"
    lost = f" {len(found.gpus) - len(live)} lost" if len(live) < len(found.gpus) else ""
    use = f"{sum(busy) / len(busy):.0f}%" if busy else "N/A"
    known = [one.memory_used for one in live if one.memory_used is not None]
    return f"GPU {use} {size(sum(known)) if known else 'N/A'}{lost}"
