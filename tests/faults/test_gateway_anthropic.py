"""Anthropic's paths through a real gateway: errors in their shape, whole and in a stream, and their own client's view."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from studio_core.errors import StudioError
from studio_core.gateway import shape
from tests.faults.gateway_house import KEY, STREAM_HEAD, Asked, Gateways, body_of, chunk, get, post, unchunked, whole

MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "stop_sequence": None,
    "content": [{"type": "text", "text": "hello there"}], "usage": {"input_tokens": 7, "output_tokens": 2},
}


POLICY = {"ping_s": 0.2, "hold_headers_s": 0.2}
together = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def house(shared: Gateways) -> Gateways:
    return shared


def event(kind: str, **fields: Any) -> bytes:
    return chunk(f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode())


BEGIN = event("message_start", message={**MESSAGE, "content": [], "stop_reason": None})
BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
DELTA = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "hello there"})
END = (
    event("content_block_stop", index=0)
    + event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 2})
    + event("message_stop")
)


async def messages(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """An engine with Anthropic's paths."""
    if b"count_tokens" in asked.head.split(b"\r\n")[0]:
        writer.write(whole(200, {"input_tokens": 7}))
    elif asked.json.get("stream"):
        writer.write(STREAM_HEAD + BEGIN + BLOCK + DELTA + END + b"0\r\n\r\n")
    else:
        writer.write(whole(200, MESSAGE))


@pytest.mark.parametrize(("path", "theirs"), [
    ("/v1/messages", True), ("/v1/messages/count_tokens", True), ("/v1/messages/x", True), ("/v1/messages2", False),
    ("/v1/chat/completions", False), ("/messages", False), ("/", False),
])
def test_whose_path_it_is(path: str, theirs: bool) -> None:
    assert shape.anthropic(path) is theirs
    assert (shape.body(path, StudioError("no", "", "why"), "req-1").get("type") == "error") is theirs


def error_of(answer: bytes) -> tuple[int, str]:
    """Status and type; the shape is checked."""
    found = body_of(answer)
    assert set(found) == {"type", "error", "request_id"} and found["type"] == "error"
    assert f"\r\nx-request-id: {found['request_id']}\r\n".encode() in answer
    assert found["error"]["message"]
    return int(answer.split(b" ", 2)[1]), found["error"]["type"]


@together
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
async def test_what_is_wrong_is_said_in_anthropics_shape(house: Gateways, path: str) -> None:
    wrong = "x-api-key: sk-wrong\r\nConnection: close\r\n"
    assert error_of(await house.ask(post({"model": "tiny"}, path, wrong))) == (401, "authentication_error")
    assert error_of(await house.ask(post({"model": "none"}, path))) == (404, "not_found_error")
    assert error_of(await house.ask(post(b"{", path))) == (400, "invalid_request_error")
    assert error_of(await house.ask(get(path))) == (405, "invalid_request_error")
    long = b"POST " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
    assert error_of(await house.ask(long)) == (413, "request_too_large")
    house.publish("failed")
    await house.linked("failed")
    assert error_of(await house.ask(post({"model": "tiny"}, path))) == (503, "overloaded_error")


@together
async def test_an_engine_that_dies_in_a_stream_is_an_error_event_by_name(house: Gateways) -> None:
    async def dies(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + BEGIN + BLOCK)
        await writer.drain()
        writer.transport.abort()

    house.engine.script = dies
    text = unchunked(await house.ask(post({"model": "tiny", "stream": True}, "/v1/messages")))
    kind, data = text.strip().split(b"\n\n")[-1].split(b"\n")
    assert kind == b"event: error"
    assert json.loads(data.removeprefix(b"data: "))["error"]["type"] == "api_error"


@together
async def test_anthropics_own_client(house: Gateways) -> None:
    anthropic = pytest.importorskip("anthropic")
    house.engine.script = messages
    address = f"http://127.0.0.1:{house.port}"
    asked: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
    async with anthropic.AsyncAnthropic(base_url=address, api_key=KEY, max_retries=0) as client:
        answer = await client.messages.create(max_tokens=9, **asked)
        assert (answer.content[0].text, answer.usage.output_tokens) == ("hello there", 2)
        assert (await client.messages.count_tokens(**asked)).input_tokens == 7
        async with client.messages.stream(max_tokens=9, **asked) as stream:
            assert "".join([text async for text in stream.text_stream]) == "hello there"
        with pytest.raises(anthropic.NotFoundError) as unknown:
            await client.messages.create(max_tokens=9, **{**asked, "model": "none"})
        assert "tiny" in unknown.value.body["error"]["message"]
    async with anthropic.AsyncAnthropic(base_url=address, api_key="sk-wrong", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError):
            await client.messages.create(max_tokens=9, **asked)


@together
async def test_anthropics_own_client_hears_of_a_death_in_a_stream(house: Gateways) -> None:
    anthropic = pytest.importorskip("anthropic")

    async def dies(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + BEGIN + BLOCK + DELTA)
        await writer.drain()
        writer.transport.abort()

    house.engine.script = dies
    async with anthropic.AsyncAnthropic(base_url=f"http://127.0.0.1:{house.port}", api_key=KEY, max_retries=0) as client:
        with pytest.raises(anthropic.APIStatusError, match="went away"):
            async with client.messages.stream(model="tiny", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream:
                await stream.get_final_message()
