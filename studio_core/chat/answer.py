"""An answer while it is being written: what the stream says, put together and passed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from studio_core import wire
from studio_core.errors import StudioError, Unavailable

DONE = b"[DONE]"


class Refused(Unavailable):
    """The gateway or the engine answered with an error."""


class Torn(Unavailable):
    """The stream was not what a whole answer is."""


class Answer:
    """`events` is what the reader gets while he is there (`heard`); `whole` once the end mark has come."""

    def __init__(self, message: wire.ChatMessage) -> None:
        self.message = message
        self.events: asyncio.Queue[wire.Event | None] = asyncio.Queue()
        self.heard = True
        self.whole = False
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._stored = 0

    @property
    def unsaved(self) -> bool:
        return len(self._text) + len(self._thoughts) > self._stored

    def saved(self) -> wire.ChatMessage:
        """The message with all text so far, for storing."""
        self._stored = len(self._text) + len(self._thoughts)
        self.message.content = "".join(self._text)
        self.message.reasoning = "".join(self._thoughts) or None
        return self.message

    def tell(self, kind: str, data: Any) -> None:
        if self.heard:
            self.events.put_nowait(wire.Event(event=kind, data=data))

    def take(self, data: bytes) -> None:
        """One event of the stream.

        Raises:
            Refused: it is an error. Torn: it is no such event.
        """
        if data == DONE:
            self.whole = True
            return
        try:
            chunk = msgspec.json.decode(data, type=_Chunk)
        except msgspec.DecodeError as error:
            raise Torn("the engine sent what is no answer", str(error), "see the model's log") from error
        if chunk.error is not None:
            raise _refused(chunk.error, "in the middle of the answer")
        for choice in chunk.choices or ():
            self._delta(choice.delta or _Delta())
        if chunk.usage is not None:
            self.message.request_prompt_tokens = chunk.usage.prompt_tokens
            self.message.request_completion_tokens = chunk.usage.completion_tokens
            self.tell("usage", wire.to_builtins(chunk.usage))

    def _delta(self, delta: _Delta) -> None:
        if delta.content:
            self._text.append(delta.content)
            self.tell("delta", {"content": delta.content})
        # Thoughts are kept for people to read, and never sent back to the model.
        if thought := delta.reasoning_content or delta.reasoning:
            self._thoughts.append(thought)
            self.tell("thought", {"content": thought})


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


class _Chunk(msgspec.Struct):
    """What is read of OpenAI's chat.completion.chunk."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


async def data_of(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes | None]:
    """The data of server-sent events, None for a comment: the gateway is there, the model takes its time.

    Lines end at LF only: httpx's own reader also splits at U+2028, which JSON may hold.
    """
    rest = b""
    async for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
            elif line.startswith(b":"):
                yield None


def refusal(status: int, body: bytes) -> StudioError:
    """The error for an answer that is not 200."""
    said = f"the gateway said {status}"
    try:
        return _refused(msgspec.json.decode(body)["error"], said)
    except (msgspec.DecodeError, KeyError, TypeError):
        return _refused(body.decode("utf-8", "replace")[:500], said)


def _refused(error: Any, where: str) -> StudioError:
    """OpenAI's error object; its own hint where it has one."""
    found = error if isinstance(error, dict) else {"message": error}
    return Refused("the model did not answer", str(found.get("message", error)), str(found.get("hint") or where))
