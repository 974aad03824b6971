"""NVML, asked through the probe: it can hang or crash, and then only that process does."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from studio_core.doctor.finding import FAIL, OK, WARN, Finding
from studio_core.doctor.subject import Subject
from studio_core.paths import daemon_environment

# The first answer of a driver that was unloaded takes seconds.
PROBE_S = 10.0
END_S = 1.0
DRIVER = "install NVIDIA's driver, or see dmesg; without a GPU llama.cpp runs on the CPU"


def nvml(subject: Subject) -> Iterator[Finding]:
    sample, code = _sample()
    if sample is None and code is None:
        yield Finding("gpu", FAIL, f"NVML does not answer within {PROBE_S:.0f} s", "the driver hangs", "see dmesg; reboot")
        return
    if sample is None:
        yield Finding("gpu", FAIL, f"NVML ends who asks it (exit code {code})", "library and driver do not fit", "see dmesg")
        return
    if not sample["gpus"]:
        yield Finding("gpu", WARN, f"no GPU: {sample['reason']}", "models run on the CPU", DRIVER)
    for gpu in sample["gpus"]:
        if gpu.get("lost"):
            yield Finding("gpu", FAIL, f"GPU {gpu['index']} is lost", gpu["name"], "see dmesg for Xid lines; reset or reboot")
        else:
            yield Finding("gpu", OK, f"GPU {gpu['index']}: {gpu['name']}, driver {sample['driver']}")


def _sample() -> tuple[dict[str, Any] | None, int | None]:
    """The first sample that the driver itself answered, or the probe's exit code; both None when it hangs."""
    argv = [sys.executable, "-m", "studio_core.gpu.probe"]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=daemon_environment()
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        for line in _lines(process.stdout.fileno(), time.monotonic() + PROBE_S):
            sample: dict[str, Any] = json.loads(line)
            if sample["age_s"] == 0.0:
                return sample, None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return None, process.wait(END_S)
        return None, None
    finally:
        process.stdin.close()
        process.stdout.close()
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            # Who hangs in the kernel dies when the kernel lets it; we do not wait for that.
            process.wait(END_S)


def _lines(handle: int, deadline: float) -> Iterator[bytes]:
    """Whole lines as they come, until the end or the deadline."""
    rest = b""
    while (left := deadline - time.monotonic()) > 0 and select.select([handle], [], [], left)[0]:
        data = os.read(handle, 65536)
        if not data:
            return
        *lines, rest = (rest + data).split(b"\n")
        yield from lines
