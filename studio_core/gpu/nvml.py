"""What NVML says of the GPUs. Each field is asked alone, so one that fails hides no other."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil
import pynvml

# How often a missing or broken NVML is tried again.
RETRY_S = 30.0
MILLI = 1000.0
# The GPU itself is gone ("fell off the bus", "needs a reset"), not only this field (nvml.h, nvmlReturn_t).
LOST = (pynvml.NVMLError_GpuIsLost, pynvml.NVMLError_ResetRequired)


class Nvml:
    """The GPUs, or the reason why there are none. A GPU that was seen once stays listed, as lost when it is."""

    def __init__(self, retry: float = RETRY_S) -> None:
        self._retry = retry
        self._ready = False
        self._reason = ""
        self._tried = -retry
        self._known: dict[str, tuple[int, str]] = {}

    def sample(self) -> dict[str, Any]:
        """The fields `gpus`, `reason` and `driver` of `wire.Gpus`."""
        try:
            self._open()
            if self._ready:
                return self._read()
        except pynvml.NVMLError as error:
            self._reason = str(error)
            self._close()
        return {"gpus": [], "reason": self._reason, "driver": ""}

    def _open(self) -> None:
        if self._ready or time.monotonic() - self._tried < self._retry:
            return
        self._tried = time.monotonic()
        pynvml.nvmlInit()
        self._ready = True

    def _close(self) -> None:
        if self._ready:
            self._ready = False
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _read(self) -> dict[str, Any]:
        gpus = [self._gpu(index) for index in range(pynvml.nvmlDeviceGetCount())]
        listed = {gpu["uuid"] for gpu in gpus}
        gpus += [_lost(index, uuid, name) for uuid, (index, name) in self._known.items() if uuid not in listed]
        reason = "" if gpus else "NVML lists no GPU"
        return {"gpus": gpus, "reason": reason, "driver": _text(ask(pynvml.nvmlSystemGetDriverVersion))}

    def _gpu(self, index: int) -> dict[str, Any]:
        try:
            found = _fields(index)
        except LOST:
            uuid, name = next(((uuid, name) for uuid, (at, name) in self._known.items() if at == index), ("", f"GPU {index}"))
            return _lost(index, uuid, name)
        if found["uuid"]:
            self._known[found["uuid"]] = (index, found["name"])
        return found


def ask(call: Callable[..., Any], *arguments: Any) -> Any:
    """The answer of one NVML call; None where it has none. Raises only that the GPU is lost."""
    try:
        return call(*arguments)
    except LOST:
        raise
    except pynvml.NVMLError:
        return None


def _fields(index: int) -> dict[str, Any]:
    handle = ask(pynvml.nvmlDeviceGetHandleByIndex, index)
    if handle is None:
        return {"index": index, "uuid": "", "name": f"GPU {index}"}
    memory = ask(pynvml.nvmlDeviceGetMemoryInfo, handle)
    rates = ask(pynvml.nvmlDeviceGetUtilizationRates, handle)
    draw = ask(pynvml.nvmlDeviceGetPowerUsage, handle)
    limit = ask(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    return {
        "index": index,
        "uuid": _text(ask(pynvml.nvmlDeviceGetUUID, handle)),
        "name": _text(ask(pynvml.nvmlDeviceGetName, handle)) or f"GPU {index}",
        "memory_total": memory and memory.total,
        "memory_used": memory and memory.used,
        "memory_free": memory and memory.free,
        "utilization": rates and float(rates.gpu),
        "temperature": ask(pynvml.nvmlDeviceGetTemperature, handle, pynvml.NVML_TEMPERATURE_GPU),
        "power_draw": draw and draw / MILLI,
        "power_limit": limit and limit / MILLI,
        "processes": [_process(one) for one in ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle) or ()],
    }


def _lost(index: int, uuid: str, name: str) -> dict[str, Any]:
    return {"index": index, "uuid": uuid, "name": name, "lost": True}


def _process(one: Any) -> dict[str, Any]:
    found = {"pid": one.pid, "memory_bytes": one.usedGpuMemory, "name": "", "owner": ""}
    with suppress(psutil.Error):
        running = psutil.Process(one.pid)
        found["name"], found["owner"] = running.name(), running.username()
    return found


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
