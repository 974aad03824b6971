"""The gateway's client: one exchange at a time on a connection to an engine or to the controller.

Who asks is told in the loop step in which something comes, once per read: no task, no queue, no future in between.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

import httptools

from studio_core.gateway.frame import CRLF, LAST, unframed
from studio_core.gateway.head import Head
from studio_core.gateway.known import KnownAnswer
from studio_core.gateway.request import Headers
from studio_core.paths import connect

CONNECT_S = 5.0
# An answer's head, with all that comes before it, is at most so long.
HEAD_BYTES = 64 * 1024
# A larger body is not copied to stand in one piece with its head.
JOINED_BYTES = 64 * 1024


class Broken(OSError):
    """The upstream could not be reached, or went away before its answer was whole."""


class Unreached(Broken):
    """Nobody listens there; nothing was sent."""


class Stale(Broken):
    """A connection that had served before was closed before a byte of an answer came: the request may be sent again."""


class Asker(Protocol):
    """Who asked."""

    def heard(self, data: bytes) -> None:
        """The answer's head is there, and this more of its body; `Upstream.whole` tells whether it was the last."""

    def answered(self, data: bytes) -> None:
        """The head and this whole body came at once."""

    def chunks(self, raw: bytes, pieces: list[bytes]) -> None:
        """The same where what came is whole chunks: `raw` as they came, with the last if it was, and what is in each."""

    def broken(self, error: Broken) -> None:
        """No more will come."""


class Shortcut(Protocol):
    """Takes what comes while it is more of the same."""

    def passes(self, data: bytes) -> bool:
        """Whether this is whole chunks of that kind, and was sent on."""


# Before an answer's head is there.
NO_HEAD = Head(0, [], keep=False, framed=False)


