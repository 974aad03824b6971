"""What a stream says of itself in passing: tokens, first token, finish. Right over any chunk boundary."""

from __future__ import annotations

import time
from typing import Any

import msgspec

DONE = b"[DONE]"
# A non-streaming answer is looked into up to this size.
ANSWER_BYTES = 8 * 1024 * 1024


class Observation:
    """Feed it the answer; `feed` gives back what the client sees. `hide_usage`: the usage event was asked for by us."""

    def __init__(self, stream: bool, hide_usage: bool) -> None:
        self.began = time.monotonic()
        self.ttft: float | None = None
        self.chunks = 0
        self.done = False
        self.finish: str | None = None
        self.usage: dict[str, Any] = {}
        self._stream = stream
        self._hide = hide_usage
        self._rest = b""

    @property
    def at_boundary(self) -> bool:
        """Whether a comment may be put in here."""
        return not self._rest

    def feed(self, data: bytes) -> bytes:
        """Whole events of what came; the rest is kept until it is whole."""
        if not self._stream:
            self._rest = (self._rest + data)[:ANSWER_BYTES]
            return data
        *events, self._rest = (self._rest + data.replace(b"\r\n", b"\n")).split(b"\n\n")
        return b"".join(event + b"\n\n" for event in events if self._event(event))

    def end(self) -> bytes:
        """What is left when the answer is over."""
        if not self._stream:
            self._take(self._rest)
            return b""
        rest, self._rest = self._rest, b""
        return rest

    def figures(self) -> dict[str, Any]:
        """The fields of the journal's end line that the answer gave."""
        prompt = self.usage.get("prompt_tokens_details") or {}
        completion = self.usage.get("completion_tokens_details") or {}
        return {
            "ttft_s": self.ttft,
            "duration_s": time.monotonic() - self.began,
            "prompt_tokens": self.usage.get("prompt_tokens"),
            "completion_tokens": self.usage.get("completion_tokens"),
            "cached_tokens": prompt.get("cached_tokens"),
            "reasoning_tokens": completion.get("reasoning_tokens"),
            "finish": self.finish,
            "chunks": self.chunks,
        }

    def _event(self, event: bytes) -> bool:
        """Look at one event; False when the client must not see it."""
        data = b"\n".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
        if data == DONE:
            self.done = True
            return True
        if not data:
            return True
        if self.ttft is None:
            self.ttft = time.monotonic() - self.began
        body = self._take(data)
        only_usage = bool(body.get("usage")) and not body.get("choices")
        self.chunks += not only_usage
        return not (only_usage and self._hide)

    def _take(self, data: bytes) -> dict[str, Any]:
        try:
            body = msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return {}
        if not isinstance(body, dict):
            return {}
        if isinstance(body.get("usage"), dict):
            self.usage = body["usage"]
        for choice in body.get("choices") or ():
            if isinstance(choice, dict) and choice.get("finish_reason"):
                self.finish = str(choice["finish_reason"])
        return body
