"""`docker run` and `podman run` of an engine's image.

Options that take no value are those of Docker's own reference; every other option takes one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from studio_core.engines.container import SHARED
from studio_core.errors import BadRecipe
from studio_core.importing import command
from studio_core.importing.found import Files, Found, nothing
from studio_core.importing.program import Program, recognise
from studio_core.importing.unit import variables
from studio_core.importing.wrapper import Invocation, script_of, unwrap, within

RUNNERS = frozenset({"docker", "podman", "nerdctl"})
_BARE = frozenset((
    "--detach", "--interactive", "--tty", "--rm", "--init", "--privileged", "--read-only", "--publish-all", "--oom-kill-disable",
    "--no-healthcheck", "--sig-proxy", "--disable-content-trust", "--quiet", "--replace", "--tls-verify", "--no-hosts",
))
_BARE_SHORT = frozenset("ditPq")
_LONG = {"-e": "--env", "-v": "--volume", "-p": "--publish", "-w": "--workdir", "-u": "--user", "-m": "--memory",
         "-l": "--label", "-h": "--hostname", "--net": "--network"}
# Options that Studio sets itself in its own way, or that only name the container.
_SILENT = (_BARE - {"--privileged"}) | frozenset((
    "--name", "--publish", "--restart", "--network", "--label", "--hostname", "--pull", "--cidfile",
    "--log-driver", "--log-opt", "--stop-timeout", "--stop-signal", "--runtime", "--gpus", "--device", "--env", "--env-file",
    "--entrypoint", "--workdir", "--ipc", "--shm-size", "--ulimit", "--volume",
))
# Of these it says so: whoever pasted them may miss what they did.
_OURS = ("--name", "--hostname", "--label", "--publish", "--network", "--restart", "--pull", "--log-driver", "--log-opt",
         "--stop-timeout", "--stop-signal")
# Image → the words that its entry point already has. First match counts; elsewhere the arguments are the whole command.
ENTRY_POINTS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple((re.compile(pattern), words) for pattern, words in (
    (r"(?:.*/)?vllm/vllm-openai\b", ("vllm", "serve")),
    (r"(?:.*/)?vllm/vllm-(?:cpu|tpu|xpu|arm64)\S*", ("vllm", "serve")),
    (r".*llama\.cpp:server", ("llama-server",)),
    (r".*llama\.cpp:full", ("llama-tools",)),
    (r".*tabbyapi\b", ("python3", "main.py")),
))
_VOLUME = re.compile(r"(?P<source>[^:]+):(?P<target>/[^:]*)(?::(?P<mode>[\w,]+))?\Z")


@dataclass(slots=True)
class Run:
    """A container as its command line describes it: options by long name, image, arguments."""

    options: dict[str, list[str]] = field(default_factory=dict)
    image: str = ""
    words: list[str] = field(default_factory=list)

    def one(self, name: str) -> str:
        return next(reversed(self.options.get(name, [""])))


def runs(one: Invocation) -> bool:
    """Whether it starts a container."""
    return bool(one.argv) and PurePosixPath(one.argv[0]).name in RUNNERS and "run" in one.argv[1:6]


def recipe_of(one: Invocation, files: Files) -> Found:
    """Raises BadRecipe where the image starts no engine that is known here."""
    run = parse(one.argv)
    if not run.image:
        raise BadRecipe("the container command names no image", "", "paste the whole line")
    inside = Invocation(_command(run), dict(_environment(run, one, files)), run.one("--workdir"),
                        notes=list(one.notes), comments=one.comments)
    unwrap(inside)
    inside = next(script_of(inside), inside)
    program = recognise(inside)
    if program is None:
        raise BadRecipe(f"the image {run.image} starts no engine that Studio knows", shlex.join(inside.argv[:1]),
                        "paste the engine's own command, and set runtime: {kind: docker, ref: IMAGE}")
    found = engine(program, inside, run, one.cwd)
    _placed(found, run, one.cwd)
    return found


def engine(program: Program, inside: Invocation, run: Run, cwd: str = "") -> Found:
    """The recipe of what runs in the container. Its files are not this machine's."""
    program.fields.clear()
    found = command.recipe_of(program, inside, nothing)
    found.data["runtime"] = {"kind": "docker", "ref": run.image, **_wanted(run, cwd)}
    found.data.pop("binary", None)
    _gpus(found, run.options.get("--gpus", []) + run.options.get("--device", []))
    ours = [f"{name} {value}" for name in _OURS for value in run.options.get(name, [])]
    if ours:
        found.note(f"{', '.join(ours)}: Studio names, publishes, stops and restarts its containers itself")
    return found


def _wanted(run: Run, cwd: str) -> dict[str, Any]:
    """What the recipe's runtime has a field for, and every further option as it was given."""
    shared, ipc = run.one("--shm-size"), run.one("--ipc")
    found: dict[str, Any] = {
        "volumes": [_here(one, cwd) for one in run.options.get("--volume", [])], "ulimits": run.options.get("--ulimit", []),
        "shm_size": None if shared == SHARED and not ipc else shared, "ipc": ipc, "args": list(_beyond(run)),
    }
    return {name: value for name, value in found.items() if value}


