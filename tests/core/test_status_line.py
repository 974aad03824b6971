"""`studio status --line`: one short line, whatever there is to tell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from studio_core import wire
from studio_core.cli.status_line import brief

GIB = 1024**3


def snapshot(
    *instances: wire.Instance, gpus: wire.Gpus | None = None, models: list[wire.ModelMetrics] | None = None
) -> wire.Snapshot:
    return wire.Snapshot(
        status=wire.Status(running=True, process=None, inference_port=0, launching=None, instances=list(instances)),
        gpus=gpus or wire.Gpus(host=wire.Host(cpu_percent=12.0, memory_used=4 * GIB)),
        metrics=wire.Metrics(models=models or []), samples=wire.Samples(step_s=10.0, end=0.0),
    )


def instance(name: str, state: str, **fields: object) -> wire.Instance:
    return wire.Instance(id=name, recipe_id=name, name=name, engine="vllm", state=state, **fields)  # type: ignore[arg-type]


LOADING = wire.Progress(stage="loading", percent=41.0, eta_s=38.0)
GPUS = wire.Gpus(gpus=[
    wire.Gpu(index=0, uuid="a", name="n", utilization=50.0, memory_used=40 * GIB), wire.Gpu(index=1, uuid="b", name="n", lost=True),
])
SILENT = wire.Gpus(gpus=[wire.Gpu(index=0, uuid="a", name="n")])
METRICS = [wire.ModelMetrics(instance_id="m", recipe_id="m", tokens_out_s=61.2)]


@pytest.mark.parametrize(("found", "line"), [
    (snapshot(), "nothing runs  CPU 12% 4.0 GiB"),
    (snapshot(instance("m", "ready", running=2, waiting=1), models=METRICS), "\u25cf m 2+1 61 tok/s  CPU 12% 4.0 GiB"),
    (snapshot(instance("f", "failed"), instance("m", "loading", progress=LOADING)), "\u25d0 m +1 41% 38 s  CPU 12% 4.0 GiB"),
    (snapshot(instance("m", "starting"), gpus=GPUS), "\u25d0 m starting  GPU 50% 40.0 GiB 1 lost"),
    (snapshot(instance("m", "failed"), gpus=SILENT), "\u2716 m failed  GPU N/A N/A"),
    (snapshot(instance("a\x1b[2Jb\nc", "ready"), gpus=wire.Gpus()), "\u25cf ab c 0+0"),
])
def test_the_line(found: wire.Snapshot, line: str) -> None:
    assert brief(found) == line


def test_without_a_controller_the_line_says_so(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "studio_core", "--state", str(tmp_path), "status", "--line"]
    done = subprocess.run(argv, env={**os.environ}, capture_output=True, text=True, check=False)
    assert done.returncode == 3 and done.stdout.startswith("studio: ") and done.stdout.count("\n") == 1
