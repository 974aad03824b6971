"""The dashboard beside nvitop, htop and a minimal Textual app: processor, bytes, memory, first figures, first key.

Eight GPUs and twenty processes whose figures change every second, from the tests' NVML library, in terminals of 120 by 40
cells; every program in its turn on the same machine. What the app shows is checked against what the library says.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

from studio_core.bench.figure import Row
from studio_core.bench.launch import scripted
from studio_core.bench.paint import LABEL, MINIMAL
from studio_core.bench.premises import Premises, premises
from studio_core.bench.screen import Steady, steady, text
from studio_core.bench.terminal import Terminal
from studio_core.errors import StudioError, Unavailable
from studio_core.gpu.watch import LOOK_S
from studio_core.paths import cache_dir

NVML = Path(__file__).parents[2] / "tests" / "nvml" / "nvml.c"
GB = 1024**3
GPUS, PROCESSES = 8, 20
SECONDS, SETTLE_S, ROUNDS, STARTS = 10.0, 5.0, 3, 5
# Idle is what is left when nobody has looked at the dashboard for longer than the probe samples fast.
IDLE_S, IDLE_SETTLE_S = 20.0, LOOK_S + 5.0
MB = 1e6
AIM_CPU, AIM_BYTES, AIM_IDLE, AIM_FIRST, AIM_KEY = 1.0, 2000.0, 0.2, 0.6, 1.3
# Textual asks for synchronised output when it takes over; before that only the first frame is there.
TAKES_OVER = b"\x1b[?2026$p"
# What the app answers to the key that asks how far back the graphs go.
KEY, ANSWER = "h", "histories of the last"


def measure() -> Iterator[Row]:
    """Medians of ROUNDS interleaved rounds of SECONDS, and of STARTS starts."""
    from studio_core.bench import hour

    with machine() as pids, premises() as home:
        _model(home)
        environment = {**os.environ, **home.names}
        yield from _rows([(_app(environment, pids), _nvitop(environment)) for _ in range(ROUNDS)])
        others = {
            "htop": _other([found], environment, "Load") if (found := shutil.which("htop")) else None,
            "a minimal Textual app": _other([sys.executable, "-c", MINIMAL], environment, LABEL),
        }
        yield from _beside(others)
        yield from _idle_rows(_idle(home))
        yield from _starts(home)
    yield from hour.rows()


@contextlib.contextmanager
def machine() -> Iterator[list[int]]:
    """The library, its state, and processes that hold memory; the environment leads everything that is started to them."""
    if not NVML.exists():
        raise Unavailable("the tests' NVML library is not part of this installation", "", "measure in a checkout")
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        target = folder / "libnvidia-ml.so.1"
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", f"-Wl,-soname,{target.name}", "-o", target, NVML], check=True)
        held = [subprocess.Popen(["sleep", "100000"]) for _ in range(PROCESSES)]
        for one in held:
            stack.callback(one.wait)
            stack.callback(one.kill)
        pids = [one.pid for one in held]
        (folder / "state").write_text("\n".join(state(pids)) + "\n", encoding="ascii")
        old = {key: os.environ.get(key) for key in ("LD_LIBRARY_PATH", "STUDIO_NVML_STATE")}
        os.environ.update({"LD_LIBRARY_PATH": name, "STUDIO_NVML_STATE": str(folder / "state")})
        try:
            yield pids
        finally:
            for key, value in old.items():
                os.environ.pop(key, None) if value is None else os.environ.update({key: value})


def state(pids: Sequence[int]) -> list[str]:
    """Lines of the library's state: every figure that moves on a real machine moves every second."""
    lines = ["driver 570.86.10", f"count {GPUS}"]
    for index in range(GPUS):
        mine = " ".join(f"{pid}:~{(at + 1) * GB}:{(at + 2) * GB}" for at, pid in enumerate(pids) if at % GPUS == index)
        fields = {
            "name": "NVIDIA H100 80GB HBM3", "uuid": f"GPU-{index}", "total": 80 * GB, "used": f"~{20 * GB}:{70 * GB}",
            "busy": "~5:100", "temperature": "~55:75", "power": "~200000:690000", "limit": 700000, "sm": "~1200:1980",
            "sm_max": 1980, "memory_clock": 2619, "reasons": 0, "fan": "~30:60", "tx": "~100:90000", "rx": "~100:90000",
            "generation": 5, "width": 16, "mig": 0, "processes": mine,
        }
        lines += [f"{index}.{name} {value}" for name, value in fields.items()]
    return lines


def _model(home: Premises) -> None:
    with tempfile.TemporaryDirectory() as folder:
        recipe = scripted(Path(folder))
        home.client.put_recipe(recipe)
        home.launch(recipe["id"])


def _app(environment: dict[str, str], pids: Sequence[int]) -> Steady:
    with Terminal(studio(), environment) as terminal:
        is_up(terminal)
        app = steady(terminal, SECONDS, SETTLE_S)
        _check(text(terminal), pids)
        return app


def _nvitop(environment: dict[str, str]) -> Steady | None:
    program = nvitop()
    return _other([str(program)], environment, "H100") if program else None


