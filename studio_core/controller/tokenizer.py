"""Counting tokens with the tokenizer of a running engine.

llama.cpp: POST /tokenize {content} → {tokens}, POST /apply-template {messages} → {prompt} (its server's README).
vLLM: POST /tokenize {prompt} or {messages} → {count, tokens}. Counting generates nothing, so it need not pass the gateway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from studio_core import loopback
from studio_core.errors import BadInput, Unavailable
from studio_core.supervisor import instance
from studio_core.supervisor.keeper import Keeper
from studio_core.supervisor.service import Supervisor

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """The tokenizer of one instance that is ready."""

    keeper: Keeper

    @classmethod
    def of(cls, supervisor: Supervisor, model: str) -> Tokenizer:
        """The tokenizer of a model by any of its names, or of what runs. Raises Unavailable."""
        for keeper in supervisor.keepers():
            if keeper.life.state == instance.READY and (model in ("", keeper.spec.recipe_id, *keeper.spec.served_names)):
                return cls(keeper)
        raise Unavailable(
            f"{model or 'no model'} is not running" if model else "no model is running", "", "launch one: studio launch NAME"
        )

    @property
    def model(self) -> str:
        return self.keeper.spec.served_names[0]

    async def count(self, text: str) -> int:
        """Tokens of a text."""
        answer = await self._ask("/tokenize", {"model": self.model, "content": text, "prompt": text})
        return len(answer.get("tokens") or ())

    async def count_messages(self, messages: list[dict[str, Any]]) -> int:
        """Tokens of a conversation as the model's own template writes it."""
        if not messages:
            return 0
        if self.keeper.spec.engine == "vllm":
            return int((await self._ask("/tokenize", {"model": self.model, "messages": messages})).get("count") or 0)
        answer = await self._ask("/apply-template", {"messages": messages})
        return await self.count(str(answer.get("prompt") or ""))

    async def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        host, port = self.keeper.address
        key = self.keeper.spec.api_key
        headers = {"authorization": f"Bearer {key}"} if key else {}
        try:
            async with loopback.client(TIMEOUT_S) as client:
                answer = await client.post(f"http://{host}:{port}{path}", json=body, headers=headers)
        except httpx.HTTPError as error:
            raise Unavailable("the engine does not answer", type(error).__name__, "see: studio status") from error
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise Unavailable("the engine failed to count", f"it answered {answer.status_code}", "see its log")
        if answer.status_code != httpx.codes.OK:
            raise BadInput("the engine cannot count this", f"it answered {answer.status_code}", "check the messages")
        found = answer.json()
        return found if isinstance(found, dict) else {}
