"""Clients of this machine's servers: past any proxy, over TLS whoever signed for it, and made without one context each."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from studio_core import loopback
from tests.faults.test_gateway_tls import Authority


async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_it_reaches_a_server_here(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    context = None
    if scheme == "https":
        authority = Authority(tmp_path)
        authority.issue()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(authority.certificate, authority.key)
    async with await asyncio.start_server(hello, "127.0.0.1", ssl=context) as server:
        number = server.sockets[0].getsockname()[1]
        for _ in range(2):
            async with loopback.client(10.0, base_url=f"{scheme}://127.0.0.1:{number}") as client:
                assert (await client.get("/")).text == "hello"


def test_a_client_makes_no_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would take milliseconds, in which a controller that asks whether an engine is ready does nothing else."""
    loopback.client(1.0)
    monkeypatch.setattr(ssl, "SSLContext", None)
    monkeypatch.setattr(ssl, "create_default_context", None)
    for _ in range(10):
        loopback.client(1.0)
