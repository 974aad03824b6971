"""The C tools of `c/`: a stub of an engine and a load client, fast enough not to be what is measured."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from studio_core import paths
from studio_core.errors import Unavailable

SOURCES = Path(__file__).parent / "c"
COMPILE = ("cc", "-O2", "-Wall", "-Wextra")


def build(name: str) -> Path:
    """The program `sse_stub` or `sse_load`, compiled into the cache folder when its source is newer.

    Raises:
        Unavailable: no C compiler, or it refuses.
    """
    source, target = SOURCES / f"{name}.c", paths.cache_dir() / "bench" / name
    newest = max(path.stat().st_mtime for path in (source, SOURCES / "mini.h"))
    if target.exists() and target.stat().st_mtime > newest:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        fresh = Path(folder) / name
        try:
            subprocess.run([*COMPILE, "-o", str(fresh), str(source)], check=True, capture_output=True, text=True)
        except FileNotFoundError as error:
            raise Unavailable("no C compiler found", f"`{COMPILE[0]}` is not on PATH", "install gcc and libc6-dev") from error
        except subprocess.CalledProcessError as error:
            raise Unavailable(f"{name} does not compile", error.stderr[-500:]) from error
        os.replace(fresh, target)
    return target
