"""A small disk of its own for a state directory, and what fills it."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(folder: Path, size: int) -> Iterator[Path]:
    """A tmpfs of `size` bytes at `folder`, 0700. The test is skipped where nothing can be mounted."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    """Take every byte that is left on the disk of `folder`; returns the file that has them."""
    filler = folder / f"filler-{secrets.token_hex(4)}"
    handle = os.open(filler, os.O_WRONLY | os.O_CREAT)
    size = 65536
    while size:
        try:
            os.write(handle, b"x" * size)
        except OSError as error:
            assert error.errno == errno.ENOSPC
            size //= 2
    os.close(handle)
    return filler


def free(folder: Path) -> None:
    """Give back all that `fill` took."""
    for filler in folder.glob("filler-*"):
        filler.unlink()
