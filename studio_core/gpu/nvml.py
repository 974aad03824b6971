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
# Why clocks are held down, by the driver's bit (nvml.h, nvmlClocksEventReasons). Idleness and a person's own setting are no
# reason to look twice.
THROTTLE = (
    (pynvml.nvmlClocksEventReasonSwPowerCap, "power cap"),
    (pynvml.nvmlClocksEventReasonHwSlowdown, "hardware slowdown"),
    (pynvml.nvmlClocksEventReasonSwThermalSlowdown, "thermal"),
    (pynvml.nvmlClocksEventReasonHwThermalSlowdown, "thermal, hardware"),
    (pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown, "power brake"),
    (pynvml.nvmlClocksEventReasonSyncBoost, "sync boost"),
)
KIB = 1024.0
MIG_MAX = 16


class Nvml:
    """The GPUs, or the reason why there are none. A GPU that was seen once stays listed, as lost when it is."""

    def __init__(self, retry: float = RETRY_S) -> None:
        self._retry = retry
        self._ready = False
        self._reason = ""
        self._tried = -retry
        self._known: dict[str, tuple[int, str]] = {}
        self._traffic: dict[int, dict[str, Any]] = {}
        self._turn = -1

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
        count = pynvml.nvmlDeviceGetCount()
        self._look(count)
        gpus = [self._gpu(index) for index in range(count)]
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
        return {**found, **self._traffic.get(index, {})}

    def _look(self, count: int) -> None:
        """PCIe of one GPU in each sample: of all at once it would hold a machine's eight for a third of a second."""
        if count:
            self._turn = (self._turn + 1) % count
            with suppress(*LOST):
                self._traffic[self._turn] = traffic(self._turn)


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
        "fan": ask(pynvml.nvmlDeviceGetFanSpeed, handle),
        "clock": ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_SM),
        "clock_max": ask(pynvml.nvmlDeviceGetMaxClockInfo, handle, pynvml.NVML_CLOCK_SM),
        "memory_clock": ask(pynvml.nvmlDeviceGetClockInfo, handle, pynvml.NVML_CLOCK_MEM),
        "throttle": _throttle(ask(pynvml.nvmlDeviceGetCurrentClocksEventReasons, handle)),
        "pcie_generation": ask(pynvml.nvmlDeviceGetCurrPcieLinkGeneration, handle),
        "pcie_width": ask(pynvml.nvmlDeviceGetCurrPcieLinkWidth, handle),
        **_slices(handle),
        "processes": _processes(handle),
    }


def traffic(index: int) -> dict[str, Any]:
    """What goes over PCIe now, in bytes a second. The driver watches for 20 ms in each of the two calls."""
    handle = ask(pynvml.nvmlDeviceGetHandleByIndex, index)
    pairs = (("pcie_sent", pynvml.NVML_PCIE_UTIL_TX_BYTES), ("pcie_received", pynvml.NVML_PCIE_UTIL_RX_BYTES))
    found = {name: None if handle is None else ask(pynvml.nvmlDeviceGetPcieThroughput, handle, which) for name, which in pairs}
    return {name: None if value is None else value * KIB for name, value in found.items()}


def _throttle(bits: int | None) -> list[str] | None:
    return None if bits is None else [name for bit, name in THROTTLE if bits & bit]


def _slices(handle: Any) -> dict[str, Any]:
    """Whether the GPU is cut, and its MIG devices."""
    mode = ask(pynvml.nvmlDeviceGetMigMode, handle)
    if mode is None or not mode[0]:
        return {"mig": None if mode is None else False, "slices": []}
    count = min(ask(pynvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0, MIG_MAX)
    found = ((index, ask(pynvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, index)) for index in range(count))
    return {"mig": True, "slices": [_slice(index, part) for index, part in found if part is not None]}


def _slice(index: int, handle: Any) -> dict[str, Any]:
    memory = ask(pynvml.nvmlDeviceGetMemoryInfo, handle)
    return {
        "index": index,
        "uuid": _text(ask(pynvml.nvmlDeviceGetUUID, handle)),
        "name": _text(ask(pynvml.nvmlDeviceGetName, handle)) or f"MIG {index}",
        "memory_total": memory and memory.total,
        "memory_used": memory and memory.used,
        "processes": _processes(handle),
    }


def _processes(handle: Any) -> list[dict[str, Any]]:
    return [_process(one) for one in ask(pynvml.nvmlDeviceGetComputeRunningProcesses, handle) or ()]


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
