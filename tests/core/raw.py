"""A server on a Unix socket that sends exactly the bytes it was given: what no right server would answer, and when."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from studio_core import paths

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
CLOSING = HEAD + b"Connection: close\r\n\r\n"


class Raw:
    """Answers each request with `answer` and, unless `hold`, closes. `requests` are the heads that came."""

    def __init__(self, path: Path, answer: bytes, hold: bool = False) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._hold = hold
        self._listener = paths.listen(path)
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(link)
            with contextlib.suppress(OSError):
                self.requests.append(link.recv(65536))
                link.sendall(self._answer)
            if not self._hold:
                link.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for link in (*self._open, self._listener):
            link.close()


@contextlib.contextmanager
def raw(path: Path, answer: bytes, hold: bool = False) -> Iterator[Raw]:
    server = Raw(path, answer, hold)
    try:
        yield server
    finally:
        server.close()


def plain(status: str, body: bytes, kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def chunk(text: str) -> bytes:
    data = text.encode()
    return b"%x\r\n%s\r\n" % (len(data), data)
