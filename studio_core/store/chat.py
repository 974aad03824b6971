"""Chats and their messages: vLLM Studio's tables, with a state per message."""

from __future__ import annotations

import json
import secrets
import sqlite3
from datetime import UTC, datetime
from typing import Any

from studio_core import wire
from studio_core.errors import NotFound
from studio_core.store.store import Store

_SESSIONS = (
    "SELECT s.*, (SELECT count(*) FROM chat_messages m WHERE m.session_id = s.id) AS message_count FROM chat_sessions s "
)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")


class ChatTable:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(self) -> list[wire.ChatSession]:
        """Newest first."""
        rows = await self._store.read(_SESSIONS + "ORDER BY s.updated_at DESC, s.rowid DESC")
        return [_session(row) for row in rows]

    async def get(self, chat_id: str) -> wire.Chat:
        """Raises NotFound."""
        rows = await self._store.read(_SESSIONS + "WHERE s.id = ?", (chat_id,))
        if not rows:
            raise NotFound(f"no chat {chat_id}", "", "see: GET /chats")
        messages = await self._store.read(
            "SELECT * FROM chat_messages WHERE session_id = ? ORDER BY created_at, rowid", (chat_id,)
        )
        return wire.Chat(session=_session(rows[0]), messages=[_message(row) for row in messages])

    async def create(self, title: str, model: str | None, chat_id: str | None = None) -> wire.ChatSession:
        chat_id = chat_id or secrets.token_hex(8)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO chat_sessions (id, title, model, created_at, updated_at) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET title = excluded.title, model = excluded.model",
                (chat_id, title, model, _now(), _now()),
            )

        await self._store.write(work)
        return (await self.get(chat_id)).session

    async def change(self, chat_id: str, title: str | None, model: str | None) -> wire.ChatSession:
        """Raises NotFound."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE chat_sessions SET title = coalesce(?, title), model = coalesce(?, model), updated_at = ? WHERE id = ?",
                (title, model, _now(), chat_id),
            )

        await self._store.write(work)
        return (await self.get(chat_id)).session

    async def delete(self, chat_id: str) -> None:
        """Raises NotFound."""

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute("DELETE FROM chat_sessions WHERE id = ?", (chat_id,)).rowcount

        if not await self._store.write(work):
            raise NotFound(f"no chat {chat_id}", "", "see: GET /chats")

    async def append(self, message: wire.ChatMessage) -> wire.ChatMessage:
        """Insert or replace a message by its id. Raises NotFound when its chat does not exist."""
        calls = json.dumps(message.tool_calls) if message.tool_calls is not None else None
        row = (
            message.id or secrets.token_hex(8), message.session_id, message.role, message.content, message.model, calls,
            message.request_prompt_tokens, message.request_completion_tokens, message.created_at or _now(), message.state,
            message.reasoning,
        )

        def work(connection: sqlite3.Connection) -> bool:
            known = connection.execute("SELECT 1 FROM chat_sessions WHERE id = ?", (message.session_id,)).fetchone()
            if not known:
                return False
            connection.execute(
                "INSERT INTO chat_messages (id, session_id, role, content, model, tool_calls, request_prompt_tokens, "
                "request_completion_tokens, created_at, state, reasoning) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET content = excluded.content, model = excluded.model, "
                "tool_calls = excluded.tool_calls, "
                "request_prompt_tokens = excluded.request_prompt_tokens, "
                "request_completion_tokens = excluded.request_completion_tokens, state = excluded.state, "
                "reasoning = excluded.reasoning", row,
            )
            connection.execute("UPDATE chat_sessions SET updated_at = ? WHERE id = ?", (_now(), message.session_id))
            return True

        if not await self._store.write(work):
            raise NotFound(f"no chat {message.session_id}", "", "see: GET /chats")
        rows = await self._store.read("SELECT * FROM chat_messages WHERE id = ?", (row[0],))
        return _message(rows[0])

    async def interrupt(self) -> None:
        """Whatever was still being written when the controller died is kept as it stands, marked."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE chat_messages SET state = 'interrupted' WHERE state = 'streaming'")

        await self._store.write(work)


def _session(row: sqlite3.Row) -> wire.ChatSession:
    return wire.ChatSession(**{name: row[name] for name in row.keys() if name in wire.ChatSession.__struct_fields__})  # noqa: SIM118


def _message(row: sqlite3.Row) -> wire.ChatMessage:
    values: dict[str, Any] = {name: row[name] for name in row.keys() if name in wire.ChatMessage.__struct_fields__}  # noqa: SIM118
    values["tool_calls"] = json.loads(values["tool_calls"]) if values["tool_calls"] else None
    return wire.ChatMessage(**values)