class Upstream(asyncio.Protocol):
    """A connection. Close it whatever happens: that aborts the upstream's work at once.

    `spent`: it may be used again. This exchange's answer is whole, nothing came after it, and both sides want to.
    `shortcut`: set by the asker, it gets what comes until something else than that comes.
    """

    __slots__ = (
        "_asker", "_between", "_bodiless", "_early", "_excess", "_gone", "_headers", "_heard", "_inside", "_known", "_owed",
        "_parser", "_pieces", "_stopped", "_transport", "_used", "head", "left", "length", "shortcut", "spent", "whole",
    )

    def __init__(self) -> None:
        self.head = NO_HEAD
        # Of the body in bytes, where its head says it.
        self.length: int | None = None
        self.whole = True
        self.spent = self._used = self._stopped = False
        self._gone: Broken | None = None
        # Told when the other side closes it while it waits for its next exchange.
        self.left: Callable[[Upstream], None] | None = None
        self._asker: Asker | None = None
        self.shortcut: Shortcut | None = None
        self._headers: Headers = []
        self._pieces: list[bytes] = []
        self._heard = self._bodiless = self._excess = False
        # Inside of a chunk; all that came ended with one.
        self._inside = self._between = False
        self._early = 0
        self._parser: Any = httptools.HttpResponseParser(self)
        # The head of the last answer, and what of it the parser has to be given before it gets anything else.
        self._known: KnownAnswer | None = None
        self._owed = b""

    @classmethod
    async def open(cls, where: tuple[str, int] | Path) -> Upstream:
        """Raises Unreached."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                if isinstance(where, Path):
                    # Without a timeout: a local socket answers at once, or says that its queue is full.
                    _, made = await loop.create_unix_connection(cls, sock=connect(where, timeout=0.0))
                else:
                    _, made = await loop.create_connection(cls, *where)
                return made
        except (OSError, TimeoutError) as error:
            raise Unreached(f"cannot connect: {error}") from error

    @property
    def usable(self) -> bool:
        return self._gone is None and not self._transport.is_closing()

    # The exchange.

    def ask(self, asker: Asker | None, head: bytes, body: bytes, *, bodiless: bool = False) -> None:
        """Send a request; `bodiless`: its answer has no body whatever it says. Raises Broken.

        Without an `asker` this step of the loop has to `tell` it still.
        """
        if self._gone is not None:
            raise self._gone
        self._asker, self._bodiless = asker, bodiless
        self.head, self.length = NO_HEAD, None
        self.whole = self.spent = self._heard = self._between = False
        if len(body) < JOINED_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)

    def tell(self, asker: Asker) -> None:
        """Who asks, where `ask` was not told."""
        self._asker = asker

    def pass_on(self, asker: Asker) -> None:
        """From now on somebody else asks, if the exchange is not over."""
        if self._asker is not None:
            self._asker = asker

    def flow(self, on: bool) -> None:
        """Read on, or no more until then: whoever gets it cannot take it."""
        if self._gone is None and self._stopped is on:
            self._stopped = not on
            with contextlib.suppress(RuntimeError):
                (self._transport.resume_reading if on else self._transport.pause_reading)()

    def close(self) -> None:
        self._asker = self.shortcut = None
        if self._gone is None:
            with contextlib.suppress(RuntimeError):
                self._transport.abort()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an isinstance: uvloop's transport is none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(0)  # As its client's.

    def data_received(self, data: bytes) -> None:
        shortcut = self.shortcut
        if shortcut is not None:
            if shortcut.passes(data):
                return
            self.shortcut = None
        asker = self._asker
        if asker is None:
            self._break("the upstream sent more than its answer")
        elif self._between:
            if not self._chunks(data):
                self._parse(data)
        elif self._heard:
            self._parse(data)
        else:
            self._heard = True
            if self._known is None or not self._again(self._known, data):
                self._parse(data)
                if self.head is not NO_HEAD and not (self._bodiless or self._excess):
                    self._known = KnownAnswer.learn(data, self.head)

    def _chunks(self, data: bytes) -> bool:
        """Whether these are whole chunks, as the parser would find too; it need not see them.

        It has to see the end of what it has seen the beginning of.
        """
        over = data.endswith(LAST)
        inside = None if over and not self._owed else unframed(data[: -len(LAST)] if over else data)
        if inside is None:
            return False
        asker = self._asker
        if over:
            self._owed, self._between = b"", False
            self.whole, self.spent = True, self.head.keep
            asker = self._over()
        if asker is not None:
            asker.chunks(data, inside)
        return True

    def _again(self, known: KnownAnswer, data: bytes) -> bool:
        """Whether the answer begins as the last one did: then the parser need not see it."""
        body = None if self._bodiless else known.body(data)
        if body is None:
            return False
        head = known.head
        if head.framed:
            self.head, self._between, self._owed = head, True, known.raw
            if not body:
                self._tell(body)
            elif not self._chunks(body):
                self._parse(body)
            return True
        self.head, self.whole, self.spent, self.length = head, True, head.keep, len(body)
        asker = self._over()
        if asker is not None:
            asker.answered(body)
        return True

    def _parse(self, data: bytes) -> None:
        wrong = ""
        try:
            if self._owed:
                owed, self._owed = self._owed, b""
                self._parser.feed_data(owed)
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            wrong, self._excess = f"the upstream's answer is not HTTP: {error.__context__ or error}", True
        except httptools.HttpParserUpgrade:
            wrong, self._excess = "the upstream wants to speak something else than HTTP", True
        if self.head is not NO_HEAD:
            self._between = self.head.framed and not self._inside and not self.whole and data.endswith(CRLF)
            pieces = self._pieces
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            self.spent = self.spent and not self._bodiless and not self._excess
            self._tell(body)
        else:
            self._early += len(data)
            if self._early > HEAD_BYTES:
                wrong = wrong or "the upstream's head is too large"
        if wrong:
            self._break(wrong)

    def eof_received(self) -> bool:
        if self._asker is not None and self.head is not NO_HEAD and not self.whole and self.head.until_end:
            self.whole = True
            self._tell(b"")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(Broken(str(exc) if exc is not None else "the upstream closed the connection too early"))
        self._parser = None  # It knows us and we know it: without this the two would stay.

    def _tell(self, data: bytes) -> None:
        """What this read brought."""
        asker = self._over() if self.whole else self._asker
        if asker is not None:
            asker.heard(data)

    def _over(self) -> Asker | None:
        """The exchange is; whose it was."""
        asker, self._asker, self._used = self._asker, None, True
        if self._stopped:
            self.flow(True)
        return asker

    def _break(self, why: str) -> None:
        self._transport.abort()
        self._lose(Broken(why))

    def _lose(self, error: Broken) -> None:
        asker, self._asker, self.shortcut, self.spent = self._asker, None, None, False
        if self._gone is None:
            self._gone = error
        if self.left is not None:
            self.left(self)
        if asker is not None:
            asker.broken(Stale(str(error)) if self._used and not self._heard else error)

    # The parser's side.

    def on_message_begin(self) -> None:
        self._excess, self._inside = self.whole, False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head is NO_HEAD:  # What comes later is a trailer.
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self.head is not NO_HEAD:
            return
        status = self._parser.get_status_code()
        headers, self._headers = self._headers, []
        if status < 200:
            return
        coded = [value for name, value in headers if name == b"transfer-encoding"]
        if coded and (len(coded) > 1 or coded[0].strip().lower() != b"chunked"):
            raise ValueError("a Transfer-Encoding that is not served")
        self._early = 0
        self.head = Head(status, headers, keep=self._parser.should_keep_alive(), framed=bool(coded))
        self.length = self.head.length
        self.whole = self._bodiless

    def on_chunk_header(self) -> None:
        self._inside = True

    def on_chunk_complete(self) -> None:
        self._inside = False

    def on_body(self, data: bytes) -> None:
        if not self.whole:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        if self.head is not NO_HEAD and not self.whole:
            self.whole, self.spent = True, self._parser.should_keep_alive()
