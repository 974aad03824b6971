"""Bodies of requests that wait: a shared budget of memory, then a file without a name, then no more."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO

from studio_core import room
from studio_core.errors import Unavailable
from studio_core.gateway.request import Request

MEMORY_BYTES = 256 * 1024 * 1024
FILE_BYTES = 4 * 1024 * 1024 * 1024


class Cloakroom:
    """Takes a body while its request waits. `folder` is on the disk that the files may use."""

    def __init__(self, folder: Path, memory: int = MEMORY_BYTES, files: int = FILE_BYTES) -> None:
        self.held = self.filed = 0
        self._folder = folder
        self._memory = memory
        self._files = files

    @contextlib.asynccontextmanager
    async def keep(self, request: Request) -> AsyncIterator[Callable[[], bytes]]:
        """While the block runs the body is here; the yielded function gives it back.

        Raises:
            DiskFull, Unavailable: neither memory nor disk has room for it.
        """
        size, data = len(request.body), request.body
        if self.held + size <= self._memory:
            self.held += size
            try:
                yield lambda: data
            finally:
                self.held -= size
            return
        if self.filed + size > self._files:
            total = self.held + self.filed
            raise Unavailable("too much is waiting for a model", f"{total} bytes of requests", "try again later")
        self.filed += size
        try:
            file = await self._file(data)
            request.body = data = b""
            with file:
                yield lambda: _read(file)
        finally:
            self.filed -= size

    async def _file(self, data: bytes) -> IO[bytes]:
        try:
            return await asyncio.to_thread(_written, self._folder, data)
        except OSError as error:
            if room.is_full(error):
                raise room.full(self._folder, "too much is waiting for a model") from error
            raise Unavailable("too much is waiting for a model", error.strerror or str(error), "try again later") from error


def _written(folder: Path, data: bytes) -> IO[bytes]:
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the caller closes it
    try:
        file.write(data)
        file.flush()
    except BaseException:
        file.close()
        raise
    return file


def _read(file: IO[bytes]) -> bytes:
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)
