"""How a state is shown: a sign, a word and a tone, so that colour alone never says it."""

from __future__ import annotations

from msgspec import Struct

GOOD, BUSY, BAD, QUIET, ACCENT = "good", "busy", "bad", "quiet", "accent"


class Mark(Struct, frozen=True):
    sign: str
    word: str
    tone: str

    def __str__(self) -> str:
        return f"{self.sign} {self.word}"


def _coming(word: str) -> Mark:
    return Mark("\u25d0", word, BUSY)


def _going(word: str) -> Mark:
    return Mark("\u25d1", word, BUSY)


MARKS: dict[str, Mark] = {
    "ready": Mark("\u25cf", "ready", GOOD),
    "sleeping": Mark("\u25cc", "sleeping", QUIET),
    **{word: _coming(word) for word in ("planned", "waiting", "starting", "downloading", "loading")},
    **{word: _going(word) for word in ("draining", "stopping", "cleaning")},
    "failed": Mark("\u2716", "failed", BAD),
    "stuck": Mark("\u25b2", "stuck", BAD),
    "held": Mark("\u2016", "on hold", QUIET),
    "stopped": Mark("\u25cb", "stopped", QUIET),
    "foreign": Mark("\u25c7", "foreign", QUIET),
    "attached": Mark("\u25c6", "attached", QUIET),
    "broken": Mark("\u2716", "broken", BAD),
}

LINKS: dict[str, Mark] = {
    "connecting": Mark("\u25d0", "connecting", BUSY),
    "live": Mark("\u25cf", "live", GOOD),
    "reconnecting": Mark("\u25d0", "reconnecting", BUSY),
    "down": Mark("\u25cb", "down", QUIET),
    "failed": Mark("\u2716", "not running", BAD),
}


def mark(state: str) -> Mark:
    """The mark of a state; one that a newer Studio knows is shown by its word."""
    return MARKS.get(state) or Mark("\u00b7", state, QUIET)
