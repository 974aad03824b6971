"""The structured fields of a recipe as an engine's flags: one table per engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studio_core.engines.argument import Option
from studio_core.recipes.recipe import Recipe

# Flags that the builders make of fields in ways of their own → the field that a person corrects.
BESIDE: Mapping[str, str] = {
    "--host": "host", "--port": "port", "--served-model-name": "served_model_name", "--alias": "served_model_name",
    "--model": "model_path", "--hf-repo": "model_path", "--model-path": "model_path",
    "--tool-call-parser": "tool_call_parser", "--enable-auto-tool-choice": "tool_call_parser",
    "--reasoning-parser": "reasoning_parser", "--enable-expert-parallel": "tensor_parallel_size",
    "--enable-lora": "lora_adapters", "--lora-modules": "lora_adapters", "--lora-paths": "lora_adapters",
    "--lora": "lora_adapters", "--lora-scaled": "lora_adapters", "--ctx-size": "max_model_len", "--parallel": "max_num_seqs",
    "--kv-unified": "max_num_seqs", "--enable-sleep-mode": "sleep_level", "--enable-memory-saver": "sleep_level",
    "--enable-weights-cpu-backup": "sleep_level", "--nnodes": "nodes", "--node-rank": "nodes", "--master-addr": "nodes",
    "--reasoning-budget": "max_thinking_tokens", "--reasoning-effort": "reasoning_effort",
    "--dist-init-addr": "nodes", "--default-chat-template-kwargs": "thinking_mode",
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the Recipe and its flag. Values among `unsaid` are the engine's own default and are not passed."""

    name: str
    flag: str
    unsaid: tuple[Any, ...] = (None,)


def options(recipe: Recipe, fields: Sequence[Field]) -> list[Option]:
    """The flags of these fields; true is a bare flag."""
    found: list[Option] = []
    for field in fields:
        value = getattr(recipe, field.name)
        if value is True:
            found.append((field.flag,))
        elif value is not False and value not in field.unsaid:
            found.append((field.flag, str(value)))
    return found


def named(fields: Sequence[Field]) -> dict[str, str]:
    """Flag → the field of the recipe that it comes from."""
    return {**BESIDE, **{field.flag: field.name for field in fields}}
