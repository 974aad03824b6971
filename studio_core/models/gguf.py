"""The header of a GGUF file: architecture, context length, quantization, name, chat template. Nothing else of it is kept.

Format: ggml's `docs/gguf.md`, versions 2 and 3; file types from llama.cpp b11434, `include/llama.h` (llama_ftype).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = b"GGUF"
# Counts and lengths above these are a broken file, not a model.
KEY_LIMIT = 100_000
STRING_LIMIT = 64 * 1024 * 1024
ELEMENT_LIMIT = 64 * 1024 * 1024

FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
}
_SCALARS = {0: "B", 1: "b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9


class NotGguf(ValueError):
    """The file is not a whole GGUF header."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a model list shows of a file; None where the file does not say."""

    architecture: str | None = None
    context_length: int | None = None
    quantization: str | None = None
    name: str | None = None
    chat_template: str | None = None


def read(path: Path) -> Header:
    """Read the header.

    Raises:
        NotGguf: another kind of file, or cut off.
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=1024 * 1024) as stream:
        if stream.read(4) != MAGIC:
            raise NotGguf(f"{path} does not begin with {MAGIC!r}")
        if _scalar(stream, "<I") not in (2, 3):
            raise NotGguf(f"{path} is of another GGUF version")
        _scalar(stream, "<Q")  # the number of tensors
        values = dict(_pair(stream) for _ in range(_bounded(_scalar(stream, "<Q"), KEY_LIMIT)))
    architecture = values.get("general.architecture")
    length = values.get(f"{architecture}.context_length")
    texts = (_words(values.get(key)) for key in ("general.name", "tokenizer.chat_template"))
    return Header(architecture, length, FILE_TYPES.get(values.get("general.file_type", -1)), *texts)


def _words(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _pair(stream: BinaryIO) -> tuple[str, Any]:
    key = _string(stream).decode("utf-8", "replace")
    return key, _value(stream, _scalar(stream, "<I"))


def _value(stream: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _string(stream).decode("utf-8", "replace")
    if kind == _ARRAY:
        return _skip_array(stream)
    if kind not in _SCALARS:
        raise NotGguf(f"unknown value type {kind}")
    return _scalar(stream, _SCALARS[kind])


def _skip_array(stream: BinaryIO) -> None:
    """Vocabularies have hundreds of thousands of entries: pass over them."""
    kind = _scalar(stream, "<I")
    count = _bounded(_scalar(stream, "<Q"), ELEMENT_LIMIT)
    if kind in _SCALARS:
        stream.seek(count * struct.calcsize(_SCALARS[kind]), 1)
        return
    step: Callable[[BinaryIO], Any] | None = {_STRING: _string, _ARRAY: _skip_array}.get(kind)
    if step is None:
        raise NotGguf(f"unknown value type {kind}")
    for _ in range(count):
        step(stream)


def _string(stream: BinaryIO) -> bytes:
    length = _bounded(_scalar(stream, "<Q"), STRING_LIMIT)
    return _exactly(stream, length)


def _scalar(stream: BinaryIO, form: str) -> Any:
    return struct.unpack(form, _exactly(stream, struct.calcsize(form)))[0]


def _exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise NotGguf("the file ends inside its header")
    return data


def _bounded(count: int, limit: int) -> int:
    if count > limit:
        raise NotGguf(f"a count of {count} cannot be right")
    return count
