"""Two models that exclude each other, and requests for both: swaps are few, nobody is lost, and a start that fails is said."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.house import House, house
from tests.wait import eventually


async def ask(home: House, model: str, **fields: object) -> tuple[int, bytes]:
    """Status and body of a plain request, however long it waits."""
    data = json.dumps({"model": model, "messages": [], "max_tokens": 2, **fields}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", home.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                 % (len(data), data))
    try:
        async with asyncio.timeout(90):
            answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


@pytest.mark.timeout(300)
@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.slow)])
async def test_requests_that_alternate_between_two_models_and_a_switch_that_fails(state_dir: Path, count: int) -> None:
    with house(state_dir) as home:
        for name in ("a", "b"):
            await asyncio.to_thread(home.recipe, name, load_s=0.2, token_s=0.02)
        found = await asyncio.gather(*(ask(home, "ab"[number % 2]) for number in range(count)))
        assert {status for status, _ in found} == {200}
        status = await asyncio.to_thread(home.status)
        # In the order of their coming each but the first would be a swap of its own.
        assert len(status.launches) <= max(4, count // 5)
        assert {one.state for one in status.launches} == {"ready"}
        await asyncio.to_thread(home.recipe, "bad", refuse="--ctx-size")
        found = await asyncio.gather(*(ask(home, "bad") for _ in range(5)))
        assert {status for status, _ in found} == {503}
        assert {json.loads(body)["error"]["code"] for _, body in found} == {"launch_failed"}
        assert (await ask(home, "a"))[0] == 200, "the other is there again as soon as somebody asks for it"

        async def quiet() -> bool:
            return not (await asyncio.to_thread(home.status)).gateway.waiting

        await eventually(quiet)
