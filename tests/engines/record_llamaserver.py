"""Records how llama.cpp's server starts and fails: `python -m tests.engines.record_llamaserver [NAME...]`.

Of Studio's runner with the package xllamacpp, or of the binary that STUDIO_TEST_LLAMA_SERVER names. Each case is one run by the
command that Studio builds, with more flags behind it, or another model.
"""

from __future__ import annotations

import datetime
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from studio_core.engines.engine import Bench, Command
from studio_core.engines.registry import find
from studio_core.models.fetch import DEMO, fetch
from studio_core.paths import cache_dir
from studio_core.recipes.recipe import parse
from studio_core.settings import load
from tests.engines import llamaserver, recording
from tests.engines.llamaserver import Make
from tests.engines.record_vllm import ended
from tests.engines.vllm_case import taken
from tests.wait import wait_until

PORT, START_S, END_S = 18412, 120.0, 30.0
READY = "listening on http"
# No more than the limit of the address space refuses: what is really asked of the kernel is taken from others.
NARROW = ("/bin/sh", "-c", f'ulimit -v {llamaserver.NARROW_KIB}; exec "$@"', "sh")
LARGE: dict[str, Any] = {"max_model_len": 65536, "extra_args": {"fit": "off"}}
Act = Callable[[subprocess.Popen[bytes], Path], None]


def until_end(process: subprocess.Popen[bytes], log: Path) -> None:
    process.wait(START_S)


def when_ready(number: int) -> Act:
    """A signal as soon as it listens."""
    def act(process: subprocess.Popen[bytes], log: Path) -> None:
        wait_until(lambda: READY in log.read_text("utf-8", "replace") or process.poll() is not None, START_S, READY)
        process.send_signal(number)
        process.wait(END_S)

    return act


@dataclass(frozen=True)
class Case:
    """One recording; `flags` follow Studio's own."""

    name: str
    about: str
    flags: tuple[str, ...] = ()
    make: Make = llamaserver.served
    act: Act = until_end
    port_taken: bool = False
    narrow: bool = False


CASES = (
    Case("good", "ready, then SIGTERM", act=when_ready(signal.SIGTERM)),
    Case("killed", "SIGKILL when ready", act=when_ready(signal.SIGKILL)),
    Case("port_taken", "another process listens on the port", port_taken=True),
    Case("bad_flag", "a flag that it does not have", ("--no-such-flag",)),
    Case("removed_flag", "a flag that it once had", ("--draft-max", "4")),
    Case("bad_value", "text for a whole number", ("--threads", "many")),
    Case("value_missing", "a flag without its value", ("--threads",)),
    Case("missing_file", "the model's file does not exist", make=llamaserver.missing),
    Case("no_gguf", "the model's file is a web page", make=llamaserver.no_gguf),
    Case("cut_head", "the model's file ends in its head", make=llamaserver.headless),
    Case("cut_tensors", "the model's file ends in the middle of its tensors", make=llamaserver.cut),
    Case("unknown_architecture", "the file names an architecture that nobody has", make=llamaserver.of_another_architecture),
    Case("bad_template", "a chat template that cannot be parsed", ("--chat-template", "{% for %}")),
    Case("context_too_large", "a context larger than the memory, by a limit of the address space",
         ("--ctx-size", str(LARGE["max_model_len"]), "--fit", "off"), narrow=True),
)


def record(case: Case, binary: Path | None, source: Path) -> Path:
    """Run one case and store what it said."""
    name, version = llamaserver.package(binary) if binary else ("xllamacpp", metadata.version("xllamacpp"))
    with tempfile.TemporaryDirectory(prefix="record-") as folder, taken(PORT) if case.port_taken else nullcontext():
        scratch = Path(folder)
        built = command(scratch, binary, source)
        model = str(case.make(scratch, source))
        argv = [*(model if word == str(source) else word for word in built.argv), *case.flags]
        began, log = time.monotonic(), scratch / "output"
        with log.open("wb") as output, subprocess.Popen(
            [*(NARROW if case.narrow else ()), *argv], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=scratch,
            env={"PATH": os.environ["PATH"], **built.env},
        ) as process:
            try:
                case.act(process, log)
            finally:
                process.kill()
        head = {
            "engine": "llamacpp", "package": name, "version": version, "date": datetime.date.today().isoformat(),
            "about": case.about, "argv": argv, "exit": ended(process.returncode), "seconds": round(time.monotonic() - began, 1),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, no GPU",
        }
        text = log.read_text("utf-8", "replace")
        return recording.save(f"{name}-{version}", case.name, head, text, places(binary, scratch, source))


def command(scratch: Path, binary: Path | None, source: Path) -> Command:
    """Studio's own for the real model."""
    chosen = {"binary": str(binary)} if binary else {}
    recipe = parse({"id": "one", "backend": "llamacpp", "model_path": str(source), "max_model_len": 512, **chosen})
    return find("llamacpp").command(recipe, Bench("127.0.0.1", PORT, "", scratch, load()))


def places(binary: Path | None, scratch: Path, source: Path) -> dict[str, str]:
    engine = binary.parent if binary else Path(sys.executable).parent
    return {str(source): "MODEL", str(engine): "ENGINE", str(scratch): "SCRATCH", str(Path(sys.base_prefix)): "PYTHON",
            os.environ["HOME"]: "HOME", socket.gethostname(): "HOST"}


def main(names: list[str]) -> int:
    named = os.environ.get(llamaserver.VARIABLE)
    source = fetch(DEMO, cache_dir() / "models", lambda *_: None).absolute()
    for case in CASES:
        if not names or case.name in names:
            path = record(case, llamaserver.found(named) if named else None, source)
            print(f"{case.name}: {path.stat().st_size} bytes", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
