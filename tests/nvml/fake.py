"""GPUs that are not there: a real shared library for the real pynvml, answering from a file that tests rewrite."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent / "nvml.c"
GB = 1024**3


def build(folder: Path) -> Path:
    """Compile the library into `folder`; returns the folder."""
    target = folder / "libnvidia-ml.so.1"
    command = ["cc", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-Wl,-soname,libnvidia-ml.so.1"]
    subprocess.run([*command, "-o", str(target), str(SOURCE)], check=True)
    return folder


@dataclass(frozen=True)
class Nvml:
    """The state file, and the environment that makes a process see it. Each `set` is whole or not there for readers."""

    library: Path
    state: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_LIBRARY_PATH": str(self.library), "STUDIO_NVML_STATE": str(self.state)}

    def set(self, *lines: str) -> None:
        fresh = self.state.with_suffix(".new")
        fresh.write_text("\n".join(lines) + "\n", encoding="ascii")
        os.replace(fresh, self.state)


def gpu(index: int, used: int = 2 * GB, processes: str = "") -> list[str]:
    """The lines of a GPU that answers everything."""
    fields = {
        "name": "NVIDIA Test 80GB", "uuid": f"GPU-{index}", "total": 80 * GB, "used": used, "busy": 37, "temperature": 41,
        "power": 123500, "limit": 700000, "fan": 45, "sm": 1410, "sm_max": 1980, "memory_clock": 2619, "reasons": 4,
        "tx": 1200, "rx": 3400, "generation": 5, "width": 16, "mig": 0, "processes": processes,
    }
    return [f"{index}.{name} {value}" for name, value in fields.items()]


def slices(index: int, *profiles: str, total: int = 10 * GB, processes: str = "") -> list[str]:
    """The lines that cut a GPU into MIG devices of these profiles, for example `1g.10gb`."""
    lines = [f"{index}.mig 1", f"{index}.busy !3"]
    for at, profile in enumerate(profiles):
        number = 1000 * (index + 1) + at
        name, uuid = f"NVIDIA Test 80GB MIG {profile}", f"MIG-{index}-{at}"
        fields = {"name": name, "uuid": uuid, "total": total, "used": GB, "processes": processes}
        lines += [f"{number}.{name} {value}" for name, value in fields.items()]
    return lines


def machine(*gpus: list[str]) -> list[str]:
    """The lines of a machine with these GPUs."""
    return ["driver 570.86.10", f"count {len(gpus)}", *(line for one in gpus for line in one)]
