"""The words of a shell text, as POSIX splits them (Shell Command Language, 2.2 to 2.6), with nothing executed.

Variables are put in where the same text assigned them; `$(...)`, backticks and unknown variables stay as they are written
and are told of.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BRACED = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\}")
_OPERATOR = re.compile(r"&&|\|\||;;|\|&|[;&|()]")
_REDIRECTION = re.compile(r"(?:\d+|&)?(?:>>|>\||<<<|<<-?|>&|<&|<>|>|<)(?:\d+|-)?")
# A line that goes on: also with blanks after the backslash, as pasted texts often have.
_CONTINUED = re.compile(r"\\[ \t]*\n")
# Chosen by whoever starts the engine: a value that a line has only in case of need is none of a recipe's.
PORT = "PORT"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}


@dataclass(slots=True)
class Simple:
    """One simple command: its words, and the operator that ended it (empty at the end of a line or of the text)."""

    words: list[str] = field(default_factory=list)
    ended: str = ""
    redirected: bool = False


@dataclass
class Shell:
    """Simple commands in order. Whoever iterates may change `variables` between two of them, as the commands would."""

    text: str
    variables: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    _at: int = 0

    def __post_init__(self) -> None:
        self.text = _CONTINUED.sub(" ", self.text.replace("\r\n", "\n"))

    def __iter__(self) -> Iterator[Simple]:
        while self._at < len(self.text):
            simple = self._simple()
            if simple.words:
                yield simple

    def _simple(self) -> Simple:
        simple = Simple()
        while self._at < len(self.text):
            char = self.text[self._at]
            if char == "\n":
                self._at += 1
                if simple.words and not self._goes_on():
                    break
            elif char.isspace():
                self._at += 1
            elif char == "#":
                self._comment()
            elif match := _REDIRECTION.match(self.text, self._at):
                self._redirect(simple, match)
            elif match := _OPERATOR.match(self.text, self._at):
                self._at = match.end()
                simple.ended = match[0]
                break
            else:
                simple.words += self._word()
        return simple

    def _goes_on(self) -> bool:
        """A line of flags alone belongs to the command before it: whoever pasted it lost the backslash."""
        return self.text[self._at:].lstrip(" \t").startswith("-")

    def _comment(self) -> None:
        end = self.text.find("\n", self._at)
        end = len(self.text) if end < 0 else end
        self.comments.append(self.text[self._at + 1:end].strip())
        self._at = end

    def _redirect(self, simple: Simple, match: re.Match[str]) -> None:
        simple.redirected = True
        self._at = match.end()
        if match[0][-1] not in "0123456789-":
            while self._at < len(self.text) and self.text[self._at] in " \t":
                self._at += 1
            self._word()

    def _word(self) -> list[str]:
        """One word, or what an unquoted variable made of it."""
        words, quoted = [""], False
        while self._at < len(self.text):
            char = self.text[self._at]
            if char.isspace() or char in ";&|()<>":
                break
            if char in _QUOTES:
                quoted = True
                self._at += 1
                words[-1] += _QUOTES[char](self)
            elif char == "$" and self.text.startswith("$'", self._at):
                quoted = True
                self._at += 2
                words[-1] += self._escaped()
            elif char in "$`":
                _append(words, self._substituted())
            else:
                self._at += 1
                words[-1] += char
        return words if quoted or words != [""] else []

    def _backslash(self) -> str:
        self._at += 1
        return self.text[self._at - 1:self._at]

    def _single(self) -> str:
        end = self.text.find("'", self._at)
        end = len(self.text) if end < 0 else end
        found = self.text[self._at:end]
        self._at = end + 1
        return found

    def _double(self) -> str:
        out = ""
        while self._at < len(self.text) and self.text[self._at] != '"':
            char = self.text[self._at]
            if char == "\\" and self.text[self._at + 1:self._at + 2] in ("$", "`", '"', "\\"):
                out += self.text[self._at + 1]
                self._at += 2
            elif char in "$`":
                out += self._substituted()
            else:
                out += char
                self._at += 1
        self._at += 1
        return out

    def _escaped(self) -> str:
        out = ""
        while self._at < len(self.text) and self.text[self._at] != "'":
            if self.text[self._at] == "\\":
                self._at += 1
                out += _ESCAPES.get(self.text[self._at:self._at + 1], self.text[self._at:self._at + 1])
            else:
                out += self.text[self._at]
            self._at += 1
        self._at += 1
        return out

    def _substituted(self) -> str:
        """What stands at `$` or a backtick: the value of a variable of this text, else the text itself, told of."""
        start = self._at
        if self.text[start] == "`":
            end = self.text.find("`", start + 1)
            self._at = len(self.text) if end < 0 else end + 1
        elif self.text.startswith("$(", start):
            self._at = _closing(self.text, start + 1)
        elif match := _BRACED.match(self.text, start + 1):
            self._at = match.end()
            if match[1] in self.variables or (match[2] is not None and match[1] != PORT):
                return self.variables.get(match[1]) or match[2] or ""
        elif match := _NAME.match(self.text, start + 1):
            self._at = match.end()
            if match[0] in self.variables:
                return self.variables[match[0]]
        else:
            self._at += 1
            return "$"
        self.kept.append(self.text[start:self._at])
        return self.kept[-1]


_QUOTES: dict[str, Callable[[Shell], str]] = {"\\": Shell._backslash, "'": Shell._single, '"': Shell._double}


def _append(words: list[str], value: str) -> None:
    """An unquoted value may be several words."""
    parts = value.split() if not value.startswith(("$(", "`")) else [value]
    if not parts:
        return
    if value[0].isspace() and words[-1]:
        words.append("")
    words[-1] += parts[0]
    words += parts[1:]


def _closing(text: str, start: int) -> int:
    """After the parenthesis that closes the one at `start`; those in quotes do not count."""
    depth, quote = 0, ""
    for at in range(start, len(text)):
        char = text[at]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        else:
            depth += {"(": 1, ")": -1}.get(char, 0)
            if depth == 0:
                return at + 1
    return len(text)


def quoted(words: list[str]) -> list[str]:
    """The words of one command, without variables: for texts that are no shell's but are split like it."""
    return next((simple.words for simple in Shell(text=" ".join(words))), [])
