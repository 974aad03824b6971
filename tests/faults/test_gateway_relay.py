"""Requests through a real gateway process to a scripted engine: what both sides see, and what is written down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re

import msgspec
import openai
import psutil
import pytest

from tests.faults.gateway_house import (
    KEY,
    STREAM_HEAD,
    Asked,
    Gateways,
    body_of,
    chunk,
    event,
    get,
    post,
    unchunked,
    whole,
)
from tests.wait import eventually

POLICY = {"ping_s": 0.2, "hold_headers_s": 0.2}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def house(shared: Gateways) -> Gateways:
    return shared


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def request_id(answer: bytes) -> str:
    found = re.search(rb"\r\nx-request-id: (\S+)\r\n", answer)
    assert found is not None
    return found[1].decode()


async def test_an_answer_and_its_two_lines(house: Gateways) -> None:
    headers = f"Authorization: Bearer {KEY}\r\nX-Request-Id: mine\r\nConnection: close\r\n"
    answer = await house.ask(post({"model": "alias", "messages": []}, headers=headers))
    assert status(answer) == 200
    assert body_of(answer)["choices"][0]["message"]["content"] == "hello there"
    asked = house.engine.asked[0]
    assert asked.json == {"model": "m", "messages": []}
    assert KEY.encode() not in asked.head
    assert b"Bearer sk-engine" in asked.head
    assert b"x-request-id: " + request_id(answer).encode() in asked.head
    [end] = await house.ended(1)
    start = house.journal()[0]
    assert start["id"] == end["id"] == request_id(answer) != "mine"
    assert (start["model"], start["recipe"], start["key"], start["stream"]) == ("alias", "tiny", "k1", False)
    assert (end["status"], end["outcome"], end["instance"]) == (200, "ok", "tiny-1")
    assert (end["completion_tokens"], end["finish"]) == (2, "stop")


async def test_a_stream_without_the_usage_that_only_we_asked_for(house: Gateways) -> None:
    answer = await house.chat(stream=True)
    assert b"x-accel-buffering: no" in answer
    assert unchunked(answer) == event("hello ") + event("there", "stop") + b"data: [DONE]\n\n"
    assert house.engine.asked[0].json["stream_options"] == {"include_usage": True}
    [end] = await house.ended(1)
    assert (end["prompt_tokens"], end["completion_tokens"], end["chunks"]) == (7, 2, 2)
    assert 0 <= end["ttft_s"] <= end["duration_s"]


async def test_a_body_that_needs_no_change_goes_through_byte_for_byte(house: Gateways) -> None:
    body = b'{ "model":"tiny",  "messages":[], "x":1.0, "x":2 }'
    house.publish("ready", model="tiny")

    async def arrived() -> bool:
        return status(await house.ask(post(body))) == 200 and house.engine.asked[-1].body == body

    await eventually(arrived, what="the new table is there, and the body as it was")


async def test_the_openai_client(house: Gateways) -> None:
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{house.port}/v1", api_key=KEY, max_retries=0) as client:
        assert [model.id async for model in client.models.list()] == ["tiny"]
        assert (await client.models.retrieve("Alias")).id == "Alias"
        answer = await client.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "hi"}])
        assert answer.choices[0].message.content == "hello there"
        assert answer.usage is not None and answer.usage.total_tokens == 9
        stream = await client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": "hi"}], stream=True, stream_options={"include_usage": True}
        )
        chunks = [part async for part in stream]
        assert "".join(part.choices[0].delta.content or "" for part in chunks if part.choices) == "hello there"
        assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 2
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.chat.completions.create(model="nobody", messages=[])
        assert unknown.value.code == "model_not_found"
        assert "tiny" in unknown.value.message


async def test_a_client_that_leaves_while_nothing_comes_ends_the_engines_work(house: Gateways) -> None:
    async def silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    house.engine.script = silent
    for stream in (False, True):
        before = house.engine.gone
        _, writer = await house.connect()
        writer.write(post({"model": "tiny", "stream": stream, "messages": []}))
        await eventually(lambda: len(house.engine.asked) == before + 1)  # noqa: B023
        writer.close()
        await eventually(lambda: house.engine.gone == before + 1)  # noqa: B023
    ends = await house.ended(2)
    assert {(end["status"], end["outcome"]) for end in ends} == {(499, "cancelled")}
    await eventually(lambda: house.link.inflight.total() == 0)


async def test_an_engine_that_dies_in_a_stream_is_said_and_not_done(house: Gateways) -> None:
    async def dies(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM_HEAD + chunk(event("hel")) + b"40\r\ndata: {\"cho")
        await writer.drain()
        writer.transport.abort()

    house.engine.script = dies
    text = unchunked(await house.chat(stream=True))
    assert text.startswith(event("hel"))
    assert b"[DONE]" not in text
    last = json.loads(text.strip().splitlines()[-1].removeprefix(b"data: "))
    assert last["error"]["code"] == "upstream_failed"
    [end] = await house.ended(1)
    assert (end["status"], end["outcome"]) == (502, "failed")


async def test_a_cut_answer_that_is_no_stream_is_cut_here_too(house: Gateways) -> None:
    async def dies(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(200, {"choices": "x" * 1000})[:300])

    house.engine.script = dies
    with pytest.raises((ConnectionError, json.JSONDecodeError)):
        body_of(await house.chat())
    [end] = await house.ended(1)
    assert (end["status"], end["outcome"]) == (502, "failed")


async def test_an_engines_own_error_keeps_its_status(house: Gateways) -> None:
    async def refuses(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(422, {"error": {"message": "no such sampler"}}))

    house.engine.script = refuses
    answer = await house.chat(stream=True)
    assert status(answer) == 422
    assert body_of(answer)["error"]["message"] == "no such sampler"
    [end] = await house.ended(1)
    assert (end["status"], end["outcome"]) == (422, "rejected")


async def test_silence_is_filled_with_pings_but_not_inside_an_event(house: Gateways) -> None:
    half, go_on = event("hello", "stop"), asyncio.Event()

    async def slow(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.json.get("clock"):
            await asyncio.Event().wait()
        writer.write(STREAM_HEAD + chunk(half[:20]))
        await go_on.wait()
        writer.write(chunk(half[20:]) + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")

    house.engine.script = slow
    torn = asyncio.create_task(house.chat(stream=True))
    await eventually(lambda: len(house.engine.asked) == 1)
    reader, writer = await house.connect()
    writer.write(post({"model": "tiny", "stream": True, "messages": [], "clock": True}))
    async with asyncio.timeout(60):
        seen = b"".join([await reader.readuntil(b": ping\n\n") for _ in range(4)])
    writer.close()
    assert seen.startswith(b"HTTP/1.1 200")
    go_on.set()
    assert unchunked(await torn) == half + b"data: [DONE]\n\n"


async def test_bad_bodies_are_refused_in_openais_shape_and_written_down(house: Gateways) -> None:
    for body in (b"", b"{", b"[]", b'{"model": 3}', b'{"messages": []}', b'{"model": "\xff"}', b"[" * 100_000,
                 b'{"model":"tiny","\xff":1}', b'{"model":"tiny","stream":true,"\xff":1}'):
        answer = await house.ask(post(body))
        assert status(answer) == 400
        assert body_of(answer)["error"]["request_id"] == request_id(answer)
    ends = await house.ended(9)
    assert {(end["status"], end["outcome"]) for end in ends} == {(400, "rejected")}
    assert not house.engine.asked


async def test_a_stranger_and_a_giant_read_why_though_they_still_send(house: Gateways) -> None:
    body = b"x" * (65 * 1024 * 1024)
    answer = await house.ask(post(body))
    assert status(answer) == 413
    assert body_of(answer)["error"]["code"] == "request_too_large"
    answer = await house.ask(post(body[: 2**20], headers="Authorization: Bearer sk-wrong\r\n"))
    assert status(answer) == 401
    assert b"www-authenticate: Bearer" in answer
    assert not house.engine.asked


async def test_pipelined_requests_are_answered_in_order(house: Gateways) -> None:
    first = post({"model": "tiny", "messages": ["a" * 3000]}, headers="")
    answer = await house.ask(first + get("/health").replace(b"Connection: close\r\n", b"") + get("/v1/models", method="HEAD"))
    assert [int(one) for one in re.findall(rb"HTTP/1.1 (\d+)", answer)] == [200, 200, 200]
    assert answer.index(b"hello there") < answer.index(b'"status":"ok"')
    assert answer.endswith(b"\r\n\r\n"), "HEAD has no body"


async def test_http_1_0_gets_a_stream_without_chunks(house: Gateways) -> None:
    data = post({"model": "tiny", "stream": True, "messages": []}, headers="").replace(b"HTTP/1.1", b"HTTP/1.0")
    answer = await house.ask(data)
    assert b"transfer-encoding" not in answer
    assert answer.partition(b"\r\n\r\n")[2] == event("hello ") + event("there", "stop") + b"data: [DONE]\n\n"


async def test_what_the_gateway_says_of_itself_and_of_paths(house: Gateways) -> None:
    assert body_of(await house.ask(get("/health")))["status"] == "ok"
    found = body_of(await house.ask(get("/v1/models/Alias")))
    assert (found["id"], found["active"], found["owned_by"]) == ("Alias", True, "vllm-studio")
    assert status(await house.ask(get("/v1/models/none"))) == 404
    wrong = await house.ask(get("/v1/chat/completions"))
    assert status(wrong) == 405
    assert b"allow: POST" in wrong
    socket = await house.ask(get("/v1/x", "Upgrade: websocket\r\n").replace(b"Connection: close", b"Connection: Upgrade"))
    assert status(socket) == 400
    assert "WebSocket" in body_of(socket)["error"]["message"]


async def test_an_allowed_page_may_ask_and_read(house: Gateways) -> None:
    house.policy = msgspec.structs.replace(house.policy, allowed_origins=["https://ui.example"])
    house.publish("ready")
    origin = "Origin: https://ui.example\r\n"
    asking = get("/v1/chat/completions", origin, "OPTIONS")
    await eventually(lambda: allowed(house, asking))
    for data in (get("/v1/models", origin), get("/v1/models/none", origin), post({"model": "tiny"}, headers=origin)):
        answer = await house.ask(data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        assert b"access-control-allow-origin: https://ui.example" in answer
    assert status(await house.ask(get("/v1/models", "Origin: https://evil.example\r\n"))) == 403


async def allowed(house: Gateways, asking: bytes) -> bool:
    answer = await house.ask(asking)
    return status(answer) == 204 and b"access-control-allow-methods: POST" in answer


async def test_a_slow_reader_holds_the_engine_back(house: Gateways) -> None:
    piece, written = chunk(event("x" * 60_000)), 0

    async def floods(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(STREAM_HEAD)
        while True:
            writer.write(piece)
            await writer.drain()
            written += len(piece)

    async def stuck() -> bool:
        before = written
        await house.ask(get("/health"))
        return written == before > 0

    house.engine.script = floods
    reader, writer = await house.connect()
    writer.write(post({"model": "tiny", "stream": True, "messages": []}))
    await reader.readuntil(b"\r\n\r\n")
    await eventually(stuck)
    # What the sockets of three hops hold, and little more.
    assert written < 24 * 1024 * 1024
    process = psutil.Process(house.pid)
    assert process.memory_info().rss < 120 * 1024 * 1024
    writer.close()
    await eventually(lambda: house.engine.gone == 1)


async def test_an_engine_s_own_path_is_for_its_owner(house: Gateways) -> None:
    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(200, {"slots": [1]}))

    house.engine.script = script
    assert status(await house.ask(get("/upstream/tiny-1/slots"))) == 403
    mine = f"Authorization: Bearer {KEY}\r\nCookie: a=b\r\n"
    for name in ("tiny-1", "tiny"):
        answer = await house.ask(get(f"/upstream/{name}/slots?x=1", mine))
        assert (status(answer), body_of(answer)) == (200, {"slots": [1]})
        asked = house.engine.asked[-1].head
        assert asked.startswith(b"GET /slots?x=1 HTTP/1.1") and b"Bearer sk-engine" in asked
        assert KEY.encode() not in asked and b"cookie" not in asked.lower()
    refused = await house.ask(get("/upstream/nobody/slots", mine))
    assert (status(refused), body_of(refused)["title"]) == (404, "nothing runs as nobody")
    ends = await house.ended(2)
    assert {(end["outcome"], end["instance"]) for end in ends} == {("ok", "tiny-1")}


async def test_an_engine_that_hangs_up_on_its_owner_is_said(house: Gateways) -> None:
    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.close()

    house.engine.script = script
    answer = await house.ask(get("/upstream/tiny/slots", f"Authorization: Bearer {KEY}\r\n"))
    assert (status(answer), body_of(answer)["code"]) == (502, "upstream_failed")
    [end] = await house.ended(1)
    assert (end["status"], end["outcome"]) == (502, "failed")


def answer_of(asked: Asked) -> bytes:
    """What a keep-alive engine says; its content is the question."""
    return whole(200, {"choices": [{"message": {"content": asked.json["messages"]}}], "usage": {"completion_tokens": 1}})


async def test_connections_to_an_engine_are_used_again_and_answers_are_never_mixed_up(house: Gateways) -> None:
    made = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal made
        made += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                asked = Asked(head, await reader.readexactly(length))
                if asked.json.get("stream"):
                    writer.write(STREAM_HEAD + chunk(event("never ends")))
                    await reader.read()
                    house.engine.gone += 1
                    return
                writer.write(answer_of(asked))

    engine = await asyncio.start_server(serve, "127.0.0.1", 0)
    house.engine.port = engine.sockets[0].getsockname()[1]
    house.publish("ready")
    await house.linked()
    try:
        for number in range(5):
            assert body_of(await house.chat(messages=number))["choices"][0]["message"]["content"] == number
        assert made == 1
        # A stream on that connection whose client leaves: it is closed, not given to the next request.
        reader, writer = await house.connect()
        writer.write(post({"model": "tiny", "stream": True, "messages": []}))
        await reader.readuntil(b"never ends")
        writer.transport.abort()
        await eventually(lambda: house.engine.gone == 1, what="the engine sees that nobody waits")
        assert body_of(await house.chat(messages="mine"))["choices"][0]["message"]["content"] == "mine"
        assert made == 2
        # Many at once: each its own.
        found = await asyncio.gather(*(house.chat(messages=f"n{number}") for number in range(40)))
        assert [body_of(one)["choices"][0]["message"]["content"] for one in found] == [f"n{number}" for number in range(40)]
    finally:
        engine.close()


async def test_a_connection_that_the_engine_closed_meanwhile_is_tried_once_more(house: Gateways) -> None:
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers once, and drops the next request unread: as an engine whose keep-alive ended in that moment."""
        nonlocal requests
        with contextlib.suppress(asyncio.IncompleteReadError):  # The last one waits until the gateway ends.
            for turn in range(2):
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                asked = Asked(head, await reader.readexactly(length))
                requests += 1
                if turn:
                    break
                writer.write(answer_of(asked))
        writer.transport.abort()

    engine = await asyncio.start_server(serve, "127.0.0.1", 0)
    house.engine.port = engine.sockets[0].getsockname()[1]
    house.publish("ready")
    await house.linked()
    try:
        for number in range(4):
            assert body_of(await house.chat(messages=number))["choices"][0]["message"]["content"] == number
        # Each but the first was sent on a connection that dropped it, then on a new one.
        assert requests == 7
    finally:
        engine.close()
