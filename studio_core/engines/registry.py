"""Which engines there are."""

from __future__ import annotations

from collections.abc import Mapping

from studio_core.engines.engine import Engine
from studio_core.engines.llamacpp import LlamaCpp
from studio_core.errors import BadRecipe

_LLAMACPP = LlamaCpp()
ENGINES: Mapping[str, Engine] = {_LLAMACPP.name: _LLAMACPP}
# Other spellings of the same engine, as recipes of vLLM Studio and of people have them.
SPELLINGS = {"llama.cpp": "llamacpp", "llama-cpp": "llamacpp", "llama_cpp": "llamacpp", "llama-server": "llamacpp"}
# Backends that a recipe may name although nothing here can start them: such recipes are kept and shown.
WITHOUT_BUILDER = frozenset({"vllm", "sglang", "tabbyapi", "exllamav3", "transformers", "mlx"})


def find(backend: str) -> Engine:
    """The engine of a recipe's `backend`.

    Raises:
        BadRecipe: it cannot be started here; the recipe itself is kept.
    """
    name = backend.strip().lower()
    engine = ENGINES.get(SPELLINGS.get(name, name))
    if engine is not None:
        return engine
    if name in WITHOUT_BUILDER:
        raise BadRecipe(f"engine {name} comes with a later version", "the recipe is kept",
                        f"this version starts: {', '.join(ENGINES)}")
    raise BadRecipe(f"there is no engine {backend!r}", "the recipe is kept",
                    f"set backend to one of: {', '.join(ENGINES)}")
