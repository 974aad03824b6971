"""Engines that live without a controller, as their records on disk tell."""

from __future__ import annotations

import time
from pathlib import Path

from studio_core import daemon, wire
from studio_core.paths import Places
from studio_core.settings import Settings
from studio_core.supervisor import record, spec


def status(settings: Settings, places: Places) -> wire.Status:
    """What GET /status would answer, as far as it can be known without the controller."""
    return wire.Status(
        running=False, process=None, inference_port=settings.inference_port, launching=None,
        instances=survivors(places), state_dir=str(places.root),
    )


def survivors(places: Places) -> list[wire.Instance]:
    """The instances whose shim holds its lock."""
    folders = (folder for folder in sorted(places.instances.glob("*/")) if daemon.holder(folder / "lock"))
    return [one for one in map(_instance, folders) if one is not None]


def _instance(folder: Path) -> wire.Instance | None:
    """In the shim's own words for its state; None for what cannot be read."""
    try:
        told, plan = record.read(folder), spec.read(folder)
    except (OSError, ValueError):
        return None
    if told is None:
        return None
    return wire.Instance(
        id=plan.instance, recipe_id=plan.recipe_id, name=plan.recipe_id, engine=plan.engine, state=told.state,
        host=plan.host, port=plan.port, served_names=plan.served_names, shim_pid=told.shim_pid, engine_pid=told.engine_pid,
        launch_id=plan.launch_id, started_at=plan.created_at, age_s=max(0.0, time.time() - told.started_at),
        progress=wire.Progress(stage="no controller"),
    )
