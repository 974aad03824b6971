"""A chat turn: the person's message, the answer through the gateway, both stored, whoever listens or leaves."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

from studio_core import loopback, wire
from studio_core.chat.answer import Answer, Torn, data_of, refusal
from studio_core.errors import Conflict, NotFound, StudioError, Unavailable
from studio_core.store.chat import ChatTable

# What a crash may lose of an answer.
FLUSH_S = 0.25
TITLE_CHARS = 60
# The gateway pings a silent stream: a model may take its time, a connection on which three pings in a row are missing is dead.
PING_S, PINGS, CONNECT_S = 15.0, 3, 5.0
_END = None


class Turns:
    """`address()` is the gateway's, `key()` one of its keys: everything that generates goes through it.

    `ping_s`: seconds after which the gateway says something on a silent stream.
    """

    def __init__(self, chats: ChatTable, address: Callable[[], str], key: Callable[[], str], ping_s: float = PING_S) -> None:
        self._chats = chats
        self._address = address
        self._key = key
        self._patience = httpx.Timeout(None, connect=CONNECT_S, read=PINGS * ping_s)
        self._busy: set[str] = set()
        self._running: dict[str, tuple[Answer, asyncio.Task[None]]] = {}

    async def start(self) -> None:
        """What an earlier controller was writing when it died is marked interrupted."""
        await self._chats.interrupt()

    async def stop(self) -> None:
        """Break off what runs; its text so far is stored, marked interrupted."""
        tasks = [task for _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def end(self, chat_id: str) -> wire.ChatMessage:
        """A person wants no more of an answer: the engine stops, the text so far is stored and marked stopped. NotFound."""
        if chat_id not in self._running:
            raise NotFound("no answer is being written in this chat", "", "see: GET /chats")
        answer, task = self._running[chat_id]
        answer.message.state = "stopped"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return answer.message

    async def turn(self, chat_id: str, content: str, model: str | None) -> AsyncIterator[wire.Event]:
        """Events: message (the stored question), delta, thought, alive (nothing yet, but the connection holds), usage, error,
        done (the stored answer). The reader may leave.

        Raises:
            NotFound: no such chat. Conflict: it is answering already, or no model was chosen. DiskFull: nothing was stored.
        """
        if chat_id in self._busy:
            raise Conflict("this chat is being answered", "", "wait for the answer, or open another chat")
        self._busy.add(chat_id)
        try:
            question, history, answer = await self._begin(chat_id, content, model)
        except BaseException:
            self._busy.discard(chat_id)
            raise
        answer.tell("message", wire.to_builtins(question))
        task = asyncio.create_task(self._answer(history, answer), name=f"turn {chat_id}")
        self._running[chat_id] = answer, task
        task.add_done_callback(lambda _: self._running.pop(chat_id))
        try:
            while (event := await answer.events.get()) is not _END:
                yield event
        finally:
            answer.heard = False

    async def _begin(
        self, chat_id: str, content: str, model: str | None
    ) -> tuple[wire.ChatMessage, list[dict[str, Any]], Answer]:
        """Store the question, and the answer's beginning."""
        chat = await self._chats.get(chat_id)
        model = model or chat.session.model
        if not model:
            raise Conflict("no model was chosen for this chat", "", "name one in the request")
        asked = wire.ChatMessage(id=secrets.token_hex(8), session_id=chat_id, role="user", content=content)
        question = await self._chats.append(asked)
        if not chat.messages:
            title = title_of(content) if chat.session.title == "New Chat" else None
            await self._chats.change(chat_id, title, model)
        answer = Answer(await self._chats.append(wire.ChatMessage(
            id=secrets.token_hex(8), session_id=chat_id, role="assistant", content="", model=model, state="streaming"
        )))
        return question, [_sent(one) for one in (*chat.messages, question) if one.content or one.tool_calls], answer

    async def _answer(self, history: list[dict[str, Any]], answer: Answer) -> None:
        keeper = asyncio.create_task(self._keep(answer))
        try:
            await self._stream(history, answer)
            answer.message.state = "complete"
        except StudioError as error:
            answer.tell("error", error.body())
        except httpx.ReadTimeout:
            silent = Unavailable("the answer broke off", f"nothing came for {self._patience.read:g} s, not even a sign of life",
                                 "see the model's log; what came is kept, send the message again")
            answer.tell("error", silent.body())
        except (httpx.HTTPError, OSError) as error:
            broken = Unavailable("the answer broke off", f"{type(error).__name__} {error}".strip(), "send the message again")
            answer.tell("error", broken.body())
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            if answer.message.state == "streaming":
                answer.message.state = "interrupted"
            await self._store(answer)

    async def _stream(self, history: list[dict[str, Any]], answer: Answer) -> None:
        """Raises Refused, Torn, httpx.HTTPError."""
        body = {
            "model": answer.message.model, "messages": history, "stream": True, "stream_options": {"include_usage": True},
        }
        headers = {"Authorization": f"Bearer {self._key()}"}
        async with (
            loopback.client(self._patience) as client,
            client.stream("POST", f"{self._address()}/v1/chat/completions", json=body, headers=headers) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise refusal(response.status_code, await response.aread())
            async for data in data_of(response.aiter_bytes()):
                answer.take(data) if data is not None else answer.tell("alive", {})
        if not answer.whole:
            raise Torn("the answer broke off", "the stream ended without its end mark", "see the model's log")

    async def _keep(self, answer: Answer) -> None:
        """Store the text as it grows; a full disk is tried again."""
        while True:
            await asyncio.sleep(FLUSH_S)
            if answer.unsaved:
                with contextlib.suppress(StudioError):
                    await self._chats.append(answer.saved())

    async def _store(self, answer: Answer) -> None:
        """Store the whole, tell the reader, and let the chat go on."""
        try:
            stored = await self._chats.append(answer.saved())
            answer.tell("done", wire.to_builtins(stored))
        except StudioError as error:
            answer.tell("error", error.body())
        finally:
            self._busy.discard(answer.message.session_id)
            answer.events.put_nowait(_END)


def title_of(content: str) -> str | None:
    """The first words, whole ones; None for a text without any."""
    words = " ".join(content.split())
    if len(words) <= TITLE_CHARS:
        return words or None
    return words[:TITLE_CHARS].rsplit(" ", 1)[0] + "…"


def _sent(message: wire.ChatMessage) -> dict[str, Any]:
    plain: dict[str, Any] = {"role": message.role, "content": message.content or ""}
    return {**plain, "tool_calls": message.tool_calls} if message.tool_calls else plain
