"""Finding a name by a few of its letters. Pure; fast enough for thousands of names at each key."""

from __future__ import annotations

START, BOUNDARY, RUN = 12, 8, 5
SEPARATORS = frozenset(" -_./:")


def score(letters: str, text: str) -> int | None:
    """How well the letters, in their order, stand in the text (both in lower case); None where they do not.

    Best is a whole run at the beginning of a word, near the beginning of the text; shorter texts win among equals.
    """
    if not letters:
        return 0
    best: int | None = None
    at = text.find(letters[0])
    while at >= 0:
        found = _from(letters, text, at)
        if found is None:
            break
        best = found if best is None or found > best else best
        at = text.find(letters[0], at + 1)
    return None if best is None else best * 4 - len(text)


def _from(letters: str, text: str, at: int) -> int | None:
    """The same with the first letter at this place."""
    total, last = 0, at - 2
    for letter in letters:
        at = text.find(letter, at)
        if at < 0:
            return None
        if at == 0:
            total += START
        elif text[at - 1] in SEPARATORS:
            total += BOUNDARY
        if at == last + 1:
            total += RUN
        last, at = at, at + 1
    return total


def match(words: str, text: str) -> int | None:
    """Every word of the query has to be found; their scores are added."""
    found = [score(word, text) for word in words.split()]
    return None if None in found else sum(one or 0 for one in found)
