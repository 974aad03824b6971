"""The socket of the stage: requests become calls of it, streams are written as they come."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from studio_core import wire
from studio_core.paths import listen

if TYPE_CHECKING:
    from tests.tui.stage import Answer, Stage

PING = "ping"


class Refused(Exception):
    def __init__(self, status: int, body: dict[str, str]) -> None:
        super().__init__(status)
        self.status, self.body = status, body


class StageServer(socketserver.ThreadingMixIn, socketserver.BaseServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, stage: Stage, listener: socket.socket | None = None,
        wrap: Callable[[socket.socket], socket.socket] = lambda link: link,
    ) -> None:
        super().__init__(str(stage.places.control_socket), StageHandler)
        self.stage = stage
        self.socket = listener or listen(stage.places.control_socket)
        self.wrap = wrap
        self.closed = threading.Event()
        self.open: set[Any] = set()

    def fileno(self) -> int:
        return self.socket.fileno()

    def get_request(self) -> tuple[Any, Any]:
        link = self.wrap(self.socket.accept()[0])
        self.open.add(link)
        return link, ("owner", 0)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        with contextlib.suppress(OSError):
            request.shutdown(2)
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away."""

    def end(self) -> None:
        self.closed.set()
        self.socket.close()
        for link in tuple(self.open):
            with contextlib.suppress(OSError):
                link.shutdown(2)


class StageHandler(BaseHTTPRequestHandler):
    server: StageServer

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        stage, parts = self.server.stage, urlsplit(self.path)
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"null")
        stage.asked.append((method, self.path, body))
        stage.keys.append(self.headers.get("authorization", ""))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if self.headers.get("accept") == "text/event-stream":
            self._stream(parts.path, query)
            return
        try:
            self._send(200, stage.answer(method, parts.path, query, body))
        except Refused as refused:
            self._send(refused.status, refused.body)

    def _send(self, status: int, answer: Answer) -> None:
        data = json.dumps(wire.to_builtins(answer)).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, path: str, query: Mapping[str, str]) -> None:
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            for kind, number, data in self.server.stage.stream(path, query, self.server.closed):
                told = f"event: {kind}\nid: {number}\ndata: {json.dumps({'data': data, 'timestamp': ''})}\n\n"
                self.wfile.write(b": ping\n\n" if kind == PING else told.encode())
                self.wfile.flush()
