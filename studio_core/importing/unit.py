"""A systemd unit that runs an engine, read by the rules of systemd.syntax(7), systemd.service(5) and systemd.exec(5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from studio_core.errors import BadRecipe
from studio_core.importing.found import Files, Found, Harvest
from studio_core.importing.wrapper import Invocation

_SECTION = re.compile(r"\[(\w+)\]\Z")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"', "'": "'", "s": " "}
_CODED = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})")
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)|\$\$")
_SPECIFIER = re.compile(r"%[A-Za-z]")
_PAIR = re.compile(r"([A-Za-z_]\w*)=(.*)\Z", re.DOTALL)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|sec|seconds?|m|min|minutes?|h|hr|hours?)?")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "m": 60, "min": 60, "h": 3600, "hr": 3600}
_RESTARTS = {"always": "always", "on-failure": "on-failure", "on-abnormal": "on-failure", "on-abort": "on-failure",
             "on-watchdog": "on-failure"}
# Settings that change how the process runs and that no recipe has.
_BEYOND = ("User", "Group", "Nice", "CPUAffinity", "CPUQuota", "MemoryMax", "LimitNOFILE", "LimitMEMLOCK", "NUMAPolicy", "NUMAMask",
           "IOSchedulingClass", "OOMScoreAdjust", "ExecStartPre", "ExecStartPost", "ExecStopPost")


@dataclass(slots=True)
class Unit:
    """Settings by name, in order; a setting that is emptied forgets what stood before."""

    settings: dict[str, list[str]] = field(default_factory=dict)

    def all(self, name: str) -> list[str]:
        return self.settings.get(name, [])

    def last(self, name: str) -> str:
        return next(reversed(self.all(name) or [""]))


def looks_like(text: str) -> bool:
    """Whether a text is a unit, or lines out of one."""
    return re.search(r"^\s*(\[Service\]|ExecStart\s*=)", text, re.MULTILINE) is not None


def read(text: str) -> Unit:
    """All settings of all sections; their names do not collide."""
    unit, line = Unit(), ""
    for raw in text.splitlines():
        raw = raw.strip()
        if raw.startswith(("#", ";")):
            continue
        line += raw
        if line.endswith("\\"):
            line = line[:-1] + " "
            continue
        name, equals, value = line.partition("=")
        if equals and not _SECTION.match(line):
            _set(unit, name.strip(), value.strip())
        line = ""
    return unit


def _set(unit: Unit, name: str, value: str) -> None:
    if value:
        unit.settings.setdefault(name, []).append(value)
    else:
        unit.settings.pop(name, None)


def harvest(text: str, files: Files) -> Harvest:
    """The recipe of a unit's ExecStart. Raises BadRecipe."""
    from studio_core.importing.line import engine_of
    from studio_core.importing.wrapper import script_of, unwrap

    unit = read(text)
    if not unit.all("ExecStart"):
        raise BadRecipe("the unit has no ExecStart", "", "paste the whole unit")
    harvested = Harvest()
    for start in unit.all("ExecStart"):
        one = _invocation(unit, start, files)
        unwrap(one)
        made = next((made for each in script_of(one) if (made := engine_of(each, files)) is not None), None)
        if made is None:
            name = one.argv[0].rpartition("/")[2] if one.argv else "nothing"
            harvested.notes.append(f"ExecStart runs {name}: no engine that Studio knows")
            continue
        _life(unit, made)
        made.recipe()
        harvested.recipes.append(made)
    return harvested.insist()


def _invocation(unit: Unit, start: str, files: Files) -> Invocation:
    notes: list[str] = []
    env = dict(_environment(unit, files, notes))
    notes += [f"{text} is systemd's specifier and is kept as it is written: put its value there"
              for text in dict.fromkeys(_SPECIFIER.findall(start.replace("%%", "") + unit.last("WorkingDirectory")))]
    argv = [word for one in words(start.lstrip("@-:+!|")) for word in _expanded(one, env, notes)]
    return Invocation(argv, env, unit.last("WorkingDirectory").lstrip("-"), notes=notes)


