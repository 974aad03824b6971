"""Counting tokens with the tokenizer and the chat template of a real model."""

from __future__ import annotations

from pathlib import Path

from tests import free
from tests.core.control import control
from tests.engines.model import model  # noqa: F401 - a fixture


async def test_tokens_of_texts_and_conversations(tmp_path: Path, model: Path) -> None:  # noqa: F811
    async with control(tmp_path, inference_port=free.port()) as house:
        recipe = {"id": "tiny", "backend": "llamacpp", "model_path": str(model), "max_model_len": 512, "max_num_seqs": 1}
        await house.owner.post("/recipes", json=recipe)
        assert (await house.owner.post("/launch/tiny", timeout=120)).status_code == 200

        async def count(text: str) -> int:
            answer = await house.owner.post("/v1/count-tokens", json={"text": text, "model": "tiny"})
            assert answer.status_code == 200, answer.text
            return int(answer.json()["num_tokens"])

        few, many = await count("Hello world"), await count("Hello world " * 50)
        assert 2 <= few <= 4 and 99 <= many <= 151 and await count("") == 0
        messages = [{"role": "user", "content": "Hello world"}]
        tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
        answer = await house.owner.post("/v1/tokenize-chat-completions", json={"messages": messages, "tools": tools})
        body = answer.json()
        # The template adds its marks around the text.
        assert body["breakdown"]["messages"] > few and body["breakdown"]["tools"] > 5
        assert body["input_tokens"] == sum(body["breakdown"].values()) and body["model"] == "tiny"
        assert (await house.owner.post("/v1/count-tokens", json={"text": "x", "model": "other"})).status_code == 503
        odd = await house.owner.post("/v1/tokenize-chat-completions", json={"messages": [{"role": 3}]})
        assert odd.status_code in (400, 503) and odd.json()["error"]["hint"]
