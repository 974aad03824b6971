"""Chunks of a body told by their size lines alone: what an engine writes in one go mostly comes in one read.

Only what no parser could take for anything else counts as known: a size as everybody writes it, no extension, no last chunk.
"""

from __future__ import annotations

CRLF = b"\r\n"
# Larger chunks are rare, and dear anyway.
KNOWN_BYTES = 2048
SIZES = {line: size for size in range(1, KNOWN_BYTES) for line in (b"%x" % size, b"%X" % size)}
# The size line of a chunk that is so long in all.
LINES = {len(line) + size: line for size in range(1, KNOWN_BYTES) for line in (b"%x\r\n" % size,)}
# A known size and the end of its line are in the first so many bytes.
LINE_BYTES = 5


def unframed(data: bytes) -> bytes | None:
    """What is in these chunks, if the bytes are whole ones and nothing else."""
    line = LINES.get(len(data) - 2)
    if line is not None and data.startswith(line) and data.endswith(CRLF):
        return data[len(line) : -2]  # One, as they mostly come.
    pieces, begin, all_ = [], 0, len(data)
    while begin < all_:
        at = data.find(CRLF, begin, begin + LINE_BYTES)
        size = SIZES.get(data[begin:at]) if at > 0 else None
        if size is None:
            return None
        end = at + 2 + size
        if data[end : end + 2] != CRLF:
            return None
        pieces.append(data[at + 2 : end])
        begin = end + 2
    return b"".join(pieces)
