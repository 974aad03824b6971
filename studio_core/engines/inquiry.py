"""Asking an installed engine which flags it takes: a binary by its `--help`, a Python package by a probe program.

A package takes seconds to import, so its answer is kept in the cache folder until the package changes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from studio_core.engines import catalog, helptext
from studio_core.engines.catalog import Catalog, Flag
from studio_core.errors import BadRecipe
from studio_core.paths import cache_dir

HELP_S, PROBE_S = 20.0, 180.0
NICE = 10
# The file of a TabbyAPI that says its options.
CHECKOUT = Path("common/config_models.py")
PROBES = Path(__file__).parent / "probe"
# What a dynamic loader, an interpreter and a help text need, and no more.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "CUDA_HOME")


# A binary.


def binary(path: Path, engine: str) -> Catalog:
    """The flags of a program, asked once per version of the file; typed as far as the shipped table knows them.

    Raises:
        BadRecipe: it cannot be run, or prints no flags.
    """
    info = path.stat()
    return catalog.limited(catalog.shipped(engine), _helped(str(path), info.st_mtime_ns, info.st_size), str(path))


@lru_cache(maxsize=32)
def _helped(path: str, mtime_ns: int, size: int) -> tuple[Flag, ...]:
    hint = "check the file, or choose another binary"
    try:
        answer = run([path, "--help"], HELP_S)
    except OSError as error:
        raise _not_run(path, error, hint) from error
    except subprocess.TimeoutExpired as error:
        raise BadRecipe(f"{path} cannot be used", f"its --help takes longer than {HELP_S:.0f} s", hint) from error
    flags = helptext.flags(answer.stdout + "\n" + answer.stderr)
    if not flags:
        first = next(iter(answer.stderr.strip().splitlines()), f"exit code {answer.returncode}")
        raise BadRecipe(f"{path} does not print its flags", first, "run it with --help to see what is wrong")
    return flags


def _not_run(path: str, error: OSError, hint: str) -> BadRecipe:
    if error.errno == errno.ENOEXEC:
        hint = f"it is no program for this machine ({os.uname().machine}): install a build for it, or choose another binary"
    return BadRecipe(f"{path} cannot be run", error.strerror or str(error), hint)


# A Python package. One is asked at a time: each import takes a processor and gigabytes of reading.

_ASKING = threading.Lock()
# What could not answer is not asked again by itself as long as it and this process stay as they are.
_SILENT: set[str] = set()
_CHILDREN: set[subprocess.Popen[str]] = set()
# How often `abandon` was called.
_abandoned = [0]


def kept(python: Path, engine: str, home: Path | None = None) -> Catalog | None:
    """What that interpreter's engine answered when it was last asked; None when it never was, or has changed since.

    `home`: the checkout of an engine that is no package.
    """
    file = _file(python, engine, home)
    try:
        return catalog.of(json.loads(file.read_text(encoding="utf-8")), asked=True) if file else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def learn(python: Path, engine: str, patience: float = PROBE_S, home: Path | None = None) -> bool:
    """Ask once per version so that `kept` knows the answer; False where that is not to be had now, or was refused before."""
    file = _file(python, engine, home)
    if file is None or str(file) in _SILENT:
        return False
    before = _abandoned[0]
    try:
        package(python, engine, patience, home)
    except (BadRecipe, OSError):
        if _abandoned[0] == before:
            _SILENT.add(str(file))
        return False
    return True


def abandon() -> None:
    """End what is being asked; it may be asked again."""
    _abandoned[0] += 1
    for child in tuple(_CHILDREN):
        child.kill()


def unasked(python: Path, engine: str, home: Path | None = None) -> bool:
    """Whether an engine is there that could be asked and never was."""
    file = _file(python, engine, home)
    return file is not None and str(file) not in _SILENT and not file.exists()


def package(python: Path, engine: str, patience: float = PROBE_S, home: Path | None = None) -> Catalog:
    """The flags of an engine in an interpreter's environment; seconds the first time. Who asks for the same waits for that answer.

    Raises:
        BadRecipe: the engine is not there, or cannot tell, or not within `patience` seconds; `detail` has its last line.
    """
    if not _ASKING.acquire(timeout=patience):
        raise BadRecipe(f"{engine} cannot be asked for its flags", "another engine is being asked", "try again")
    try:
        return _package(python, engine, patience, home)
    finally:
        _ASKING.release()


def _package(python: Path, engine: str, patience: float, home: Path | None) -> Catalog:
    found = kept(python, engine, home)
    if found is not None:
        return found
    answer = _answer(python, engine, patience, home)
    file = _file(python, engine, home)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(answer), encoding="utf-8")
        fresh.replace(file)
    return catalog.of(answer, asked=True)


def _answer(python: Path, engine: str, patience: float, home: Path | None) -> Mapping[str, Any]:
    title, hint = f"{engine} cannot be asked for its flags", f"see what it says: {python} -c 'import {engine}'"
    argv = [str(python), str(PROBES / f"{engine}_parser.py"), *([str(home)] if home else [])]
    try:
        done = run(argv, patience, _CHILDREN)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadRecipe(title, str(error), hint) from error
    try:
        answer: Mapping[str, Any] = json.loads(done.stdout)
        return answer
    except ValueError:
        last = next(reversed(done.stderr.strip().splitlines()), f"exit code {done.returncode}")
        raise BadRecipe(title, last, hint) from None


def _file(python: Path, engine: str, home: Path | None = None) -> Path | None:
    """Where its answer is kept, by what is installed and by the probe that asked; None where that cannot be told."""
    folders = sorted(python.parent.parent.glob(f"lib*/python3*/site-packages/{engine}-*.dist-info"))
    if home is not None:
        folders = [one for one in (home / CHECKOUT,) if one.is_file()]
    probe = PROBES / f"{engine}_parser.py"
    if not folders or not probe.is_file():
        return None
    programs = [(PROBES / name).read_text(encoding="utf-8") for name in (probe.name, "form.py")]
    told = [str(python), str(home or ""), *programs, *(f"{one.name} {one.stat().st_mtime_ns}" for one in folders)]
    digest = hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
    return cache_dir() / "flags" / f"{engine}-{digest}.json"


def run(argv: Sequence[str], patience: float, among: set[subprocess.Popen[str]] | None = None) -> subprocess.CompletedProcess[str]:
    """Behind everything else that wants the processor."""
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", env=environment,
                          stdin=subprocess.DEVNULL) as child:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, child.pid, NICE)
        running = set[subprocess.Popen[str]]() if among is None else among
        running.add(child)
        try:
            out, err = child.communicate(timeout=patience)
        except BaseException:
            child.kill()
            raise
        finally:
            running.discard(child)
        return subprocess.CompletedProcess(list(argv), child.returncode, out, err)
