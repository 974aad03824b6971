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
from studio_core import room
from studio_core.errors import LaunchFailed, Unavailable
from studio_core.paths import Places, connect
from studio_core.supervisor import record as records
from studio_core.supervisor import spec as specs
from studio_core.supervisor.record import Record
from studio_core.supervisor.spec import Spec

START_S = 10.0
# The longest that a shim is busy ending a tree is half of this.
ANSWER_S = 10.0
LINE_BYTES = 256 * 1024
# No site-packages, no user site, no PYTHON* variables: the shim is the standard library alone.
INTERPRETER = ("-S", "-s", "-E", "-B")


async def start(places: Places, spec: Spec) -> None:
    """Write the spec, exec the shim, and return when it has written its first record.

    Raises:
        DiskFull, LaunchFailed: the folder cannot be written, or no shim came up; then none can come up later either.
    """
    folder = places.instance(spec.instance)
    try:
        await asyncio.to_thread(specs.write, folder, spec)
        await asyncio.to_thread(records.reserve, folder)
        complaint = await _exec(folder)
    except OSError as error:
        if room.is_full(error):
            raise room.full(places.root, "the engine was not started") from error
        if isinstance(error, PermissionError):
            hint = f"run: chmod 700 {places.instances}"
            raise LaunchFailed("the engine's folder cannot be written", f"{folder}: {error.strerror}", hint) from error
        raise LaunchFailed("the engine's parent could not be started", str(error), "see: studio doctor") from error
    if records.read(folder) is None and records.revoke(folder):
        raise LaunchFailed("the engine's parent could not be started", complaint[-500:], "see: studio doctor")


async def _exec(folder: Path) -> str:
    """Run the shim's program; returns what it complained about until it was on its own."""
    program = Path(studio_core.shim.__file__).parent
    process = await asyncio.create_subprocess_exec(
        sys.executable, *INTERPRETER, str(program), str(folder),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={name: os.environ[name] for name in ("PATH", "LANG", "HOME", "XDG_RUNTIME_DIR") if name in os.environ}, cwd="/",
    )
    try:
        _, complaint = await asyncio.wait_for(process.communicate(), START_S)
    except TimeoutError:
        return f"no sign of life within {START_S:.0f} s"
    return complaint.decode(errors="replace")


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
        """The record now and at each change; ends when the shim does, or when it dropped us for not reading."""
        async with self._connection() as (reader, writer):
            writer.write(b'{"cmd":"watch"}\n')
            await reader.readline()
            while (line := await reader.readline()).endswith(b"\n"):
                yield records.from_data(json.loads(line))

    async def _command(self, **command: Any) -> None:
        async with self._connection() as (reader, writer):
            writer.write(json.dumps(command).encode() + b"\n")
            try:
                line = await asyncio.wait_for(reader.readline(), ANSWER_S)
            except TimeoutError as error:
                raise Unavailable("the engine's parent does not answer", f"within {ANSWER_S:.0f} s", "see: studio ps") from error
        answer = json.loads(line) if line.endswith(b"\n") else {"ok": False, "error": "it has ended"}
        if not answer["ok"]:
            raise Unavailable("the engine's parent refused", str(answer.get("error", "")))

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        try:
            link = await asyncio.to_thread(connect, self._folder / "shim.sock", 5.0)
        except OSError as error:
            raise Unavailable("the engine's parent does not answer", str(error), "see: studio ps") from error
        link.setblocking(False)
        reader, writer = await asyncio.open_unix_connection(sock=link, limit=LINE_BYTES)
        try:
            yield reader, writer
        except OSError as error:
            raise Unavailable("the engine's parent ended", str(error), "see: studio ps") from error
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

