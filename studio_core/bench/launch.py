"""What Studio adds to an engine's own start: the very same command, once through `POST /launch`, once bare."""

from __future__ import annotations

import contextlib
import http.client
import json
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from studio_core import wire
from studio_core.bench.figure import Row, interleaved
from studio_core.bench.premises import Premises, premises, until
from studio_core.cli.demo import demo_recipe
from studio_core.engines.registry import find
from studio_core.models.fetch import DEMO, fetch
from studio_core.paths import cache_dir, connect
from studio_core.supervisor import port
from studio_core.supervisor import spec as specs
from studio_core.supervisor.spec import Spec

AIM_MS = 100.0
POLL_S = 0.002
SCRIPTED = Path(__file__).parents[2] / "tests" / "engines" / "scripted.py"


def measure() -> list[Row]:
    """Milliseconds from the request to ready, over milliseconds from exec to the first answer of the bare engine."""
    rows: list[Row] = []
    with premises() as home, tempfile.TemporaryDirectory() as folder:
        for name, recipe in _recipes(home, Path(folder)):
            home.client.put_recipe(recipe)
            spec = _spec(home, recipe["id"])
            bare, launched = interleaved(partial(_bare, spec), partial(_launched, home, recipe["id"]))
            note = f"{launched * 1000:.0f} ms over {bare * 1000:.0f} ms bare"
            rows.append(Row(f"launch: added to {name}", (launched - bare) * 1000, "ms", AIM_MS, note))
    return rows


def _recipes(home: Premises, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The demo's real model and, in a checkout, the scripted engine, which starts faster than any real one."""
    path = fetch(DEMO, cache_dir() / "models", lambda *_: None)
    yield "llama.cpp with a 98 MB model", dict(demo_recipe(str(path)).stored())
    if SCRIPTED.exists():
        yield "an engine that has nothing to load", scripted(folder)


def scripted(folder: Path, **switches: Any) -> dict[str, Any]:
    """A recipe that runs the scripted engine of the tests."""
    binary, model = folder / "engine", folder / "model.gguf"
    binary.write_text(f'#!/bin/sh\nexec {sys.executable} {SCRIPTED} "$@"\n', encoding="utf-8")
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    model.write_bytes(b"GGUF and nothing else")
    return {"id": "scripted", "backend": "llamacpp", "model_path": str(model), "binary": str(binary),
            "env_vars": {"SCRIPT": json.dumps(switches)}}


def _spec(home: Premises, recipe_id: str) -> Spec:
    """What the shim is told to run for this recipe."""
    instance = home.launch(recipe_id)
    spec = specs.read(home.places.instance(instance.id))
    home.stop(instance)
    return spec


def _launched(home: Premises, recipe_id: str) -> float:
    """The request itself: its answer comes when the launch is over."""
    connection = http.client.HTTPConnection("studio")
    connection.sock = connect(home.places.control_socket)
    with contextlib.closing(connection):
        began = time.monotonic()
        connection.request("POST", f"/launch/{recipe_id}")
        answer = msgspec.json.decode(connection.getresponse().read(), type=wire.LaunchAnswer)
        took = time.monotonic() - began
    home.stop(next(one for one in home.client.instances() if one.id == answer.instance))
    return took


def _bare(spec: Spec) -> float:
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        with subprocess.Popen(
            spec.argv, cwd=folder, env=spec.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as engine:
            while not all(_answers(spec, probe.path) for probe in find(spec.engine).probes):
                time.sleep(POLL_S)
            took = time.monotonic() - began
            engine.terminate()
    until(lambda: not port.holder(spec.port), f"port {spec.port} is free")
    return took


def _answers(spec: Spec, path: str) -> bool:
    connection = http.client.HTTPConnection(spec.host, spec.port, timeout=5)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {spec.api_key}"})
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
