"""The many ways in which an engine's own parser lets a flag be written, made into the one of its table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from studio_core.engines.catalog import Catalog, canonical
from studio_core.importing.field import ABBREVIATED, SHORT

# vLLM: -O3, -O=3 and -O.mode=3 (vllm/utils/argparse_utils.py).
_LEVEL = re.compile(r"-O=?(\d+)\Z")
_COMPILATION = re.compile(r"-O\.(.+)\Z")


def normal(engine: str, words: Sequence[str], catalog: Catalog) -> list[str]:
    """The same words with every flag under its own name or one of its aliases."""
    return [part for word in words for part in (_flag(engine, word, catalog) if word.startswith("-") else [word])]


def _flag(engine: str, word: str, catalog: Catalog) -> list[str]:
    if engine == "vllm" and (match := _LEVEL.match(word)):
        return ["--optimization-level", match[1]]
    if engine == "vllm" and (match := _COMPILATION.match(word)):
        return [f"--compilation-config.{match[1]}"]
    spelling, equals, value = word.partition("=")
    spelling = SHORT.get(engine, {}).get(spelling, spelling)
    head, dot, tail = spelling.partition(".")
    if dot and not head.startswith("--") and (short := catalog.find(head)):
        spelling = f"{short.name}.{tail}"
    if engine in ABBREVIATED and catalog.find(spelling) is None and catalog.successor(spelling) is None:
        spelling = _whole(canonical(spelling), catalog)
    return [spelling + equals + value]


def _whole(spelling: str, catalog: Catalog) -> str:
    """What an abbreviation stands for; itself where that is not one flag."""
    if not spelling.startswith("--") or "." in spelling:
        return spelling
    meant = {flag.name: one for flag in catalog.flags for one in flag.spellings if one.startswith(spelling)}
    return next(iter(meant.values())) if len(meant) == 1 else spelling


def of_environment(env: Mapping[str, str], catalog: Catalog) -> tuple[list[str], dict[str, str]]:
    """Flags that are given as variables (llama.cpp's LLAMA_ARG_...) as words, and what is left of the environment."""
    named = {flag.env: flag for flag in catalog.flags if flag.env.startswith("LLAMA_ARG_")}
    words: list[str] = []
    for name, value in env.items():
        flag = named.get(name)
        if flag is None:
            continue
        if flag.kind != "bool":
            words += [flag.name, value]
        elif value.lower() in ("1", "true", "on", "enabled"):
            words.append(flag.name)
        elif flag.negation:
            words.append(flag.negation)
    return words, {name: value for name, value in env.items() if name not in named}
