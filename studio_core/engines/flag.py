"""The flags that an installed binary takes, read from what its own `--help` prints."""

from __future__ import annotations

import difflib
import errno
import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from studio_core.errors import BadRecipe

HELP_TIMEOUT_S = 20.0
# A help line names its flags first: `-c,    --ctx-size N    size of the context`.
_SPELLING = re.compile(r"--?[A-Za-z][\w.-]*")
_SPELLINGS = re.compile(rf"\s*{_SPELLING.pattern}(?:,\s*{_SPELLING.pattern})*")
# What a dynamic loader and a help text need, and no more.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "CUDA_HOME")
# Keys of `extra_args` that speak to Studio (or spoke to vLLM Studio), never to an engine.
INTERNAL = frozenset({
    "venv_path", "env_vars", "cuda_visible_devices", "visible_devices", "hip_visible_devices", "rocr_visible_devices",
    "description", "tags", "status", "metadata", "llama_bin", "mlx_python", "launch_command", "custom_command",
    "docker_container", "docker_image",
})

Option = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flags:
    """Groups of spellings that mean the same option, long and short and negated."""

    groups: tuple[frozenset[str], ...]

    def group(self, spelling: str) -> frozenset[str]:
        """All spellings of the same option; only itself when it is unknown."""
        return next((group for group in self.groups if spelling in group), frozenset({spelling}))

    def knows(self, spelling: str) -> bool:
        return any(spelling in group for group in self.groups)

    def nearest(self, spelling: str) -> str | None:
        """The known long flag most like `spelling`, if any is near."""
        names = sorted(name for group in self.groups for name in group if name.startswith("--"))
        found = difflib.get_close_matches(spelling, names, 1, 0.6)
        return found[0] if found else None

    def spell(self, key: str) -> str:
        """The flag of an `extra_args` key: `ctx_size` is `--ctx-size`; `ngl` is `-ngl` where only that exists."""
        name = key.lstrip("-").replace("_", "-")
        return next((flag for flag in (f"--{name}", f"-{name}") if self.knows(flag)), f"--{name}")


def parse(text: str) -> Flags:
    """Read a help text."""
    named = (_SPELLINGS.match(line) for line in text.splitlines())
    return Flags(tuple(frozenset(_SPELLING.findall(match[0])) for match in named if match))


def ask(binary: Path) -> Flags:
    """The flags of `binary`, asked once per version of the file.

    Raises:
        BadRecipe: it cannot be run, or prints no flags.
    """
    info = binary.stat()
    return _ask(str(binary), info.st_mtime_ns, info.st_size)


@lru_cache(maxsize=32)
def _ask(binary: str, mtime_ns: int, size: int) -> Flags:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    try:
        answer = subprocess.run([binary, "--help"], capture_output=True, text=True, errors="replace",
                                timeout=HELP_TIMEOUT_S, env=environment, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        raise _not_run(binary, error) from error
    except subprocess.TimeoutExpired as error:
        said = f"its --help takes longer than {HELP_TIMEOUT_S:.0f} s"
        raise BadRecipe(f"{binary} cannot be used", said, "check the file, or choose another binary") from error
    flags = parse(answer.stdout + "\n" + answer.stderr)
    if not flags.groups:
        first = next(iter(answer.stderr.strip().splitlines()), f"exit code {answer.returncode}")
        raise BadRecipe(f"{binary} does not print its flags", first, "run it with --help to see what is wrong")
    return flags


def _not_run(binary: str, error: OSError) -> BadRecipe:
    hint = "check the file, or choose another binary"
    if error.errno == errno.ENOEXEC:
        hint = f"it is no program for this machine ({os.uname().machine}): install a build for it, or choose another binary"
    return BadRecipe(f"{binary} cannot be run", error.strerror or str(error), hint)


def merge(base: Sequence[Option], extra: Mapping[str, Any], flags: Flags) -> list[str]:
    """The arguments of a recipe: its structured fields, then `extra_args`, which win over them."""
    options = [option for key, value in extra.items() if key.replace("-", "_") not in INTERNAL
               for option in expand(flags.spell(key), value)]
    taken = {spelling for option in options for spelling in flags.group(option[0])}
    kept = [option for option in base if option[0] not in taken]
    return [word for option in (*kept, *options) for word in option]


def expand(flag: str, value: Any) -> Iterable[Option]:
    """One `extra_args` value: true is a bare flag, false and null nothing, a list repeats, a mapping is JSON."""
    if value is None or value is False:
        return []
    if value is True:
        return [(flag,)]
    if isinstance(value, list | tuple):
        return [option for item in value for option in expand(flag, item)]
    return [(flag, json.dumps(value) if isinstance(value, Mapping) else str(value))]


def refuse_unknown(arguments: Sequence[str], flags: Flags, engine: str) -> None:
    """Check every flag of a finished command.

    Raises:
        BadRecipe: the first flag that the engine does not know, with the nearest that it does.
    """
    for word in arguments:
        if word.startswith("--") and len(word) > 2 and not flags.knows(word):
            near = flags.nearest(word)
            hint = f"did you mean {near}?" if near else "remove it from extra_args"
            raise BadRecipe(f"{engine} has no flag {word}", "it is not in the engine's own --help", hint)
