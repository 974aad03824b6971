"""A LoRA adapter for the real small model, written by hand: one matrix of rank 1 that turns what it says upside down."""

from __future__ import annotations

import struct
from pathlib import Path

# SmolLM2-135M: the width of its hidden state, and of what attn_output gives.
WIDTH = 576
STRING, F32 = 8, 6
ALIGNMENT = 32


def write(path: Path) -> Path:
    """GGUF, version 3. At scale 0 the model says what it says without it."""
    names = ("blk.0.attn_output.weight.lora_a", "blk.0.attn_output.weight.lora_b")
    shapes, size = ((WIDTH, 1), (1, WIDTH)), WIDTH * 4
    meta = [_text("general.architecture", "llama"), _text("general.type", "adapter"), _text("adapter.type", "lora"),
            _string("adapter.lora.alpha") + struct.pack("<If", F32, 1.0)]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(names), len(meta)) + b"".join(meta)
    for index, (name, shape) in enumerate(zip(names, shapes, strict=True)):
        head += _string(name) + struct.pack("<IQQIQ", 2, *shape, 0, index * size)
    head += bytes(-len(head) % ALIGNMENT)
    values = struct.pack(f"<{WIDTH}f", *([40.0, -40.0] * (WIDTH // 2)))
    path.write_bytes(head + values * 2)
    return path


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def _text(key: str, value: str) -> bytes:
    return _string(key) + struct.pack("<I", STRING) + _string(value)
