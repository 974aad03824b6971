"""Stored chats."""

from __future__ import annotations

from typing import Any

from studio_core.wire.model import Model


class ChatSession(Model):
    id: str
    title: str = "New Chat"
    model: str | None = None
    parent_id: str | None = None
    created_at: str = ""
    updated_at: str = ""
    message_count: int = 0


class ChatMessage(Model):
    """One message. `state` is complete, streaming, stopped (by a person) or interrupted.

    `reasoning` is what a model said to itself before its answer.
    """

    id: str
    session_id: str
    role: str
    content: str | None = None
    model: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    state: str = "complete"
    request_prompt_tokens: int | None = None
    request_completion_tokens: int | None = None
    reasoning: str | None = None
    created_at: str = ""


class Chat(Model):
    session: ChatSession
    messages: list[ChatMessage] = []
