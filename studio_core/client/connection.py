"""How the client speaks to a Studio: HTTP over the owner's socket or to an address, answers as wire models, streams of events."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import msgspec

from studio_core import wire
from studio_core.errors import BadSetting, Daemonless, Denied, StudioError, by_code
from studio_core.paths import connect, peer_uid
from studio_core.routes import READ_ONLY_HEADER
from studio_core.wire.parse import decode

if TYPE_CHECKING:
    from studio_core.client.asked import Asked

T = TypeVar("T")
TIMEOUT_S = 30.0
STREAM = "text/event-stream"
# Until a stream that minds silence has begun.
OPEN_S = 5.0


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the owner's socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("studio", timeout=timeout)
        self._path = path
        self._patience = timeout

    def connect(self) -> None:
        self.sock = connect(self._path, self._patience)
        if (owner := peer_uid(self.sock)) not in (os.getuid(), 0) and os.getuid() != 0:
            self.close()
            raise Denied(
                f"the Studio at {self._path.parent} is run by uid {owner}", f"this is uid {os.getuid()}",
                "use your own: set VLLM_STUDIO_DATA_DIR",
            )


class Stream:
    """Server-sent events as they come. `close()` ends it, also from another thread; `silent`: it ended because nothing came.

    `heard` is when the last line came, be it a comment (monotonic clock).
    """

    def __init__(self, connection: http.client.HTTPConnection, link: socket.socket, response: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._socket = link
        self._response = response
        self.silent = False
        self.heard = time.monotonic()

    def __iter__(self) -> Iterator[wire.Event]:
        fields: dict[str, str] = {}
        data: list[str] = []
        try:
            for raw in self._response:
                self.heard = time.monotonic()
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                name, _, value = line.partition(":")
                if not line and (fields or data):
                    yield wire.Event(event=fields.get("event", "message"), data=_payload(data), id=fields.get("id", ""))
                    fields, data = {}, []
                elif name == "data":
                    data.append(value.removeprefix(" "))
                elif name:
                    fields[name] = value.removeprefix(" ")
        except TimeoutError:
            self.silent = True
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            return
        finally:
            self.close()

    def close(self) -> None:
        # First the socket: who waits in a read of it is woken, and only then lets the answer be closed.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError, AttributeError, ValueError):
            self._response.close()
            self._connection.close()


def _payload(data: list[str]) -> Any:
    text = "\n".join(data)
    try:
        body = json.loads(text)
    except ValueError:
        return text
    return body["data"] if isinstance(body, dict) and {"data", "timestamp"} == set(body) else body


class Connection:
    """The way to one Studio; the groups of calls stand on it. Every call raises StudioError, Daemonless when nobody answers.

    `read_only`: every request says that it only looks, and Studio refuses what would change something.
    `heard` is told of each request when it begins; what becomes of it is written into what was told.
    """

    def __init__(self, path: Path | None = None, url: str = "", key: str = "", patience: float = TIMEOUT_S,
                 read_only: bool = False) -> None:
        self._path = path
        self._read_only = read_only
        self.heard: Callable[[Asked], None] | None = None
        self._url = _address(url) if url else urlsplit("")
        self._key = key
        self._patience = patience
        if not (key.isascii() and key.isprintable()):
            raise BadSetting("the key cannot be sent", "it holds other characters than plain ASCII", "see: studio keys admin")

    @property
    def place(self) -> str:
        """What is driven, for the status bar."""
        return self._url.netloc or socket.gethostname()

    def _connection(self, patience: float | None) -> http.client.HTTPConnection:
        if self._path is not None:
            return _UnixConnection(self._path, patience)
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        return kind(self._url.hostname or "", self._url.port, timeout=patience)

    def _open(
        self, method: str, path: str, body: Any, accept: str, patience: float | None
    ) -> tuple[http.client.HTTPConnection, socket.socket, http.client.HTTPResponse]:
        """The open answer, and the socket it comes through: http.client forgets that of a last answer."""
        if self._read_only and method != "GET":
            raise Denied("read-only mode: nothing is changed", f"{method} {path}", "leave it: without --read-only")
        begun, told = time.monotonic(), self._tell(method, path, body, accept)
        connection = self._connection(patience)
        headers = {"Accept": accept, **({"Authorization": f"Bearer {self._key}"} if self._key else {})}
        if self._read_only:
            headers[READ_ONLY_HEADER] = "1"
        sent = None
        if body is not None:
            headers["Content-Type"], sent = "application/json", json.dumps(body).encode()
        try:
            connection.request(method, self._url.path.rstrip("/") + path, sent, headers)
            link = connection.sock
            response = connection.getresponse()
            if told is not None:
                told.status = response.status
            if response.status >= 400:
                problem = _error(response.status, response.read())
                connection.close()
                raise problem
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if told is not None:
                told.problem = str(error)
            raise self._silent(error) from error
        finally:
            if told is not None:
                told.took_s = time.monotonic() - begun
        return connection, link, response

    def _tell(self, method: str, path: str, body: Any, accept: str) -> Asked | None:
        """The request for who wants to hear of it."""
        if self.heard is None:
            return None
        from studio_core.client.asked import asked

        one = asked(method, path, body, accept == STREAM)
        self.heard(one)
        return one

    def curl(self, one: Asked) -> str:
        """A request as a line for a shell, with a variable in place of the key."""
        from studio_core.client.asked import curl

        base = "http://studio" if self._path is not None else f"{self._url.scheme}://{self._url.netloc.rpartition('@')[2]}{self._url.path}"
        headers = (f"{READ_ONLY_HEADER}: 1",) if self._read_only else ()
        return curl(one, base, str(self._path or ""), bool(self._key), headers)

    def _silent(self, error: Exception) -> Daemonless:
        where = f"at {self._url.geturl()}" if self._path is None else ""
        hint = "check the address, and that Studio runs there" if where else "start it: studio up"
        return Daemonless(" ".join(filter(None, ["Studio does not answer", where])), str(error), hint)

    def _send(self, method: str, path: str, kind: type[T] | Any, body: Any = None, endless: bool = False) -> T:
        connection, _, response = self._open(method, path, body, "application/json", None if endless else self._patience)
        try:
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Daemonless("Studio went away in the middle of its answer", str(error), "see: studio status") from error
        finally:
            connection.close()
        try:
            found: T = decode(data, kind) if data else None  # type: ignore[assignment]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StudioError(f"the answer of {path} cannot be read", str(error), "is a Studio of this version there?") from error
        return found

    def _get(self, path: str, kind: type[T]) -> T:
        return self._send("GET", path, kind)

    def _stream(self, method: str, path: str, body: Any = None, silence: float | None = None) -> Stream:
        connection, link, response = self._open(method, path, body, STREAM, silence and max(silence, OPEN_S))
        link.settimeout(silence)
        return Stream(connection, link, response)


def _address(url: str) -> SplitResult:
    """The parts of `url`; http where no scheme is given.

    Raises:
        BadSetting: it names no host, or nothing that we can speak.
    """
    with contextlib.suppress(ValueError):
        found = urlsplit(url if "://" in url else f"http://{url}")
        if found.scheme in ("http", "https") and found.hostname and found.port != 0:
            return found
    raise BadSetting(f"{url!r} is not an address of a Studio", "", "write it like http://127.0.0.1:8080")


def told(problem: wire.Problem) -> StudioError:
    """The error as the class that it was; what it says twice is said once."""
    detail = problem.detail.removeprefix(problem.title).removeprefix(": ").removesuffix(f" Hint: {problem.hint}")
    return by_code(problem.code)(problem.title, detail, problem.hint)


def _error(status: int, data: bytes) -> StudioError:
    try:
        return told(decode(data, wire.Problem))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return StudioError(f"Studio answered {status}", data[:300].decode("utf-8", "replace"))
