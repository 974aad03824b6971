"""What an answer says of itself in passing: tokens, first token, finish. Right over any chunk boundary."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec

DONE = b"[DONE]"
DONE_EVENT = b"data: [DONE]\n\n"
LF, CR = b"\n\r"
# What makes an event worth decoding: an error, or one of these that is not null, as it is written with and without a space. Inside
# a text of JSON the quotes would be escaped, so this finds no less than there is.
ERROR, USAGE = b'"error"', b'"usage"'
# The end of a chunk that ends with an event.
CHUNK_END = b"\n\n\r\n"
NULLS = tuple((name, name + b":null", name + b": null") for name in (b'"finish_reason"', b'"usage"'))
# An event that grows past this is passed on as it comes, unread.
EVENT_BYTES = 512 * 1024
# An answer that is no stream is looked into up to this size.
ANSWER_BYTES = 8 * 1024 * 1024


# A number of tokens that a database takes.
Tokens = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Choice(msgspec.Struct, gc=False):
    finish_reason: Any = None


class _Details(msgspec.Struct, gc=False):
    cached_tokens: Tokens | None = None
    reasoning_tokens: Tokens | None = None


class _Usage(msgspec.Struct, gc=False):
    """Tokens, as the APIs name them: OpenAI's older ones, its responses and Anthropic's."""

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    cache_read_input_tokens: Tokens | None = None

    def with_(self, later: _Usage) -> _Usage:
        """What was said later counts; what was not said again stays."""
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(later), strict=True)
        return _Usage(*(old if new is None else new for old, new in pairs))


class Said(msgspec.Struct, gc=False):
    """What is read of an answer; the rest is only walked over."""

    usage: _Usage | None = None
    error: Any = None
    choices: list[_Choice] | None = None
    # Anthropic's: a stream tells of the prompt in its first message, of the rest in its last delta.
    message: Any = None
    delta: Any = None
    stop_reason: Any = None
    # OpenAI's responses: a stream's events hold the whole.
    response: Any = None
    status: Any = None

    @property
    def finish(self) -> str | None:
        """Why it ended, if it says so."""
        found = self.stop_reason or (self.usage and self.status)
        for choice in self.choices or ():
            found = choice.finish_reason or found
        return str(found)[:50] if found else None

    @property
    def fault(self) -> str | None:
        return str(self.error)[:500] if self.error else None


_said = msgspec.json.Decoder(Said)


class Observation:
    """Feed it the answer; `feed` gives back what the client sees. `hide_usage`: the usage event was asked for by us."""

    __slots__ = (
        "_rest", "_seen", "_torn", "began", "chunks", "done", "error", "finish", "hide_usage", "quiet", "size", "ttft",
        "usage",
    )

    def __init__(self, hide_usage: bool = False, began: float | None = None) -> None:
        # By the monotonic clock.
        self.began = time.monotonic() if began is None else began
        self.ttft: float | None = None
        self.chunks = 0
        self.done = False
        self.finish: str | None = None
        self.error: str | None = None
        self.usage: _Usage | None = None
        self.hide_usage = hide_usage
        # Bytes of the answer.
        self.size = 0
        # What was sifted last told nothing.
        self.quiet = False
        self._rest = bytearray()
        self._seen = 0
        self._torn = False

    @property
    def at_boundary(self) -> bool:
        """Whether a comment may be put in here."""
        return not self._rest and not self._torn

    @property
    def over(self) -> bool:
        """Whether a stream has said that it ended, well or not."""
        return self.done or self.finish is not None or self.error is not None

    def hides(self, chunks: bytes, count: int) -> bool:
        """Whether there may be something in these chunks, so many, that the client does not see, or not yet."""
        if self.hide_usage and (USAGE in chunks or chunks.count(CHUNK_END) != count):
            return True
        return not self.at_boundary or not chunks.endswith(CHUNK_END)

    def sift(self, pieces: list[bytes]) -> list[bytes] | None:
        """Which of these the client sees, all of them mostly; None where one is not whole events, and all are to be fed."""
        self.quiet = False
        if not self.at_boundary:
            return None
        chunks = size = 0
        telling = []
        for piece in pieces:
            events = plain(piece)
            if not events:
                if _end(piece) != len(piece):
                    return None
                telling.append(piece)
            chunks += events
            size += len(piece)
        if chunks and self.ttft is None:
            self.ttft = time.monotonic() - self.began
        self.chunks += chunks
        self.size += size
        self.quiet = not telling
        hidden = [piece for piece in telling if not self._judge(piece)]
        return [piece for piece in pieces if piece not in hidden] if hidden else pieces

    def feed(self, data: bytes) -> bytes:
        """Whole events of what came, byte for byte; the rest is kept until it is whole."""
        self.size += len(data)
        if not self._rest and not self._torn and _end(data) == len(data):
            return data if self._event(data) else b""
        self._rest += data
        out, start = [], 0
        while (end := _end(self._rest, max(start, self._seen))) > 0:
            event = bytes(self._rest[start:end])
            if self._torn or self._event(event):
                out.append(event)
            self._torn, start = False, end
        del self._rest[:start]
        # An end may lie across the next boundary: three of its four bytes may be here.
        self._seen = max(0, len(self._rest) - 3)
        if self._torn or len(self._rest) > EVENT_BYTES:
            out.append(bytes(self._rest[: self._seen]))
            del self._rest[: self._seen]
            self._torn, self._seen = True, 0
        return b"".join(out)

    def end(self) -> bytes:
        """What is left when the stream is over."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest

    def look(self, data: bytes) -> None:
        """A piece of an answer that is no stream."""
        self.size += len(data)
        if self.ttft is None:
            self.ttft = time.monotonic() - self.began
        if len(self._rest) <= ANSWER_BYTES:
            self._rest += data

    def looked(self) -> None:
        """That answer is whole."""
        self._take(self._rest)
        self._rest.clear()

    def _judge(self, event: bytes) -> bool:
        """Look at one event that is not plain; False when the client must not see it."""
        single = event.startswith(b"data: {") and event.find(b"\n") == len(event) - 2
        return self._json(event[5:]) if single else self._event(event)

    def _event(self, event: bytes) -> bool:
        """The same of any event."""
        if event == DONE_EVENT:
            self.done = True
            return True
        if event.startswith(b"data:") and event.find(b"\n") == len(event) - 2:
            data = event[5:].strip()
        else:
            data = b"\n".join(line[5:].strip() for line in event.splitlines() if line.startswith(b"data:"))
        if data == DONE:
            self.done = True
            return True
        return not data or self._json(data, _may_tell(data))

    def _json(self, data: bytes, tells: bool = True) -> bool:
        """What an event says; False when the client must not see it."""
        if self.ttft is None:
            self.ttft = time.monotonic() - self.began
        only_usage = tells and self._take(data)
        self.chunks += not only_usage
        return not (only_usage and self.hide_usage)

    def _take(self, data: bytes | bytearray) -> bool:
        """Read this JSON; whether it was of usage and nothing else."""
        said = read(data)
        usage = said.usage
        if usage is not None:
            self.usage = usage if self.usage is None else self.usage.with_(usage)
        self.error = said.fault or self.error
        self.finish = said.finish or self.finish
        if said.message or said.delta or said.response:
            for part in (said.message, said.delta, said.response):
                if isinstance(part, dict):
                    self._take_part(part)
        return usage is not None and not said.choices

    def _take_part(self, part: dict[str, Any]) -> None:
        """What another API than OpenAI's older ones says one level deeper."""
        usage = _usage(part.get("usage"))
        if usage is not None:
            self.usage = usage if self.usage is None else self.usage.with_(usage)
        if part.get("error"):
            self.error = str(part["error"])[:500]
        if finish := part.get("stop_reason") or (usage and part.get("status")):
            self.finish = str(finish)[:50]


