"""Chunks of a body told by their size lines alone: what an engine writes in one go mostly comes in one read.

Only what no parser could take for anything else counts as known: a size as everybody writes it, no extension, no trailer.
"""

from __future__ import annotations

CRLF = b"\r\n"
LAST = b"0\r\n\r\n"
# Larger chunks are rare, and dear anyway.
KNOWN_BYTES = 2048
SIZES = {line: size for size in range(1, KNOWN_BYTES) for line in (b"%x" % size, b"%X" % size)}
# The size line of a chunk that is so long in all.
LINES = {len(line) + size: line for size in range(1, KNOWN_BYTES) for line in (b"%x\r\n" % size,)}


def unframed(data: bytes) -> list[bytes] | None:
    """What is in each of these chunks, if the bytes are whole ones without a CRLF inside, and nothing else."""
    line = LINES.get(len(data) - 2)
    if line is not None and data.startswith(line) and data.endswith(CRLF):
        return [data[len(line) : -2]]  # One, as they mostly come.
    parts = data.split(CRLF)
    pieces = parts[1::2]
    for line, piece in zip(parts[::2], pieces, strict=False):
        if SIZES.get(line) != len(piece):
            return None
    return pieces if parts[-1] == b"" and len(parts) == 2 * len(pieces) + 1 else None
