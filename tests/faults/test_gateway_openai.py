"""OpenAI's own Python client against the gateway: tools in a stream, errors as its exceptions, and cancellation."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import openai
import pytest

from studio_core.gateway.table import Ask
from tests.faults.gateway_house import KEY, STREAM_HEAD, Asked, Gateways, chunk, event, whole
from tests.wait import eventually

ASKED: dict[str, Any] = {"model": "tiny", "messages": [{"role": "user", "content": "hi"}]}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}},
}}}


POLICY = {"ping_s": 0.2, "hold_headers_s": 0.2}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def house(shared: Gateways) -> Gateways:
    return shared


def client(house: Gateways, key: str = KEY, retries: int = 0) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{house.port}/v1", api_key=key, max_retries=retries)


def delta(fields: dict[str, Any], finish: str | None = None) -> bytes:
    return chunk(b"data: " + json.dumps({
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": fields, "finish_reason": finish}],
    }).encode() + b"\n\n")


async def tools(asked: Asked, writer: asyncio.StreamWriter) -> None:
    """Calls the tool that it was given, its arguments in pieces, and answers when it has the result."""
    if asked.json["messages"][-1]["role"] == "tool":
        writer.write(STREAM_HEAD + delta({"content": asked.json["messages"][-1]["content"]}, "stop"))
    else:
        name = asked.json["tools"][0]["function"]["name"]
        first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
        writer.write(STREAM_HEAD + delta({"role": "assistant", "tool_calls": [first]}))
        for piece in ('{"ci', 'ty": "Par', 'is\\n"}'):
            writer.write(delta({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}))
        writer.write(delta({}, "tool_calls"))
    writer.write(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")


async def test_a_tool_is_called_in_a_stream_and_its_result_answered(house: Gateways) -> None:
    house.engine.script = tools
    async with client(house) as one:
        async with one.chat.completions.stream(**ASKED, tools=[TOOL]) as stream:
            answer = (await stream.get_final_completion()).choices[0]
        assert answer.finish_reason == "tool_calls" and answer.message.tool_calls is not None
        [call] = answer.message.tool_calls
        assert (call.id, call.function.name, json.loads(call.function.arguments)) == ("call_1", "weather", {"city": "Paris\n"})
        messages = [*ASKED["messages"], answer.message.model_dump(exclude_none=True),
                    {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
        stream2 = await one.chat.completions.create(model="tiny", messages=messages, stream=True)
        assert "".join([part.choices[0].delta.content or "" async for part in stream2]) == "sunny"
    assert house.engine.asked[0].json["tools"] == [TOOL]
    ends = await house.ended(2)
    assert [end["finish"] for end in ends] == ["tool_calls", "stop"]


async def test_each_refusal_is_the_exception_that_it_should_be(house: Gateways) -> None:
    async def refuses(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(422, {"error": {"message": "no such sampler", "type": "x", "param": None, "code": 7}}))

    async with client(house) as one, client(house, "sk-wrong") as stranger:
        with pytest.raises(openai.AuthenticationError) as strange:
            await stranger.chat.completions.create(**ASKED)
        assert strange.value.code == "invalid_api_key" and strange.value.request_id
        with pytest.raises(openai.NotFoundError):
            await one.chat.completions.create(**{**ASKED, "model": "nobody"})
        with pytest.raises(openai.BadRequestError):
            await one.chat.completions.create(**{**ASKED, "model": ""})
        house.engine.script = refuses
        for stream in (False, True):
            with pytest.raises(openai.UnprocessableEntityError, match="no such sampler"):
                await one.chat.completions.create(**ASKED, stream=stream)
        await house.linked("held")
        with pytest.raises(openai.InternalServerError, match="because") as held:
            await one.chat.completions.create(**ASKED)
        assert (held.value.status_code, held.value.code) == (503, "on_hold")


async def test_a_death_in_a_stream_is_an_exception_and_no_end(house: Gateways) -> None:
    async def dies(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + chunk(event("half")))
        await writer.drain()
        writer.transport.abort()

    house.engine.script = dies
    async with client(house) as one:
        stream = await one.chat.completions.create(**ASKED, stream=True)
        said = []
        with pytest.raises(openai.APIError, match="went away"):
            async for part in stream:
                said.append(part.choices[0].delta.content)
        assert said == ["half"]
    assert len(house.engine.asked) == 1, "nothing is generated twice"


@pytest.mark.parametrize("how", ["close", "cancel", "timeout"])
async def test_who_does_not_want_it_any_more_ends_the_engine_s_work(house: Gateways, how: str) -> None:
    async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.json.get("stream"):
            writer.write(STREAM_HEAD + chunk(event("a")))
        await asyncio.Event().wait()

    house.engine.script = endless
    async with client(house) as one:
        if how == "close":
            stream = await one.chat.completions.create(**ASKED, stream=True)
            await anext(aiter(stream))
            await stream.close()
        elif how == "cancel":
            task = asyncio.create_task(one.chat.completions.create(**ASKED))
            await eventually(lambda: len(house.engine.asked) == 1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        else:
            with pytest.raises(openai.APITimeoutError):  # Not before it has reached the engine.
                await one.with_options(timeout=2.0).chat.completions.create(**ASKED)
        await eventually(lambda: house.engine.gone == 1)
    [end] = await house.ended(1)
    assert (end["status"], end["outcome"]) == (499, "cancelled")


async def test_what_a_person_cancels_is_not_tried_again_by_the_client(house: Gateways) -> None:
    async def silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    house.engine.script = silent
    async with client(house, retries=3) as one:
        task = asyncio.create_task(one.chat.completions.create(**ASKED))
        await eventually(lambda: len(house.engine.asked) == 1)
        [told] = await house.link.ask(Ask(number=0))
        await house.link.ask(Ask(number=0, cut=told.flights[0].id, by="k1"))
        with pytest.raises(openai.APIStatusError, match="cancelled") as cut:
            await task
        assert cut.value.status_code == 499
    assert len(house.engine.asked) == 1
