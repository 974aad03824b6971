"""What people and programs get wrong: a clear answer, never a 500, nothing left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.core.control import RECIPE, control

# method, path, body (bytes as they are, else JSON), status, a word of the answer
TABLE: list[tuple[str, str, Any, int, str]] = [
    ("GET", "/nothing", None, 404, "openapi"),
    ("PATCH", "/recipes", None, 405, "GET"),
    ("POST", "/status", None, 405, "GET"),
    ("GET", "/health", None, 404, "gateway"),
    ("GET", "/v1/nothing", None, 404, "openapi"),
    ("POST", "/recipes", b"{not json", 400, "JSON"),
    ("POST", "/recipes", b"\xff\xfe", 400, "JSON"),
    ("POST", "/recipes", b'{"a":' * 100_000, 400, "JSON"),
    ("POST", "/recipes", b"", 422, "model_path"),
    ("POST", "/recipes", [1], 422, "object"),
    ("POST", "/recipes", {"id": "../../etc", "model_path": "/m"}, 422, "id"),
    ("POST", "/recipes", {"id": "a", "model_path": "/m", "tp": "many"}, 422, "tp"),
    ("POST", "/recipes", {"id": "a", "model_path": "/m", "trust_remote_code": "false"}, 422, "trust_remote_code"),
    ("POST", "/recipes", {"id": "a", "model_path": "/m", "version": "one"}, 422, "version"),
    ("PUT", "/recipes/none", {"model_path": "/m"}, 404, "none"),
    ("DELETE", "/recipes/none", None, 404, "none"),
    ("GET", "/recipes/%2e%2e%2f%2e%2e%2fetc%2fpasswd", None, 404, "such"),
    ("GET", "/recipes/%00", None, 404, "recipe"),
    ("GET", "/logs/..%2f..%2fcontroller.db", None, 404, "such"),
    ("GET", "/logs/..", None, 404, ""),
    ("GET", "/logs/controller.db", None, 404, "log"),
    ("GET", "/logs/none?limit=0", None, 422, "limit"),
    ("GET", "/logs/none?limit=nan", None, 422, "limit"),
    ("DELETE", "/logs/..", None, 404, ""),
    ("POST", "/launch/none", None, 404, "none"),
    ("POST", "/launch/tiny", None, 422, "tiny.gguf"),
    ("POST", "/launch/tiny?force=perhaps", None, 422, "force"),
    ("POST", "/launch/tiny/cancel", None, 404, "launch"),
    ("POST", "/evict?instance=none", None, 404, "none"),
    ("GET", "/wait-ready?timeout=forever", None, 422, "timeout"),
    ("GET", "/wait-ready?timeout=nan", None, 422, "timeout"),
    ("POST", "/chats/none/messages", {"content": "x"}, 404, "none"),
    ("POST", "/chats", {"title": 3}, 422, "title"),
    ("POST", "/chats/none/messages", {"content": "x", "request_prompt_tokens": 2**80}, 422, "tokens"),
    ("POST", "/chats/none/turn", {}, 422, "content"),
    ("POST", "/v1/count-tokens", {"text": "x"}, 503, "running"),
    ("POST", "/v1/count-tokens", {"text": 5}, 422, "text"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "word"), TABLE, ids=[f"{row[0]} {row[1]} {row[3]}" for row in TABLE])
async def test_bad_input(tmp_path: Path, method: str, path: str, body: Any, status: int, word: str) -> None:
    async with control(tmp_path) as house:
        await house.owner.post("/recipes", json=RECIPE)
        content = {"content": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
        answer = await house.owner.request(method, path, **content)
        assert answer.status_code == status, answer.text
        assert word in answer.text
        found = answer.json()
        if path.startswith("/v1/"):
            assert isinstance(found["error"]["message"], str)
        else:
            assert isinstance(found["detail"], str) and found["title"] and found["hint"], found
        if status == 405:
            assert word in answer.headers["allow"]
        assert [one["id"] for one in (await house.owner.get("/recipes")).json()] == ["tiny"]


async def test_a_body_above_the_limit_is_refused(tmp_path: Path) -> None:
    async with control(tmp_path, body_limit=1000) as house:
        answer = await house.owner.post("/recipes", content=b"x" * 2000)
        assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
