"""The probe: a process of its own that talks to NVML, for NVML can hang or crash. Prints one JSON sample per line.

`python -m studio_core.gpu.probe`: a line on stdin is the seconds to the next sample; the end of stdin is its end.
A field that NVML does not give is null, never 0; each field is asked alone, so one that fails hides no other.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil
import pynvml

# How often a missing or broken NVML is tried again.
RETRY_S = 30.0
MILLI = 1000.0


def ask(call: Callable[..., Any], *arguments: Any) -> Any:
    """The answer of one NVML call; None where it has none."""
    try:
        return call(*arguments)
    except pynvml.NVMLError:
        return None


def text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


class Nvml:
    """The GPUs, or the reason why there are none."""

    def __init__(self) -> None:
        self._ready = False
        self._reason = ""
        self._tried = -RETRY_S

    def sample(self) -> dict[str, Any]:
        if not self._ready and time.monotonic() - self._tried >= RETRY_S:
            self._tried = time.monotonic()
            try:
                pynvml.nvmlInit()
                self._ready, self._reason = True, ""
            except pynvml.NVMLError as error:
                self._reason = str(error)
        if not self._ready:
            return {"gpus": [], "reason": self._reason, "driver": ""}
        count = ask(pynvml.nvmlDeviceGetCount) or 0
        gpus = [gpu(index) for index in range(count)]
        return {"gpus": gpus, "reason": "" if gpus else "NVML lists no GPU", "driver": text(ask(pynvml.nvmlSystemGetDriverVersion))}


def gpu(index: int) -> dict[str, Any]:
    """One GPU; a lost one stays listed."""
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    except pynvml.NVMLError as error:
        return {"index": index, "uuid": "", "name": f"GPU {index}: {error}", "lost": True}
    memory = ask(pynvml.nvmlDeviceGetMemoryInfo, handle)
    rates = ask(pynvml.nvmlDeviceGetUtilizationRates, handle)
    draw = ask(pynvml.nvmlDeviceGetPowerUsage, handle)
    limit = ask(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    return {
        "index": index,
        "uuid": text(ask(pynvml.nvmlDeviceGetUUID, handle)),
        "name": text(ask(pynvml.nvmlDeviceGetName, handle)) or f"GPU {index}",
        "memory_total": memory and memory.total,
        "memory_used": memory and memory.used,
        "memory_free": memory and memory.free,
        "utilization": rates and float(rates.gpu),
        "temperature": ask(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
        "power_draw": draw and draw / MILLI,
        "power_limit": limit and limit / MILLI,
        "processes": [process(one) for one in ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle) or ()],
    }


def process(one: Any) -> dict[str, Any]:
    found = {"pid": one.pid, "memory_bytes": one.usedGpuMemory, "name": "", "owner": ""}
    with suppress(psutil.Error):
        running = psutil.Process(one.pid)
        found["name"], found["owner"] = running.name(), running.username()
    return found


def host() -> dict[str, Any]:
    memory = psutil.virtual_memory()
    return {
        "cpu_percent": psutil.cpu_percent(None),
        "cpu_count": psutil.cpu_count() or 0,
        "load_1m": os.getloadavg()[0],
        "memory_total": memory.total,
        "memory_used": memory.used,
        "memory_available": memory.available,
    }


def main() -> None:
    nvml, interval = Nvml(), 1.0
    psutil.cpu_percent(None)
    while True:
        sys.stdout.write(json.dumps({**nvml.sample(), "host": host()}) + "\n")
        sys.stdout.flush()
        readable, _, _ = select.select([sys.stdin], [], [], interval)
        if readable:
            line = sys.stdin.readline()
            if not line:
                return
            interval = float(line)


if __name__ == "__main__":
    main()
