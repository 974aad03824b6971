"""What a program's `--help` says of its flags, in the form of llama.cpp's. Pure.

    -c,    --ctx-size N                     size of the prompt context (default: 0)
                                            (env: LLAMA_ARG_CTX_SIZE)
    --draft, --draft-max N                  the argument has been removed. use --spec-draft-n-max or
                                            --spec-ngram-mod-n-max

Only what begins at the margin names a flag: a description may go on with the name of another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from studio_core.engines.catalog import Flag

_SPELLING = r"--?[A-Za-z][\w.-]*"
_ENTRY = re.compile(rf" {{0,4}}(?P<names>{_SPELLING}(?:,\s*{_SPELLING})*)(?P<value> \S+)*(?:\s+(?P<text>.*))?$")
_HEADING = "-----"
# How what turns it on begins, and what turns it off.
_OFF = (("--", "--no-"), ("-", "-n"))
_ENVIRONMENT = re.compile(r"\(env: \w+\).*")
_REMOVED = re.compile(r"(?:argument|option|flag) has been removed\.?(?: use (?P<instead>.+))?", re.IGNORECASE)
_DEPRECATED = re.compile(r"^\W*deprecated(?: in favou?r of `?(?P<instead>--[\w-]+))?", re.IGNORECASE)


def flags(text: str) -> tuple[Flag, ...]:
    """Every flag that a help text names; one without a value is a switch, of others the kind is not known."""
    return tuple(_flag(*entry) for entry in _entries(text.splitlines()))


def named(spellings: Iterable[str], kind: str = "any", deprecated: bool = False, removed: bool = False, instead: str = "") -> Flag:
    """A flag of which little but its spellings is known: the longest names it, `--no-x` beside `--x` turns it off."""
    ranked = sorted(spellings, key=lambda name: (not name.startswith("--"), -len(name), name))
    pairs = [(name, name.replace(no, yes, 1)) for name in ranked for yes, no in _OFF if name.startswith(no)]
    off = tuple(name for name, opposite in pairs if opposite in ranked)
    first, *others = [name for name in ranked if name not in off]
    return Flag(first, kind, tuple(others), off, deprecated=deprecated, removed=removed, replacement=instead)


def _entries(lines: Iterable[str]) -> Iterator[tuple[list[str], bool, str]]:
    """Spellings, whether a value follows, and the description of each flag."""
    found: tuple[list[str], bool, str] | None = None
    for line in lines:
        match = _ENTRY.match(line)
        if match is not None:
            if found is not None:
                yield found
            found = re.findall(_SPELLING, match["names"]), match["value"] is not None, match["text"] or ""
        elif found is not None and not line.startswith(_HEADING):
            found = (*found[:2], f"{found[2]} {line.strip()}")
    if found is not None:
        yield found


def _flag(spellings: Sequence[str], has_value: bool, text: str) -> Flag:
    said = " ".join(_ENVIRONMENT.sub("", text).split())
    removed, old = _REMOVED.search(said), _DEPRECATED.match(said)
    instead = next((match["instead"] for match in (removed, old) if match and match["instead"]), "")
    return named(spellings, "any" if has_value else "bool", (removed or old) is not None, removed is not None, instead)
