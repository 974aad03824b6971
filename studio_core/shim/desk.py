"""The shim's socket: one JSON line per command, one line back, and a stream of records to whoever watches."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio_core.paths import listen, peer_uid

LINE_BYTES = 64 * 1024
# A watcher that does not read loses its stream at this much, not we our memory.
BACKLOG_BYTES = 1024 * 1024
# What a senseless command raises: no text that anybody sends may end us, and the engine with us.
REFUSED = (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError, OSError)


class Desk:
    """Serves the owner's uid only. `act(command)` raises for what it does not understand."""

    def __init__(self, path: Path, selector: selectors.BaseSelector, act: Callable[[dict[str, Any]], None]) -> None:
        self._selector = selector
        self._act = act
        self._latest = b""
        self._input: dict[socket.socket, bytes] = {}
        self._output: dict[socket.socket, bytes] = {}
        self._watchers: set[socket.socket] = set()
        self._path = path
        self._server = listen(path)
        self._server.setblocking(False)
        selector.register(self._server, selectors.EVENT_READ, self._accept)

    def tell(self, line: bytes) -> None:
        """A new record for all watchers."""
        self._latest = line
        for client in tuple(self._watchers):
            self._send(client, line)

    def close(self) -> None:
        for client in tuple(self._input):
            client.setblocking(True)
            client.settimeout(1.0)
            with contextlib.suppress(OSError):
                client.sendall(self._output.pop(client, b""))
            client.close()
        self._server.close()
        self._path.unlink(missing_ok=True)

    def _accept(self, _: Any) -> None:
        try:
            client, _address = self._server.accept()
        except OSError:
            return
        if peer_uid(client) != os.getuid():
            client.close()
            return
        client.setblocking(False)
        self._input[client] = b""
        self._selector.register(client, selectors.EVENT_READ, self._serve)

    def _serve(self, client: socket.socket) -> None:
        if self._output.get(client):
            self._send(client, b"")
        try:
            data = client.recv(LINE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or len(self._input[client]) > LINE_BYTES:
            self._drop(client)
            return
        *lines, self._input[client] = (self._input[client] + data).split(b"\n")
        for line in lines:
            self._answer(client, line)

    def _answer(self, client: socket.socket, line: bytes) -> None:
        try:
            command = json.loads(line)
            if command["cmd"] == "watch":
                self._watchers.add(client)
                self._send(client, b'{"ok":true}\n' + self._latest)
                return
            self._act(command)
        except REFUSED as error:
            self._send(client, json.dumps({"ok": False, "error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
        else:
            self._send(client, b'{"ok":true}\n')

    def _send(self, client: socket.socket, data: bytes) -> None:
        data = self._output.pop(client, b"") + data
        try:
            sent = client.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._drop(client)
            return
        rest = data[sent:]
        if len(rest) > BACKLOG_BYTES:
            self._drop(client)
        else:
            self._output[client] = rest
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if rest else 0)
            self._selector.modify(client, events, self._serve)

    def _drop(self, client: socket.socket) -> None:
        self._watchers.discard(client)
        self._output.pop(client, None)
        if self._input.pop(client, None) is not None:
            self._selector.unregister(client)
            client.close()
