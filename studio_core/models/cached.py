"""Whether a model's files are in the kernel's page cache: a start that reads from memory is not one that reads from disk.

Asked with mincore(2) for pages spread evenly over the weights. Of files that are neither ours nor writable by us the kernel
answers that every page is there (since Linux 5.2), so for them the answer is `warm`.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

WEIGHTS = (".gguf", ".safetensors", ".bin", ".pt")
SAMPLES = 256
# Nearly all of it: a start waits for what is missing.
WARM_SHARE = 0.9
WARM, COLD, UNKNOWN = "warm", "cold", ""


def state(model_path: str) -> str:
    """`warm`, `cold`, or nothing where there are no local files (a hub id). Reads no page of the model."""
    try:
        sizes = {path: path.stat().st_size for path in _files(Path(model_path).expanduser())}
        total = sum(sizes.values())
        found = [one for path, size in sizes.items() if size for one in _resident(path, size, max(1, SAMPLES * size // total))]
    except OSError:
        return UNKNOWN
    if not found:
        return UNKNOWN
    return WARM if sum(found) >= WARM_SHARE * len(found) else COLD


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (one for one in path.iterdir() if one.suffix in WEIGHTS and one.is_file())
    elif path.is_file():
        yield path


def _resident(path: Path, size: int, samples: int) -> list[bool]:
    """For pages evenly spread over a file, whether each is in memory. A shared map that is only read costs no memory."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    with path.open("rb") as file:
        base = libc.mmap(None, ctypes.c_size_t(size), mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), ctypes.c_long(0))
    if base is None or base == ctypes.c_void_p(-1).value:
        raise _error(path)
    pages, vector, found = -(-size // mmap.PAGESIZE), ctypes.c_ubyte(), []
    count = min(samples, pages)
    try:
        for number in range(count):
            address = ctypes.c_void_p(base + number * pages // count * mmap.PAGESIZE)
            if libc.mincore(address, ctypes.c_size_t(1), ctypes.byref(vector)):
                raise _error(path)
            found.append(bool(vector.value & 1))
    finally:
        libc.munmap(ctypes.c_void_p(base), ctypes.c_size_t(size))
    return found


def _error(path: Path) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), str(path))
