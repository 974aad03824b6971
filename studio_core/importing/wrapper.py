"""What stands around an engine's own command: assignments, `cd`, `source`, and programs that run another program."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from studio_core.importing.shell import Shell, Simple

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)\Z", re.DOTALL)
# Words of the shell's grammar, and the prompt that people paste with a command.
_GRAMMAR = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "{", "$", "%", "command", "builtin"})
_ENDS = frozenset({"fi", "done", "}", "esac", "wait", "true", "exit", "clear"})


@dataclass(slots=True)
class Invocation:
    """A program as it would be run. `venv` is the folder of an activated environment."""

    argv: list[str]
    env: dict[str, str]
    cwd: str = ""
    venv: str = ""
    notes: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wrapper:
    """A program that runs another. `takes`: options with a value; `verbs`: words of its own first; `skip`: its operands."""

    takes: frozenset[str] = frozenset()
    verbs: tuple[str, ...] = ()
    skip: int = 0
    says: str = ""


def _takes(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PLACED = "{} sets where it runs; a recipe cannot say that"
WRAPPERS: Mapping[str, Wrapper] = {
    "env": Wrapper(_takes("-u --unset -C --chdir")),
    "nohup": Wrapper(),
    "exec": Wrapper(_takes("-a")),
    "setsid": Wrapper(),
    "time": Wrapper(_takes("-f -o")),
    "stdbuf": Wrapper(_takes("-i -o -e")),
    "unbuffer": Wrapper(),
    "caffeinate": Wrapper(),
    "sudo": Wrapper(_takes("-u -g -h -p -C -D --user --group"), says="{} is left out: engines run as the user of Studio"),
    "doas": Wrapper(_takes("-u -C"), says="{} is left out: engines run as the user of Studio"),
    "nice": Wrapper(_takes("-n --adjustment"), says=_PLACED),
    "ionice": Wrapper(_takes("-c -n --class --classdata"), says=_PLACED),
    "chrt": Wrapper(skip=1, says=_PLACED),
    "numactl": Wrapper(_takes("-N -m -C -i -p --cpunodebind --membind --physcpubind --interleave --preferred"), says=_PLACED),
    "taskset": Wrapper(skip=1, says=_PLACED),
    "timeout": Wrapper(_takes("-s -k --signal --kill-after"), skip=1, says="{} is left out: engines run until they are stopped"),
    "catchsegv": Wrapper(),
    "uv": Wrapper(_takes("--with --python -p --project --extra --group --directory --env-file --with-requirements --index-url"),
                  ("run",), says="{} run: set python_path to the interpreter of that project"),
    "uvx": Wrapper(_takes("--with --python -p --from --index-url"), says="{}: set python_path to an environment with the engine"),
    "poetry": Wrapper(_takes("-C --directory"), ("run",), says="{} run: set python_path to the interpreter of that project"),
    "pdm": Wrapper(_takes("-p --project"), ("run",), says="{} run: set python_path to the interpreter of that project"),
    "pipenv": Wrapper(verbs=("run",), says="{} run: set python_path to the interpreter of that project"),
    "hatch": Wrapper(_takes("-e"), ("run",), says="{} run: set python_path to the interpreter of that project"),
    **{name: Wrapper(_takes("-n --name -p --prefix --cwd"), ("run",)) for name in ("conda", "mamba", "micromamba")},
}
# What a line of Studio's, or of another tool that chooses ports, has in place of one.
PORT_WORD = "${PORT:-8000}"
PORTS = ("$PORT", "${PORT}", PORT_WORD)
SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh"})


def invocations(text: str) -> Iterator[Invocation]:
    """Every program of a shell text with what surrounds it, in order."""
    yield from _Walk(Shell(text), {}).run()


class _Walk:
    """One shell text, its state as a shell would have it."""

    def __init__(self, shell: Shell, env: Mapping[str, str], cwd: str = "") -> None:
        self._shell = shell
        self._env = dict(env)
        self._cwd, self._venv = cwd, ""
        self._notes: list[str] = []
        self._all_exported = False

    def run(self) -> Iterator[Invocation]:
        for simple in self._shell:
            words, own = _split(simple.words)
            if not words:
                self._assign(own)
                continue
            order = _Walk._activate if words[0] in _ACTIVATORS and "activate" in words else _ORDERS.get(words[0])
            if order is not None:
                order(self, words[1:])
            elif words[0] not in _ENDS:
                yield from self._program(words, own, simple)

    def _assign(self, own: Mapping[str, str]) -> None:
        self._shell.variables.update(own)
        self._env.update({name: value for name, value in own.items() if self._all_exported or name in self._env})

    def _program(self, words: list[str], own: Mapping[str, str], simple: Simple) -> Iterator[Invocation]:
        one = Invocation(words, {**self._env, **own}, self._cwd, self._venv, list(self._notes))
        unwrap(one)
        if simple.redirected or simple.ended in ("|", "|&"):
            one.notes.append("its output goes to Studio's log of the engine, not where the command sent it")
        one.notes += [f"{text} is kept as it is written: nothing was executed or looked up"
                      for text in self._shell.kept if text not in PORTS]
        self._shell.kept.clear()
        one.comments = list(self._shell.comments)
        self._shell.comments.clear()
        yield from script_of(one)

    # Commands of the shell itself.

    def _export(self, words: list[str]) -> None:
        for word in words:
            match = _ASSIGNMENT.match(word)
            name = match[1] if match else word
            if match:
                self._shell.variables[name] = match[2]
            if name in self._shell.variables:
                self._env[name] = self._shell.variables[name]

    def _unset(self, words: list[str]) -> None:
        for word in words:
            self._shell.variables.pop(word, None)
            self._env.pop(word, None)

    def _cd(self, words: list[str]) -> None:
        target = next((word for word in words if not word.startswith("-")), "")
        self._cwd = within(self._cwd, target)

    def _source(self, words: list[str]) -> None:
        path = PurePosixPath(words[0] if words else "")
        if path.name == "activate" and path.parent.name == "bin":
            self._venv = within(self._cwd, str(path.parent.parent))
        elif words:
            self._notes.append(f"{words[0]} was not read: write what it sets into env_vars")

    def _activate(self, words: list[str]) -> None:
        name = words[1] if len(words) > 1 and words[0] == "activate" else ""
        if name.startswith(("/", "~")):
            self._venv = name
        elif name:
            self._notes.append(f"conda environment {name}: set python_path to its interpreter")

    def _set(self, words: list[str]) -> None:
        self._all_exported = "-a" in words or (self._all_exported and "+a" not in words)


_ORDERS: Mapping[str, Callable[[_Walk, list[str]], None]] = {
    "export": _Walk._export, "declare": _Walk._export, "typeset": _Walk._export, "unset": _Walk._unset, "cd": _Walk._cd,
    "pushd": _Walk._cd, "source": _Walk._source, ".": _Walk._source, "set": _Walk._set,
}
_ACTIVATORS = ("conda", "mamba", "micromamba")


def _split(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """The words after leading assignments, and those."""
    own: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0] in _GRAMMAR:
        rest.pop(0)
    while rest and (match := _ASSIGNMENT.match(rest[0])):
        own[match[1]] = match[2]
        rest.pop(0)
    return rest, own


def script_of(one: Invocation) -> Iterator[Invocation]:
    """What `sh -c TEXT` runs; anything else is itself."""
    if one.argv and PurePosixPath(one.argv[0]).name in SHELLS and (inner := _script(one.argv)) is not None:
        for each in _Walk(Shell(inner, dict(one.env)), one.env, one.cwd).run():
            each.notes = [*one.notes, *each.notes]
            yield each
    else:
        yield one


def _script(argv: list[str]) -> str | None:
    """The text of `sh -c TEXT`."""
    at = next((at for at, word in enumerate(argv) if re.fullmatch(r"-[a-z]*c", word)), None)
    return argv[at + 1] if at is not None and at + 1 < len(argv) else None


def unwrap(one: Invocation) -> None:
    """Take the programs off that only run another; what they do and a recipe cannot say is noted."""
    while one.argv and (wrapper := WRAPPERS.get(name := PurePosixPath(one.argv[0]).name)) is not None:
        rest = one.argv[1:]
        if wrapper.verbs and not set(wrapper.verbs) & set(rest):
            return
        options = _options(rest, wrapper)
        _apply(one, name, options)
        if wrapper.says:
            one.notes.append(wrapper.says.format(name))
        del rest[:wrapper.skip]
        words, own = _split(rest)
        one.env.update(own)
        one.argv = words


def _options(rest: list[str], wrapper: Wrapper) -> dict[str, str]:
    """Takes its options and verbs from the front of `rest`."""
    found: dict[str, str] = {}
    while rest and (rest[0].startswith("-") or rest[0] in wrapper.verbs):
        word = rest.pop(0)
        name, equals, value = word.partition("=")
        if name in wrapper.takes and not equals and rest:
            value = rest.pop(0)
        if word == "--":
            break
        found[name] = value
    return found


def _apply(one: Invocation, name: str, options: Mapping[str, str]) -> None:
    """What an option says that a recipe can say too."""
    folder = next((options[key] for key in ("-C", "--chdir", "--cwd", "--directory", "-D") if options.get(key)), "")
    if folder:
        one.cwd = within(one.cwd, folder)
    if name == "env" and (gone := options.get("-u") or options.get("--unset")):
        one.env.pop(gone, None)
    prefix = options.get("-p") or options.get("--prefix")
    if name in _ACTIVATORS and prefix:
        one.venv = within(one.cwd, prefix)
    elif name in _ACTIVATORS and (called := options.get("-n") or options.get("--name")):
        one.notes.append(f"conda environment {called}: set python_path to its interpreter")


def within(cwd: str, path: str) -> str:
    """A path as seen from a folder; as it is where the folder is not known."""
    if not cwd or not path or path.startswith(("/", "~", "$")):
        return path
    parts: list[str] = []
    for part in PurePosixPath(cwd, path).parts:
        if part == ".." and parts and parts[-1] not in ("..", "/"):
            parts.pop()
        else:
            parts.append(part)
    return str(PurePosixPath(*parts))
