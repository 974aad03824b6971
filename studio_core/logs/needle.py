"""What is looked for in a log: texts, patterns and a level, on bytes, at the speed of C. Standard library only."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

# After so many hits in one buffer the rest are taken as a list instead of one by one.
DENSE = 64
# A line says its level at its beginning.
LEVEL_WITHIN = 120
LEVELS = ("debug", "info", "warning", "error")
_WORDS = {
    "debug": 0, "trace": 0, "verbose": 0, "info": 1, "notice": 1, "warn": 2, "warning": 2,
    "error": 3, "err": 3, "critical": 3, "fatal": 3, "exception": 3, "panic": 3, "traceback": 3,
    "d": 0, "i": 1, "w": 2, "e": 3, "f": 3,
}
# Words, then the single letters of llama.cpp (`0.00.123.456 E srv`) and glog (`E1128 03:54:49`).
_LEVEL = re.compile(
    rb"\b(" + "|".join(word for word in _WORDS if len(word) > 1).encode() + rb")\b(?![=_/-])"
    rb"|^(?:[0-9.]{6,} )?([DIWEF])(?: |[0-9]{4} )", re.IGNORECASE
)


def level_of(line: bytes) -> int | None:
    """The place in LEVELS that a line names, None where it names none."""
    found = _LEVEL.search(line, 0, LEVEL_WITHIN)
    return _WORDS[(found[1] or found[2]).decode().lower()] if found else None


class Want(NamedTuple):
    """A text that a line must hold: as it is (`exact`) or in any case of ASCII letters; or a pattern."""

    text: str
    regex: bool = False
    exact: bool = False

    def problem(self) -> str:
        """Why it is no pattern; empty where it is one."""
        try:
            self.compiled()
        except (re.error, OverflowError, RecursionError) as error:
            return str(error)
        return ""

    @property
    def raw(self) -> bytes:
        text = self.text.encode("utf-8", "surrogatepass")
        return text if self.exact or self.regex else text.lower()

    def compiled(self) -> re.Pattern[bytes]:
        return re.compile(self.raw if self.regex else re.escape(self.raw), re.MULTILINE | (0 if self.exact else re.IGNORECASE))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where a shown text holds it."""
        flags = 0 if self.exact else re.IGNORECASE
        found = re.finditer(self.text if self.regex else re.escape(self.text), text, flags)
        return [(one.start(), one.end()) for one in found if one.end() > one.start()]


class Needle:
    """All of `wants` in one line, of at least a `level`. Works on the part of a buffer that holds whole lines."""

    def __init__(self, wants: Sequence[Want], level: int = 0) -> None:
        self.level = level
        plain = sorted((want for want in wants if not want.regex), key=lambda want: not want.exact)
        self._first = plain[0] if plain and not level else None
        self._text = self._first.raw if self._first else b""
        self._rest = [want.compiled() for want in wants if want is not self._first]
        self._list = re.compile(re.escape(self._text) + b".*")
        self._find = finder()

    def count(self, data: bytearray, begin: int, end: int, level: int | None = None) -> int:
        """How many lines hold all."""
        if self._first is None or self._rest:
            return sum(1 for _ in self.starts(data, begin, end, level))
        hay = data if self._first.exact else data[:end].lower()
        find, total, at = self._find(hay, self._text, end), 0, begin
        while (at := find(at)) >= 0:
            total += 1
            at = hay.find(b"\n", at, end)
            if at < 0:
                break
            if total == DENSE:
                return total + len(self._list.findall(hay, at, end))
        return total

    def starts(self, data: bytearray, begin: int, end: int, level: int | None = None) -> Iterator[int]:
        """Where the lines begin that hold all. `level` is that of the line before: those that name none belong to it."""
        if self.level:
            found = self._by_level(data, begin, end, level)
        elif self._first is not None:
            found = self._texts(data, begin, end)
        elif self._rest:
            found = self._patterns(data, begin, end)
        else:
            found = lines(data, begin, end)
        return (start for start in found if self._holds(data, start, end)) if self._rest else found

    def _holds(self, data: bytearray, start: int, end: int) -> bool:
        stop = data.find(b"\n", start, end)
        stop = end if stop < 0 else stop
        return all(pattern.search(data, start, stop) for pattern in self._rest)

    def _texts(self, data: bytearray, begin: int, end: int) -> Iterator[int]:
        hay = data if self._first is None or self._first.exact else data[:end].lower()
        find, at = self._find(hay, self._text, end), begin
        while (at := find(at)) >= 0:
            yield max(begin, data.rfind(b"\n", begin, at) + 1)
            if (at := data.find(b"\n", at, end)) < 0:
                return

    def _patterns(self, data: bytearray, begin: int, end: int) -> Iterator[int]:
        """A pattern may reach over a line's end: what it finds only names the line, which `_holds` looks at alone."""
        pattern, at = self._rest[0], begin
        while at < end and (found := pattern.search(data, at, end)):
            yield max(begin, data.rfind(b"\n", begin, found.start()) + 1)
            at = data.find(b"\n", found.start(), end) + 1
            if at == 0:
                return

    def _by_level(self, data: bytearray, begin: int, end: int, level: int | None) -> Iterator[int]:
        for start in lines(data, begin, end):
            stop = data.find(b"\n", start, start + LEVEL_WITHIN)
            named = level_of(bytes(data[start:stop if stop >= 0 else start + LEVEL_WITHIN]))
            level = named if named is not None else level
            if level is not None and level >= self.level:
                yield start


def lines(data: bytearray, begin: int, end: int) -> Iterator[int]:
    """Where each line begins."""
    while begin < end:
        yield begin
        stop = data.find(b"\n", begin, end)
        if stop < 0:
            return
        begin = stop + 1


Find = Callable[[int], int]


def finder() -> Callable[[bytearray, bytes, int], Find]:
    """The fastest search there is: the C library's memmem where it has one, else that of bytes. It gives -1 for none."""
    try:
        memmem = ctypes.CDLL(None).memmem
    except (OSError, AttributeError, TypeError):
        return lambda hay, text, end: lambda at: hay.find(text, at, end)
    memmem.restype, memmem.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]

    def begin(hay: bytearray, text: bytes, end: int) -> Find:
        held = ctypes.c_char.from_buffer(hay)
        base, size = ctypes.addressof(held), len(text)

        def find(at: int, _held: object = held) -> int:
            found = memmem(base + at, end - at, text, size) if at < end else None
            return -1 if found is None else found - base

        return find

    return begin
