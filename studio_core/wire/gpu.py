"""GPUs and the host, as the probe sees them. A field that nobody gives is None, never 0."""

from __future__ import annotations

import msgspec

from studio_core.wire.model import Model


class GpuProcess(Model):
    """A process that holds memory of a GPU. `instance_id` is set when it belongs to an engine of Studio's."""

    pid: int
    memory_bytes: int | None = None
    name: str = ""
    owner: str = ""
    instance_id: str | None = None


class GpuSlice(Model):
    """A MIG device: a part of a GPU with memory and processes of its own."""

    index: int
    uuid: str
    name: str
    memory_total: int | None = None
    memory_used: int | None = None
    processes: list[GpuProcess] = []


class Gpu(Model):
    """One GPU. Memory in bytes, and in MB, as vLLM Studio's clients want; clocks in MHz, power in W, PCIe in bytes a second.

    `throttle` says why its clocks are held down (empty: they are not; None: the driver does not tell). `mig` is None where
    the GPU cannot be cut; where it is, its figures of use are None and those of its `slices` hold.
    """

    index: int
    uuid: str
    name: str
    memory_total: int | None = None
    memory_used: int | None = None
    memory_free: int | None = None
    memory_total_mb: float | None = None
    memory_used_mb: float | None = None
    utilization: float | None = None
    temperature: float | None = None
    power_draw: float | None = None
    power_limit: float | None = None
    fan: float | None = None
    clock: float | None = None
    clock_max: float | None = None
    memory_clock: float | None = None
    throttle: list[str] | None = None
    pcie_sent: float | None = None
    pcie_received: float | None = None
    pcie_generation: int | None = None
    pcie_width: int | None = None
    mig: bool | None = None
    slices: list[GpuSlice] = []
    lost: bool = False
    processes: list[GpuProcess] = []


class Host(Model):
    """The machine's processor and memory. `cpu_percent` is 0 to 100 over all cores.

    `cores` is the same of each core; empty where there are GPUs, beside which nobody asks for it.
    """

    cpu_percent: float | None = None
    cpu_count: int = 0
    load_1m: float | None = None
    memory_total: int | None = None
    memory_used: int | None = None
    memory_available: int | None = None
    cores: list[float] = []


class Gpus(Model):
    """GET /gpus. `reason` says why there is none, and is empty otherwise."""

    gpus: list[Gpu] = []
    count: int = 0
    reason: str = ""
    driver: str = ""
    host: Host = msgspec.field(default_factory=Host)
    age_s: float | None = None
