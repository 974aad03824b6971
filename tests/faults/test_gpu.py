"""The probe and its watch with a real NVML library that fails in every way that drivers do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path
from typing import IO, Any

import pytest

from studio_core import wire
from studio_core.gpu import watch as watches
from studio_core.gpu.watch import GpuWatch
from studio_core.paths import Places
from studio_core.settings import load
from studio_core.supervisor import identity
from tests.nvml.fake import GB, Nvml, build, gpu, machine, slices
from tests.wait import eventually, wait_until


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def nvml(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nvml:
    """Two healthy GPUs, seen by every process that is started from now on."""
    found = Nvml(library, tmp_path / "nvml.state")
    found.set(*machine(gpu(0, processes=f"{os.getpid()}:{GB}"), gpu(1)))
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


@contextmanager
def probe() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """A running probe: its stdin and stdout."""
    argv = [sys.executable, "-m", "studio_core.gpu.probe"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None and process.stdout is not None
        yield process.stdin, process.stdout
        process.stdin.close()
        assert process.wait(60) == 0, "the end of stdin is its end"


def next_sample(stdin: IO[bytes], stdout: IO[bytes]) -> dict[str, Any]:
    stdin.write(b"60\n")
    found: dict[str, Any] = json.loads(stdout.readline())
    return found


def test_every_field_of_a_healthy_machine(nvml: Nvml) -> None:
    with probe() as (_, stdout):
        sample = json.loads(stdout.readline())
    assert (sample["driver"], sample["reason"], len(sample["gpus"])) == ("570.86.10", "", 2)
    first = sample["gpus"][0]
    assert first | {"processes": None} == {
        "index": 0, "uuid": "GPU-0", "name": "NVIDIA Test 80GB", "memory_total": 80 * GB, "memory_used": 2 * GB,
        "memory_free": 78 * GB, "utilization": 37.0, "temperature": 41, "power_draw": 123.5, "power_limit": 700.0,
        "fan": 45, "clock": 1410, "clock_max": 1980, "memory_clock": 2619, "throttle": ["power cap"],
        "pcie_generation": 5, "pcie_width": 16, "mig": False, "slices": [], "processes": None,
        "pcie_sent": 1200 * 1024, "pcie_received": 3400 * 1024,
    }
    assert "pcie_sent" not in sample["gpus"][1], "of one GPU in each sample"
    assert first["processes"][0]["pid"] == os.getpid() and first["processes"][0]["memory_bytes"] == GB
    assert first["processes"][0]["name"] and first["processes"][0]["owner"]
    assert sample["host"]["memory_total"] > 0 and sample["host"]["cpu_count"] > 0


FIELDS = {
    "total": "memory_total", "used": "memory_used", "busy": "utilization", "temperature": "temperature", "power": "power_draw",
    "limit": "power_limit", "fan": "fan", "sm": "clock", "sm_max": "clock_max", "memory_clock": "memory_clock",
    "reasons": "throttle", "generation": "pcie_generation", "width": "pcie_width", "mig": "mig",
}


@pytest.mark.parametrize("error", [3, 4, 13, 999])
def test_a_field_that_is_not_given_is_null_and_hides_no_other(nvml: Nvml, error: int) -> None:
    with probe() as (stdin, stdout):
        stdout.readline()
        for missing, name in FIELDS.items():
            lines = [f"0.{missing} !{error}" if line.startswith(f"0.{missing} ") else line for line in gpu(0)]
            nvml.set(*machine(lines))
            found = next_sample(stdin, stdout)["gpus"][0]
            assert found[name] is None
            others = set(FIELDS.values()) - {name} - ({"memory_total", "memory_used"} if "memory" in name else set())
            assert all(found[other] is not None for other in others)


def test_a_zero_is_a_zero_and_a_process_without_memory_has_none(nvml: Nvml) -> None:
    zeros = [f"0.{field} 0" for field in FIELDS]
    nvml.set(*machine(["0.name x", "0.uuid GPU-0", *zeros, f"0.processes {os.getpid()}"]))
    with probe() as (_, stdout):
        found = json.loads(stdout.readline())["gpus"][0]
    assert {name: found[name] for name in FIELDS.values()} == dict.fromkeys(FIELDS.values(), 0) | {"throttle": []}
    assert found["processes"][0]["memory_bytes"] is None


@pytest.mark.parametrize("how", [["1.handle !15"], ["1.error 15"], ["1.error 16"], ["1.temperature !15"]])
def test_a_lost_gpu_stays_listed_and_the_other_works(nvml: Nvml, how: list[str]) -> None:
    with probe() as (stdin, stdout):
        stdout.readline()
        nvml.set(*how, *machine(gpu(0), gpu(1)))
        first, second = next_sample(stdin, stdout)["gpus"]
        assert first["temperature"] == 41 and not first.get("lost")
        assert second == {"index": 1, "uuid": "GPU-1", "name": "NVIDIA Test 80GB", "lost": True}
        nvml.set(*machine(gpu(0)))
        assert next_sample(stdin, stdout)["gpus"][1]["lost"], "also when the driver does not list it any more"
        nvml.set(*machine(gpu(0), gpu(1)))
        assert next_sample(stdin, stdout)["gpus"][1]["temperature"] == 41, "and it comes back"


def test_the_parts_of_a_cut_gpu_are_named_with_who_is_in_them(nvml: Nvml) -> None:
    nvml.set(*slices(0, "1g.10gb", "3g.40gb", processes=f"{os.getpid()}:{GB}"), *machine(gpu(0), gpu(1)))
    with probe() as (_, stdout):
        cut, whole = json.loads(stdout.readline())["gpus"]
    assert cut["mig"] is True and cut["utilization"] is None and whole["mig"] is False
    assert [part["name"] for part in cut["slices"]] == ["NVIDIA Test 80GB MIG 1g.10gb", "NVIDIA Test 80GB MIG 3g.40gb"]
    part = cut["slices"][1]
    assert (part["index"], part["uuid"], part["memory_total"], part["memory_used"]) == (1, "MIG-0-1", 10 * GB, GB)
    assert part["processes"][0]["pid"] == os.getpid()


def test_a_driver_of_another_version_is_said(nvml: Nvml) -> None:
    nvml.set("init !18")
    with probe() as (stdin, stdout):
        sample = json.loads(stdout.readline())
        assert sample["gpus"] == [] and "mismatch" in sample["reason"]
        assert next_sample(stdin, stdout)["host"]["memory_total"] > 0


@pytest.mark.skipif(find_library("nvidia-ml") is not None, reason="this machine has NVML")
def test_without_the_library_the_reason_is_said_and_the_host_is_measured() -> None:
    with probe() as (_, stdout):
        sample = json.loads(stdout.readline())
    assert sample["gpus"] == [] and "Not Found" in sample["reason"]
    assert sample["host"]["memory_available"] > 0


# The watch: the same from the controller's side.


class Seen:
    """A running watch and the samples it told of."""

    def __init__(self, places: Places) -> None:
        settings = load({"data_dir": str(places.root), "sample_s": 0.05}, environ={})
        self.samples: list[wire.Gpus] = []
        self.watch = GpuWatch(settings, places, self.samples.append, lambda pid: "one-1" if pid == os.getpid() else None)

    @property
    def pid(self) -> int:
        return self.watch.daemon.pid or 0

    async def fresh(self) -> wire.Gpus:
        """The next sample."""
        count = len(self.samples)
        self.watch.look()
        await eventually(lambda: len(self.samples) > count)
        return self.samples[-1]


@pytest.fixture
async def seen(nvml: Nvml, places: Places, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Seen]:
    for name, value in {"HANG_S": 0.6, "GIVE_UP_S": 1.0, "RESTART_S": 0.05, "RESTART_MAX_S": 0.2, "KILL_S": 0.1}.items():
        monkeypatch.setattr(watches, name, value)
    one = Seen(places)
    one.watch.look()
    await one.watch.start()
    await eventually(lambda: one.samples and one.samples[-1].gpus, what="the first answer")
    yield one
    await one.watch.stop()
    assert identity.ticks(one.pid) is None


async def test_a_sample_has_megabytes_and_owners(seen: Seen) -> None:
    found = await seen.fresh()
    assert (found.count, found.reason) == (2, "")
    assert (found.gpus[0].memory_total_mb, found.gpus[0].memory_used_mb) == (80 * 1024.0, 2 * 1024.0)
    assert found.gpus[0].processes[0].instance_id == "one-1"
    assert (seen.watch.latest().age_s or 0.0) < 1.0


async def test_memory_is_back_only_when_a_fresh_sample_says_so(seen: Seen, nvml: Nvml) -> None:
    mine = frozenset({os.getpid()})
    assert seen.watch.held(mine)
    await eventually(lambda: not seen.watch.held(frozenset({1})), what="a fresh sample, without process 1")
    await seen.fresh()
    assert seen.watch.held(mine)
    nvml.set(*machine(gpu(0), gpu(1)))
    await eventually(lambda: not seen.watch.held(mine), what="the driver counts no memory for it any more")


async def test_a_driver_that_hangs_is_said_and_asked_anew(seen: Seen, nvml: Nvml) -> None:
    first = seen.pid
    nvml.set("nvmlDeviceGetMemoryInfo sleep", *machine(gpu(0), gpu(1)))
    await eventually(lambda: "driver" in seen.samples[-1].reason, what="the mark")
    assert len(seen.samples[-1].gpus) == 2, "the old figures stay, marked"
    assert seen.watch.held(frozenset({1})), "what is not known to be free is held"
    assert (await seen.fresh()).host.memory_total, "the host is measured all the while"
    await eventually(lambda: seen.pid != first, what="another probe")
    assert identity.ticks(first) is None
    nvml.set(*machine(gpu(0), gpu(1)))
    await eventually(lambda: not seen.samples[-1].reason and len(seen.samples[-1].gpus) == 2, what="figures again")


async def test_no_more_than_two_probes_are_left_stuck_in_the_driver(
    seen: Seen, nvml: Nvml, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process that hangs in the kernel does not die of SIGKILL. A stopped one does not die of what stops it.
    monkeypatch.setattr(watches, "KILL", signal.SIGSTOP)
    nvml.set("nvmlDeviceGetMemoryInfo sleep", *machine(gpu(0), gpu(1)))
    pids = {seen.pid}

    def count() -> int:
        pids.add(seen.pid)
        return len(pids)

    await eventually(lambda: count() == 3, what="two left behind, a third one tries")
    before = len(seen.samples)
    await eventually(lambda: count() and len(seen.samples) > before + 5, what="more than GIVE_UP_S of hanging samples")
    assert count() == 3, "it stays"
    assert seen.samples[-1].host.memory_total, "and measures the host"
    monkeypatch.setattr(watches, "KILL", signal.SIGKILL)
    left = pids - {seen.pid}
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: not any(identity.ticks(pid) for pid in left), what="they are reaped")


@pytest.mark.parametrize("blow", ["abort", "kill", "stop"])
async def test_a_dead_probe_is_replaced(seen: Seen, nvml: Nvml, blow: str) -> None:
    first = seen.pid
    if blow == "abort":
        nvml.set("nvmlDeviceGetPowerUsage abort", *machine(gpu(0)))
        await eventually(lambda: seen.pid != first)
        nvml.set(*machine(gpu(0)))
    else:
        os.kill(first, {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}[blow])
    await eventually(lambda: seen.pid != first and not seen.samples[-1].reason)
    assert identity.ticks(first) is None
    assert any("started again" in sample.reason for sample in seen.samples)


async def test_without_a_look_it_samples_rarely_and_a_look_wakes_it(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "LOOK_S", 0.0)
    await eventually(lambda: seen.watch._interval == watches.IDLE_S)
    monkeypatch.setattr(watches, "LOOK_S", 15.0)
    await seen.fresh()
    assert seen.watch._interval == 0.05


def test_the_probe_ends_with_its_parent(nvml: Nvml, tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "argv = [sys.executable, '-m', 'studio_core.gpu.probe']\n"
        "child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        ticks = identity.ticks(pid) or 0
        parent.kill()
    wait_until(lambda: not identity.alive(pid, ticks), what="the probe ends")
