"""`studio`: a table of verbs, each imported only when it is used. Without a verb it opens the app."""

from __future__ import annotations

import argparse
import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from studio_core import __version__, settings
from studio_core.errors import BadInput, StudioError
from studio_core.text import clean, line

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


def parser() -> argparse.ArgumentParser:
    verbs = "\n".join(f"  {name:<9} {what}" for name, (_, what) in VERBS.items())
    top = Parser(
        prog="studio", description="Models of a GPU machine: launch, switch, watch, chat, serve.",
        epilog=f"verbs (each with --help):\n{verbs}", formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"studio {__version__}")
    top.add_argument("--state", metavar="DIR", help="state directory")
    top.add_argument("--url", help="address of a remote Studio, or the name of a server of studio.yaml")
    top.add_argument("--read-only", action="store_true", help="only look: whatever changes something is refused")
    top.add_argument("--port", help="port of the gateway")
    top.add_argument("verb", nargs="?", metavar="VERB", help="one of these; without one the app opens")
    top.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return top


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, like every error here."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {clean(message)} (see: {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; the exit code is 0 only on success, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without Unicode gets question marks instead of a traceback.
            stream.reconfigure(errors="replace")
    gc.set_threshold(YOUNG)
    try:
        code = _run(parser().parse_args(arguments))
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


def _run(options: argparse.Namespace) -> int:
    given = {"data_dir": options.state, "url": options.url, "port": options.port, "read_only": options.read_only}
    found = settings.load({name: value for name, value in given.items() if value})
    _light()
    if options.verb is None:
        from studio_core.cli.app import app

        return app(found)
    if options.verb not in VERBS:
        from difflib import get_close_matches

        near = get_close_matches(options.verb, VERBS, n=1)
        raise BadInput(f"there is no verb {options.verb!r}", "", f"did you mean {near[0]}?" if near else "see: studio --help")
    module_name, what = VERBS[options.verb]
    module = import_module(f"studio_core.cli.{module_name}")
    verb = Parser(prog=f"studio {options.verb}", description=what)
    verb.set_defaults(verb=options.verb)
    module.arguments(verb)
    code: int = module.run(verb.parse_args(options.rest), found)
    return code


if __name__ == "__main__":
    sys.exit(main())
