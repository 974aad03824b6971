"""Logs and chats."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from studio_core import wire
from studio_core.client.connection import Connection, Stream
from studio_core.wire.parse import convert

# Three pings that did not come.
SILENCE_S = 45.0


class TalkCalls(Connection):
    """What is said: by engines into their logs, by people and models in chats."""

    def logs(self) -> list[wire.LogFile]:
        return self._get("/logs", wire.Logs).sessions

    def log(self, log_id: str, **query: Any) -> wire.LogPage:
        """Lines of a log; the query is that of GET /logs/{id}."""
        asked = urlencode({name: value for name, value in query.items() if value is not None})
        return self._get(f"/logs/{quote(log_id, safe='')}?{asked}", wire.LogPage)

    def follow(self, log_id: str, offset: int = 0, generation: int = 0) -> Stream:
        """A log from a byte on: events log, skipped, end. An event's id is `generation:offset`, from where to go on."""
        query = urlencode({"offset": offset, "generation": generation})
        return self._stream("GET", f"/logs/{quote(log_id, safe='')}/stream?{query}", silence=SILENCE_S)

    def delete_log(self, log_id: str) -> None:
        self._send("DELETE", f"/logs/{quote(log_id, safe='')}", Any)

    def chats(self) -> list[wire.ChatSession]:
        return self._get("/chats", list[wire.ChatSession])

    def new_chat(self, model: str | None = None, title: str = "New Chat") -> wire.ChatSession:
        answer: dict[str, Any] = self._send("POST", "/chats", dict[str, Any], {"model": model, "title": title})
        session: wire.ChatSession = convert(answer.get("session", answer), wire.ChatSession)
        return session

    def chat(self, chat_id: str) -> wire.Chat:
        return self._get(f"/chats/{quote(chat_id, safe='')}", wire.Chat)

    def rename_chat(self, chat_id: str, title: str) -> None:
        self._send("PUT", f"/chats/{quote(chat_id, safe='')}", Any, {"title": title})

    def delete_chat(self, chat_id: str) -> None:
        self._send("DELETE", f"/chats/{quote(chat_id, safe='')}", Any)

    def turn(self, chat_id: str, text: str, model: str | None = None, ping: float = 0.0) -> Stream:
        """Ask, and stream the answer: message, delta, thought, alive, usage, done, error.

        `ping`: so many seconds without an event are at most without a sign of life (0: as the server likes it). Where three
        of the server's own are missing the stream ends, `silent`; the answer may go on without us.
        """
        body = {"content": text, "model": model}
        query = f"?ping={ping:g}" if ping else ""
        return self._stream("POST", f"/chats/{quote(chat_id, safe='')}/turn{query}", body, silence=SILENCE_S)

    def stop_turn(self, chat_id: str) -> wire.ChatMessage:
        """End the answer that is being written; answers with what there is of it. Raises NotFound when there is none."""
        return self._send("DELETE", f"/chats/{quote(chat_id, safe='')}/turn", wire.ChatMessage)
