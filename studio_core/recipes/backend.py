"""The names of engines, as recipes have them."""

from __future__ import annotations

# Other spellings of the same engine, as recipes of vLLM Studio and of people have them.
SPELLINGS = {
    "llama.cpp": "llamacpp", "llama-cpp": "llamacpp", "llama_cpp": "llamacpp", "llama-server": "llamacpp",
    "tabby": "tabbyapi", "tabby-api": "tabbyapi", "exllamav3": "tabbyapi", "exllama": "tabbyapi",
    **{name: name for name in ("vllm", "sglang", "llamacpp", "tabbyapi")},
}


def named(backend: str) -> str:
    """The one name of an engine that Studio starts; any other as it is."""
    return SPELLINGS.get(backend.strip().lower(), backend)