def _environment(unit: Unit, files: Files, notes: list[str]) -> Iterator[tuple[str, str]]:
    """Environment= first, then the files, whose values win."""
    for line in unit.all("Environment"):
        yield from (match.groups() for word in words(line) if (match := _PAIR.match(word[0])))  # type: ignore[misc]
    for name in unit.all("EnvironmentFile"):
        text = files(Path(name.lstrip("-")))
        if text is None:
            notes.append(f"{name.lstrip('-')} could not be read: write what it sets into env_vars")
        else:
            yield from variables(text)


def variables(text: str) -> Iterator[tuple[str, str]]:
    """The assignments of an environment file, with or without `export` and quotes."""
    for line in text.splitlines():
        match = _PAIR.match(line.strip().removeprefix("export ").strip())
        if match and not line.lstrip().startswith(("#", ";")):
            value = match[2].strip()
            yield match[1], value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def words(line: str) -> list[tuple[str, bool]]:
    """The words of a command line with whether they were quoted; quotes open and close at word boundaries, escapes are C's."""
    found: list[tuple[str, bool]] = []
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        quote = line[at] if line[at] in "\"'" else ""
        at += len(quote)
        word = ""
        while at < len(line) and not (line[at] == quote if quote else line[at].isspace()):
            if line[at] == "\\":
                piece, at = _escape(line, at + 1)
                word += piece
                continue
            if not quote and line[at] in "\"'" and (end := line.find(line[at], at + 1)) > 0:
                word += line[at + 1:end]
                at = end + 1
                continue
            word += line[at]
            at += 1
        at += len(quote)
        found.append((word, bool(quote)))
    return found


def _escape(line: str, at: int) -> tuple[str, int]:
    if coded := _CODED.match(line, at):
        code = int(coded[4], 8) if coded[4] else int(coded[1] or coded[2] or coded[3], 16)
        return chr(code), coded.end()
    char = line[at:at + 1]
    return _ESCAPES.get(char, "\\" + char), at + 1


def _expanded(word: tuple[str, bool], env: Mapping[str, str], notes: list[str]) -> list[str]:
    """`$FOO` as a word of its own is split, `${FOO}` and `$FOO` within a word are not; what is not set stays, told of."""
    text, was_quoted = word
    alone = re.fullmatch(r"\$([A-Za-z_]\w*)", text)
    if alone and not was_quoted and alone[1] in env:
        return env[alone[1]].split()

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name is None:
            return "$"
        if name not in env:
            notes.append(f"{match[0]} is kept as it is written: the unit does not set it")
        return env.get(name, match[0])

    return [_VARIABLE.sub(value, text).replace("%%", "%")]


def _life(unit: Unit, found: Found) -> None:
    """What a unit says of a service's life, as far as a recipe has it."""
    from studio_core.importing.container import keep

    if description := unit.last("Description"):
        found.data.setdefault("description", description)
    if restart := _RESTARTS.get(unit.last("Restart")):
        found.data["restart"] = restart
    if grace := _span(unit.last("TimeoutStopSec")):
        found.data["grace_s"] = grace
    if ceiling := _span(unit.last("TimeoutStartSec")):
        found.data["start_ceiling_s"] = ceiling
    stops = unit.all("ExecStop")
    if len(stops) == 1 and "runtime" not in found.data:
        found.data["stop_command"] = [re.sub(r"\$\{?MAINPID\}?", "{pid}", word) for word, _ in words(stops[0].lstrip("@-:+!"))]
    for name in (*_BEYOND, *(["ExecStop"] if "stop_command" not in found.data else [])):
        for value in unit.all(name):
            keep(found, f"{name}={value}")


def _span(text: str) -> float | None:
    parts = _SPAN.findall(text)
    return sum(float(number) * _SECONDS.get(unit, 1) for number, unit in parts) or None
