"""`studio`: a table of verbs, each imported only when it is used. Without a verb it opens the app."""

from __future__ import annotations

import gc
import io
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from studio_core import settings
from studio_core.errors import BadInput, StudioError
from studio_core.text import line

INTERRUPTED = 130
# Most verbs are over before so many objects have been made: looking for garbage would only make each start longer.
YOUNG = 50_000

# Verb → module in this package (with `arguments(parser)` and `run(options, settings) -> exit code`) and what it does.
VERBS = {
    "up": ("daemon", "start controller and gateway"),
    "down": ("daemon", "end controller and gateway; engines go on unless --engines"),
    "status": ("status", "what runs"),
    "pane": ("pane", "a live view in one to a few rows, for a pane of tmux"),
    "ps": ("status", "instances, with their processes"),
    "gpus": ("status", "GPUs and host"),
    "recipes": ("recipe", "list, show, add, edit, remove, export, import"),
    "engines": ("engine", "what is installed where; install, upgrade, cancel"),
    "check": ("check", "what is wrong with a recipe, and its exact command"),
    "import": ("takeover", "take over what vLLM Studio stored"),
    "launch": ("lifecycle", "run a recipe"),
    "stop": ("lifecycle", "stop what a recipe runs"),
    "attach": ("foreign", "serve an engine that somebody else started"),
    "detach": ("foreign", "serve it no more; it goes on"),
    "switch": ("lifecycle", "run another recipe in place of what runs"),
    "sleep": ("condition", "let an engine give its memory back"),
    "wake": ("condition", "wake a sleeping engine"),
    "adapters": ("condition", "LoRA adapters of a running engine"),
    "slots": ("condition", "slots of a running llama.cpp server"),
    "logs": ("log", "read or follow a log"),
    "chat": ("chat", "talk to a model"),
    "requests": ("request", "what is under way; cancel ID ends it"),
    "settings": ("setting", "what holds and where it comes from; set, unset"),
    "keys": ("key", "list, make, revoke; admin prints the admin key"),
    "demo": ("demo", "fetch a small model and run it"),
    "doctor": ("doctor", "check this machine and explain"),
    "service": ("service", "install or remove the systemd user unit"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; the exit code is 0 only on success, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without Unicode gets question marks instead of a traceback.
            stream.reconfigure(errors="replace")
    gc.set_threshold(YOUNG)
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return code
    except StudioError as error:
        return _failed(error.line())
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has read enough.
        _hush()
        return 0
    except OSError as error:
        _hush()
        return _failed(str(error))


def _light() -> None:
    """msgspec looks into typing_extensions, as large as all of ours, for what typing has in every Python that we run on."""
    if "typing_extensions" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]


def _hush() -> None:
    """What cannot be printed any more is given up, or the interpreter would complain of it at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _failed(text: str) -> int:
    print(f"error: {line(text)}", file=sys.stderr)
    return 1


def _run(words: Sequence[str]) -> int:
    # Who only opens the app does not wait for what reads words.
    name, rest, given = _read(words) if words else (None, (), {})
    found = settings.load(given)
    _light()
    if name is None:
        from studio_core.cli.app import app

        return app(found)
    return _verb(name, rest, found)


def _read(words: Sequence[str]) -> tuple[str | None, Sequence[str], Mapping[str, Any]]:
    """The verb, what is said to it, and the settings that were given."""
    from studio_core.cli import parser

    options = parser.top(VERBS).parse_args(words)
    given = {"data_dir": options.state, "url": options.url, "port": options.port, "read_only": options.read_only}
    return options.verb, options.rest, {name: value for name, value in given.items() if value}


def _verb(name: str, rest: Sequence[str], found: settings.Settings) -> int:
    from studio_core.cli import parser

    if name not in VERBS:
        from difflib import get_close_matches

        near = get_close_matches(name, VERBS, n=1)
        raise BadInput(f"there is no verb {name!r}", "", f"did you mean {near[0]}?" if near else "see: studio --help")
    module_name, what = VERBS[name]
    module = import_module(f"studio_core.cli.{module_name}")
    verb = parser.Parser(prog=f"studio {name}", description=what)
    verb.set_defaults(verb=name)
    module.arguments(verb)
    code: int = module.run(verb.parse_args(rest), found)
    return code


if __name__ == "__main__":
    sys.exit(main())
