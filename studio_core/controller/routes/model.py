"""Model files, and the tokenizer of the running engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from studio_core import wire
from studio_core.controller.endpoint import Call, Endpoint, Table
from studio_core.controller.tokenizer import Tokenizer


class Text(wire.Model):
    """A text to count; `prompt` is another name for `text`. Without a model the running one's tokenizer counts."""

    text: str = ""
    prompt: str = ""
    model: str = ""


class Conversation(wire.Model):
    """A chat request to count."""

    messages: list[dict[str, Any]] = []
    tools: list[dict[str, Any]] = []
    model: str = ""


class Counted(wire.Model):
    num_tokens: int
    model: str


class Breakdown(wire.Model):
    messages: int
    tools: int


class Measured(wire.Model):
    """`input_tokens` is their sum."""

    input_tokens: int
    breakdown: Breakdown
    model: str


async def files(call: Call) -> Mapping[str, Any]:
    return await call.services.models()


async def count(call: Call) -> Counted:
    body: Text = call.body
    tokenizer = Tokenizer.of(call.services.supervisor, body.model)
    return Counted(num_tokens=await tokenizer.count(body.text or body.prompt), model=tokenizer.model)


async def measure(call: Call) -> Measured:
    body: Conversation = call.body
    tokenizer = Tokenizer.of(call.services.supervisor, body.model)
    messages = await tokenizer.count_messages(body.messages)
    tools = await tokenizer.count(msgspec.json.encode(body.tools).decode()) if body.tools else 0
    return Measured(input_tokens=messages + tools, breakdown=Breakdown(messages=messages, tools=tools), model=tokenizer.model)


ENDPOINTS: Table = {
    ("GET", "/v1/studio/models"): Endpoint(files),
    ("POST", "/v1/count-tokens"): Endpoint(count, Counted, body=Text),
    ("POST", "/v1/tokenize-chat-completions"): Endpoint(measure, Measured, body=Conversation),
}
