"""The controller's way to a shim: exec it, command it, watch it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import studio_core.shim
from studio_core.errors import LaunchFailed, Unavailable
from studio_core.paths import Places, connect
from studio_core.supervisor import record as records
from studio_core.supervisor import spec as specs
from studio_core.supervisor.record import Record
from studio_core.supervisor.spec import Spec

START_S = 10.0
LINE_BYTES = 256 * 1024
# No site-packages, no user site, no PYTHON* variables: the shim is the standard library alone.
INTERPRETER = ("-S", "-s", "-E", "-B")


async def start(places: Places, spec: Spec) -> None:
    """Write the spec, exec the shim, and return when it has written its first record.

    Raises:
        LaunchFailed: the folder cannot be written, or no shim came up.
    """
    folder = places.instance(spec.instance)
    try:
        await asyncio.to_thread(specs.write, folder, spec)
        await _exec(folder)
    except OSError as error:
        raise LaunchFailed("the engine's parent could not be started", str(error), "see: studio doctor") from error


async def _exec(folder: Path) -> None:
    program = Path(studio_core.shim.__file__).parent
    process = await asyncio.create_subprocess_exec(
        sys.executable, *INTERPRETER, str(program), str(folder),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}, cwd="/",
    )
    _, complaint = await process.communicate()
    if process.returncode:
        raise LaunchFailed("the engine's parent could not be started", complaint.decode(errors="replace")[-500:])
    deadline = asyncio.get_running_loop().time() + START_S
    while records.read(folder) is None:
        if asyncio.get_running_loop().time() > deadline:
            raise LaunchFailed("the engine's parent wrote no record", f"within {START_S:.0f} s", f"see {folder}/shim.log")
        await asyncio.sleep(0.005)


class ShimLink:
    """Commands to the shim of one instance. Each raises Unavailable when there is none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def stop(self, grace: float) -> None:
        """SIGTERM to the first process, SIGKILL to the tree after `grace` seconds."""
        await self._command(cmd="stop", grace=grace)

    async def kill(self) -> None:
        """SIGKILL to the tree, now."""
        await self._command(cmd="kill")

    async def signal(self, number: int) -> None:
        """A signal to the first process."""
        await self._command(cmd="signal", signal=number)

    async def watch(self) -> AsyncIterator[Record]:
        """The record now and at each change; ends when the shim does."""
        async with self._connection() as (reader, writer):
            writer.write(b'{"cmd":"watch"}\n')
            await reader.readline()
            while line := await reader.readline():
                yield records.from_data(json.loads(line))

    async def _command(self, **command: Any) -> None:
        async with self._connection() as (reader, writer):
            writer.write(json.dumps(command).encode() + b"\n")
            answer = json.loads(await reader.readline() or b'{"ok":false,"error":"the shim is gone"}')
        if not answer["ok"]:
            raise Unavailable("the engine's parent refused", str(answer.get("error", "")))

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        try:
            link = connect(self._folder / "shim.sock", timeout=5.0)
        except OSError as error:
            raise Unavailable("the engine's parent does not answer", str(error), "see: studio ps") from error
        link.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=link, limit=LINE_BYTES)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