def _end(data: bytes | bytearray, start: int = 0) -> int:
    """Where the first event there ends, -1 where none does.

    With an empty line, whatever ends a line (WHATWG HTML, 9.2.5; a lone CR is not used by any engine).
    """
    found = data.find(b"\n\n", start)
    if CR in data and (other := data.find(b"\n\r\n", start, found + 1 if found >= 0 else len(data))) >= 0:
        return other + 3
    return found + 2 if found >= 0 else -1


def _may_tell(data: bytes) -> bool:
    """Whether an event is worth decoding."""
    for name, null, spaced in NULLS:
        found = data.count(name)
        if found and found != data.count(null) and found != data.count(spaced):
            return True
    return data.find(ERROR) >= 0


def plain(data: bytes) -> int:
    """How many events these bytes are, if they are whole ones of one line each that tell nothing; else 0.

    So they mostly come: an engine writes an event at a time, and whoever is late reads several at once.
    """
    if not data.startswith(b"data: {") or _may_tell(data):
        return 0
    if data.find(b"\n") == len(data) - 2:
        return int(data[-1] == LF)
    events = data.count(b"\n\n")
    whole = data.count(b"\n") == 2 * events and data.count(b"\n\ndata: {") == events - 1 and data[-2:] == b"\n\n"
    return events if whole and b"\r" not in data else 0


def read(data: bytes | bytearray) -> Said:
    """Engines may say anything: what has not the usual form is looked through."""
    try:
        return _said.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        body = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said()
    if not isinstance(body, dict):
        return Said()
    choices = body.get("choices")
    known = [_Choice(one.get("finish_reason")) for one in choices if isinstance(one, dict)] if isinstance(choices, list) else None
    return Said(_usage(body.get("usage")), body.get("error"), known)


def _usage(found: Any) -> _Usage | None:
    """From what does not have the usual form: of it, what has."""
    return _Usage(**{name: _part(name, found.get(name)) for name in _Usage.__struct_fields__}) if isinstance(found, dict) else None


def _part(name: str, value: Any) -> Any:
    if not name.endswith("details"):
        return _count(value)
    return _Details(*(_count(value.get(each)) for each in _Details.__struct_fields__)) if isinstance(value, dict) else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 2**63 else None


def tokens(usage: _Usage | None) -> tuple[int | None, int | None, int | None, int | None]:
    """Of the prompt, of the answer, cached and reasoning."""
    if usage is None:
        return None, None, None, None
    prompt = usage.prompt_tokens_details or usage.input_tokens_details
    completion = usage.completion_tokens_details or usage.output_tokens_details
    return (
        usage.input_tokens if usage.prompt_tokens is None else usage.prompt_tokens,
        usage.output_tokens if usage.completion_tokens is None else usage.completion_tokens,
        usage.cache_read_input_tokens if prompt is None else prompt.cached_tokens,
        None if completion is None else completion.reasoning_tokens,
    )
