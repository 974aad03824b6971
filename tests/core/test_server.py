"""The server on its Unix sockets: who may connect, and how it stops."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from studio_core.controller.server import GRACE_S
from tests.core.control import client, control

# Connects to a socket in an inherited folder and prints what it gets.
STRANGER = """
import socket, sys
link = socket.socket(socket.AF_UNIX)
link.settimeout(10)
link.connect(f"/proc/self/fd/{sys.argv[1]}/control.sock")
try:
    link.sendall(b"GET /status HTTP/1.1\\r\\nHost: studio\\r\\n\\r\\n")
    print(len(link.recv(1000)))
except ConnectionError:
    print(0)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
async def test_another_user_is_turned_away_even_where_the_modes_would_let_him(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        house.services.places.control_socket.chmod(0o666)
        folder = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
        os.chmod(tmp_path, 0o711)

        def ask(user: int) -> int:
            done = subprocess.run(
                ["/usr/bin/env", "python3", "-c", STRANGER, str(folder)], user=user, group=user, extra_groups=[],
                pass_fds=(folder,), cwd="/", capture_output=True, text=True, timeout=30, check=True,
            )
            return int(done.stdout)

        try:
            assert await asyncio.to_thread(ask, 0) > 0
            assert await asyncio.to_thread(ask, 65534) == 0
        finally:
            os.close(folder)


async def test_stopping_ends_streams_and_is_bounded(tmp_path: Path) -> None:
    began = 0.0

    async def listen(socket: Path) -> str:
        async with client(socket) as guest, guest.stream("GET", "/events") as stream:
            begun.set()
            return "".join([part async for part in stream.aiter_text()])

    begun = asyncio.Event()
    async with control(tmp_path) as house:
        listening = asyncio.create_task(listen(house.services.places.control_socket))
        await begun.wait()
        began = time.monotonic()
    assert "event: status" in await listening
    assert time.monotonic() - began < GRACE_S + 20
    with pytest.raises(httpx.ConnectError):
        async with client(tmp_path / "control.sock") as nobody:
            await nobody.get("/status")


async def test_a_long_state_directory_works(tmp_path: Path) -> None:
    root = tmp_path / ("long" * 30)
    root.mkdir()
    async with control(root) as house:
        folder = os.open(root, os.O_PATH | os.O_DIRECTORY)
        try:
            async with client(Path(f"/proc/self/fd/{folder}/{house.services.places.control_socket.name}")) as guest:
                assert (await guest.get("/status")).json()["controller"]["pid"] == os.getpid()
        finally:
            os.close(folder)