def is_up(terminal: Terminal) -> None:
    """Wait until the app itself shows the dashboard."""
    terminal.wait_for(TAKES_OVER, 60.0)
    terminal.wait_for("REQUESTS", 60.0, terminal.output.find(TAKES_OVER))


def _other(argv: Sequence[str], environment: dict[str, str], mark: str = "") -> Steady:
    with Terminal(argv, environment) as terminal:
        terminal.wait_for(mark, 60.0)
        return steady(terminal, SECONDS, SETTLE_S)


def _check(lines: Sequence[str], pids: Sequence[int]) -> None:
    """Raises StudioError when the screen does not tell of every GPU and process."""
    shown = "\n".join(lines)
    gpus = re.findall(r"^ (\d) H100 .* (\d+) % .* [\d.]+/80.0 GiB +(\d+) °C +(\d+) W", shown, re.MULTILINE)
    missing = [pid for pid in pids if f" {pid} " not in shown]
    if len(gpus) != GPUS or missing:
        raise StudioError("the dashboard does not show it all", f"{len(gpus)} GPUs, without {missing}", shown)


def _idle(home: Premises) -> Steady:
    """The usage screen, with nothing happening; it is left on the dashboard, on which the next one opens."""
    with Terminal(studio(), {**os.environ, **home.names}) as terminal:
        is_up(terminal)
        terminal.send("5")
        found = steady(terminal, IDLE_S, IDLE_SETTLE_S)
        if "All requests" not in "\n".join(text(terminal)):
            raise StudioError("the usage is not shown", "", "\n".join(text(terminal)))
        start = terminal.received
        terminal.send("1")
        terminal.wait_for("GPU USE", 30.0, start)
        terminal.send("q")
        terminal.process.wait(30.0)
        return found


def _starts(home: Premises) -> Iterator[Row]:
    """From exec to the first paint of a label, to the first real figure, and to the answer to a key."""
    environment = {**os.environ, **home.names}
    minimal, first, key = [], [], []
    for _ in range(STARTS + 1):
        with Terminal([sys.executable, "-c", MINIMAL], environment) as terminal:
            minimal.append(terminal.wait_for(LABEL, 60.0))
        with Terminal(studio(), environment) as terminal:
            first.append(terminal.wait_for("/80.0 GiB", 60.0))
            terminal.send(KEY)
            key.append(terminal.wait_for(ANSWER, 60.0))
    # A first round fills caches.
    base, figures, answer = (median(values[1:]) for values in (minimal, first, key))
    yield Row("dashboard: first real figures over a minimal app's paint", figures / base, "times", AIM_FIRST,
              f"{figures * 1000:.0f} ms over {base * 1000:.0f} ms")
    yield Row("dashboard: answers a key, over the same", answer / base, "times", AIM_KEY, f"{answer * 1000:.0f} ms")


def _rows(rounds: Sequence[tuple[Steady, Steady | None]]) -> Iterator[Row]:
    apps, peers = [app for app, _ in rounds], [peer for _, peer in rounds if peer is not None]
    app = _median(apps)
    yield Row("dashboard: processor", app.cpu, "% of a core", AIM_CPU, f"{GPUS} GPUs, {PROCESSES} processes, 1 Hz, one model")
    yield Row("dashboard: bytes", app.bytes_s, "B/s", AIM_BYTES, f"{app.reads_s:.1f} reads/s, RSS {app.rss / MB:.0f} MB")
    if peers:
        peer = _median(peers)
        yield _row("nvitop", peer)
        yield Row("dashboard: processor over nvitop's", app.cpu / peer.cpu, "times", 1.0, f"{ROUNDS} interleaved rounds")


def _median(found: Sequence[Steady]) -> Steady:
    cpu, sent, reads = (median(getattr(one, name) for one in found) for name in ("cpu", "bytes_s", "reads_s"))
    return Steady(cpu, sent, reads, max(one.rss for one in found))


def _beside(others: Mapping[str, Steady | None]) -> Iterator[Row]:
    return (_row(name, one) for name, one in others.items() if one is not None)


def _row(name: str, one: Steady) -> Row:
    return Row(f"beside: {name}", one.cpu, "% of a core", None, f"{one.bytes_s:.0f} B/s, RSS {one.rss / MB:.0f} MB")


def _idle_rows(idle: Steady) -> Iterator[Row]:
    yield Row("idle: processor", idle.cpu, "% of a core", AIM_IDLE, f"usage shown, nothing happens, {IDLE_S:.0f} s")
    yield Row("idle: bytes", idle.bytes_s, "B/s", 0.0)


def studio() -> list[str]:
    script = shutil.which("studio", path=str(Path(sys.executable).parent))
    return [script] if script else [sys.executable, "-m", "studio_core"]


def nvitop() -> Path | None:
    """nvitop in an environment of its own, installed when it is first wanted; None where that cannot be."""
    folder = cache_dir() / "bench" / "nvitop"
    program = folder / "bin" / "nvitop"
    if not program.exists():
        venv.create(folder, with_pip=importlib.util.find_spec("ensurepip") is not None)
        done = subprocess.run([folder / "bin" / "pip", "install", "-q", "nvitop"], check=False, capture_output=True)
        if done.returncode:
            return None
    return program
