"""The engines by the name that a recipe's `backend` gives."""

from __future__ import annotations

from collections.abc import Mapping

from studio_core.engines.engine import Engine
from studio_core.engines.llamacpp import LlamaCpp
from studio_core.errors import BadRecipe

ENGINES: Mapping[str, Engine] = {"llamacpp": LlamaCpp()}
ALIASES = {"llama.cpp": "llamacpp", "llama-server": "llamacpp", "llama_cpp": "llamacpp"}
# Known to vLLM Studio's recipes; kept, shown, and refused at launch.
KNOWN = ("vllm", "sglang", "tabbyapi", "transformers", "mlx", "exllamav3")


def find(backend: str) -> Engine:
    """The engine of a backend. Raises BadRecipe."""
    name = ALIASES.get(backend.lower(), backend.lower())
    if name in ENGINES:
        return ENGINES[name]
    why = "this version cannot start it yet" if name in KNOWN else "there is no such engine"
    raise BadRecipe(f"backend {backend}: {why}", "", f"use one of: {', '.join(ENGINES)}")
