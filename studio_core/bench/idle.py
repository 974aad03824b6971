"""What Studio costs while nothing happens: every process of it with one engine loaded, and nobody looking."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from studio_core.bench.cost import Cost, cost
from studio_core.bench.figure import Row
from studio_core.bench.launch import SCRIPTED, scripted
from studio_core.bench.premises import Premises, premises
from studio_core.cli.demo import demo_recipe
from studio_core.gpu.watch import LOOK_S
from studio_core.models.fetch import DEMO, fetch
from studio_core.paths import cache_dir

# Long enough for several samples of the probe at its slow pace.
SECONDS = 40.0
MB = 1e6
AIM_SHARE, AIM_MB, AIM_SHIM_MB = 1.0, 150.0, 16.0


def measure() -> list[Row]:
    """Percent of one core over SECONDS, and resident megabytes at their end."""
    with premises() as home, tempfile.TemporaryDirectory() as folder:
        pids = _pids(home, Path(folder))
        # Until the launch's own look at the gauges is forgotten, the probe samples fast.
        time.sleep(LOOK_S + 5.0)
        before = {name: cost(pid) for name, pid in pids.items()}
        time.sleep(SECONDS)
        after = {name: cost(pid) for name, pid in pids.items()}
    share = {name: (after[name].cpu_s - before[name].cpu_s) / SECONDS * 100 for name in pids}
    return [*_single(share, after), *_together(share, after)]


def _pids(home: Premises, folder: Path) -> dict[str, int]:
    if SCRIPTED.exists():
        recipe = scripted(folder)
    else:
        recipe = dict(demo_recipe(str(fetch(DEMO, cache_dir() / "models", lambda *_: None))).stored())
    home.client.put_recipe(recipe)
    instance = home.launch(recipe["id"])
    status = home.client.status()
    found = {"controller": status.controller.pid, "gateway": status.gateway.pid, "probe": status.probe.pid,
             "shim": instance.shim_pid}
    return {name: pid for name, pid in found.items() if pid is not None}


def _single(share: dict[str, float], after: dict[str, Cost]) -> list[Row]:
    aims = {"shim": AIM_SHIM_MB}
    return [
        Row(f"idle: {name}", one.rss / MB, "MB", aims.get(name), f"PSS {one.pss / MB:.0f} MB, {share[name]:.2f} % of a core")
        for name, one in after.items()
    ]


def _together(share: dict[str, float], after: dict[str, Cost]) -> list[Row]:
    rss, pss = (sum(getattr(one, kind) for one in after.values()) / MB for kind in ("rss", "pss"))
    return [
        Row("idle: processor of all together", sum(share.values()), "% of a core", AIM_SHARE, f"{len(after)} processes"),
        Row("idle: memory of all together", rss, "MB", AIM_MB, f"PSS {pss:.0f} MB, {os.cpu_count()} cores"),
    ]
