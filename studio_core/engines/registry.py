"""Which engines there are."""

from __future__ import annotations

from collections.abc import Mapping

from studio_core.engines.engine import Engine
from studio_core.engines.llamacpp import LlamaCpp
from studio_core.engines.sglang import Sglang
from studio_core.engines.tabbyapi import TabbyApi
from studio_core.engines.vllm import Vllm
from studio_core.errors import BadRecipe
from studio_core.recipes.backend import named

ENGINES: Mapping[str, Engine] = {one.name: one for one in (Vllm(), Sglang(), TabbyApi(), LlamaCpp())}
# Backends that a recipe may name although nothing here can start them: such recipes are kept and shown.
WITHOUT_BUILDER: Mapping[str, str] = {
    "transformers": "it serves no OpenAI API of its own; vLLM runs most of its models (model_impl: transformers)",
    "mlx": "it runs on Apple's machines only",
    "exllamav2": "TabbyAPI gave it up for ExLlamaV3: backend tabbyapi, with an EXL3 model",
}


def find(backend: str) -> Engine:
    """The engine of a recipe's `backend`.

    Raises:
        BadRecipe: it cannot be started here; the recipe itself is kept.
    """
    engine = ENGINES.get(named(backend))
    if engine is not None:
        return engine
    name = backend.strip().lower()
    if name in WITHOUT_BUILDER:
        raise BadRecipe(f"engine {name} cannot be started here", WITHOUT_BUILDER[name],
                        f"the recipe is kept; Studio starts: {', '.join(ENGINES)}")
    raise BadRecipe(f"there is no engine {backend!r}", "the recipe is kept",
                    f"set backend to one of: {', '.join(ENGINES)}")