def _here(volume: str, cwd: str) -> str:
    """A relative source as seen from where the command ran."""
    source, colon, rest = volume.partition(":")
    return f"{within(cwd, source)}{colon}{rest}" if source.startswith(".") and cwd else volume


def keep(found: Found, text: str) -> None:
    """What a recipe has no field for stays readable in its notes."""
    found.note(f"{text}: kept in the recipe's notes, Studio does not apply it")
    before = found.data.get("notes", "")
    found.data["notes"] = f"{before}\n{text}" if before else text


def parse(argv: list[str]) -> Run:
    """Reads the words after `run`."""
    rest, run = argv[argv.index("run") + 1:], Run()
    while rest and rest[0].startswith("-"):
        name, value = _option(rest)
        run.options.setdefault(_LONG.get(name, name), []).append(value)
    if rest:
        run.image, run.words = rest[0], rest[1:]
    return run


def _option(rest: list[str]) -> tuple[str, str]:
    word = rest.pop(0)
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return name, value if equals or name in _BARE or not rest else rest.pop(0)
    if set(word[1:]) <= _BARE_SHORT:
        return word, ""
    name, value = word[:2], word[2:].removeprefix("=")
    return name, value or (rest.pop(0) if rest else "")


def _command(run: Run) -> list[str]:
    if "--entrypoint" in run.options:
        return [*shlex.split(run.one("--entrypoint")), *run.words]
    entry = entry_of(run.image)
    # Some write the entry point's words again, which older images without it needed.
    words = run.words[len(entry):] if entry and run.words[:len(entry)] == list(entry) else run.words
    return [*entry, *words]


def entry_of(image: str) -> tuple[str, ...]:
    """The words that an image's entry point already has, as far as that is known here."""
    return next((words for pattern, words in ENTRY_POINTS if pattern.match(image)), ())


def _environment(run: Run, one: Invocation, files: Files) -> Iterator[tuple[str, str]]:
    for name in run.options.get("--env-file", []):
        text = files(Path(within(one.cwd, name)).expanduser())
        if text is None:
            one.notes.append(f"{name} could not be read: write what it sets into env_vars")
        else:
            yield from variables(text)
    for pair in run.options.get("--env", []):
        name, equals, value = pair.partition("=")
        if equals:
            yield name, value
        elif name in one.env:
            yield name, one.env[name]
        else:
            one.notes.append(f"{name} comes from the environment of whoever runs the command: write its value into env_vars")


def _gpus(found: Found, given: Iterable[str]) -> None:
    """--gpus all needs no word; devices by number or UUID are the recipe's."""
    for text in given:
        plain = text.strip("\"'")
        listed = re.match(r"(?:.*,)?\"?device=(.+?)\"?\Z", plain) or re.match(r"nvidia\.com/gpu=(.+)\Z", plain)
        names = [one for one in listed[1].split(",") if one] if listed else []
        if names and names != ["all"] and "gpus" not in found.data:
            found.data["gpus"] = names
        elif plain.isdigit():
            found.note(f"--gpus {plain} asks for any {plain} GPUs: name them in gpus where that matters")
        elif not listed and plain != "all":
            found.data["runtime"].setdefault("args", []).extend(("--device", plain))


def _beyond(run: Run) -> Iterator[str]:
    for name, values in run.options.items():
        if name in _SILENT:
            continue
        if not name.startswith("--") and set(name[1:]) <= _BARE_SHORT:
            continue
        # A switch is one word, whatever else is an option and its value.
        for value in values:
            yield from (name, value) if value else (name,)


def _placed(found: Found, run: Run, cwd: str) -> None:
    """The places of model and adapters on this machine, where a volume tells them."""
    model = found.data["model_path"]
    if here := _outside(model, run, cwd):
        found.data["model_path"] = here
        found.note(f"the model is {here} on this machine, {model} in the container")
    for one in found.data.get("lora_adapters", ()):
        one["path"] = _outside(one["path"], run, cwd) or one["path"]


def _outside(path: str, run: Run, cwd: str) -> str:
    """Where what the container has at `path` is on this machine; empty where no volume says so."""
    for source, target in _mounts(run):
        if path == target or path.startswith(target.rstrip("/") + "/"):
            return within(cwd, source).rstrip("/") + path[len(target.rstrip("/")):]
    return ""


def _mounts(run: Run) -> Iterator[tuple[str, str]]:
    for text in run.options.get("--volume", []):
        if (match := _VOLUME.match(text)) and match["source"].startswith(("/", "~", ".", "$")):
            yield match["source"], match["target"]
    for text in run.options.get("--mount", []):
        pairs: Mapping[str, str] = dict(part.partition("=")[::2] for part in text.split(","))
        source = pairs.get("source") or pairs.get("src")
        target = pairs.get("target") or pairs.get("dst") or pairs.get("destination")
        if source and target:
            yield source, target
