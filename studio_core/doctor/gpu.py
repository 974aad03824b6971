"""NVML, asked through the probe: it can hang or crash, and then only that process does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from studio_core.doctor.finding import FAIL, OK, WARN, Finding
from studio_core.doctor.subject import Subject
from studio_core.paths import daemon_environment

PROBE_S = 10.0
DRIVER = "install NVIDIA's driver, or see dmesg; without a GPU llama.cpp runs on the CPU"


def nvml(subject: Subject) -> Iterator[Finding]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "studio_core.gpu.probe"], input="", capture_output=True, text=True, timeout=PROBE_S,
            check=False, env=daemon_environment(),
        )
    except subprocess.TimeoutExpired:
        yield Finding("gpu", FAIL, f"NVML does not answer within {PROBE_S:.0f} s", "the driver hangs", "see dmesg; reboot")
        return
    if done.returncode != 0 or not done.stdout:
        yield Finding("gpu", FAIL, f"the GPU probe ended with {done.returncode}", done.stderr.strip()[-200:], "see dmesg")
        return
    sample = json.loads(done.stdout.splitlines()[0])
    if not sample["gpus"]:
        yield Finding("gpu", WARN, f"no GPU: {sample['reason']}", "models run on the CPU", DRIVER)
    for gpu in sample["gpus"]:
        if gpu.get("lost"):
            yield Finding("gpu", FAIL, f"GPU {gpu['index']} is lost", gpu["name"], "see dmesg for Xid lines; reset or reboot")
        else:
            yield Finding("gpu", OK, f"GPU {gpu['index']}: {gpu['name']}, driver {sample['driver']}")
