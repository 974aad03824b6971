"""`studio`: a table of verbs, each imported only when it is used. Without a verb it opens the app."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from studio_core import __version__, settings
from studio_core.errors import StudioError
from studio_core.text import clean

# Verb → module in this package (with `arguments(parser)` and `run(options, settings) -> exit code`) and what it does.
VERBS = {
    "up": ("daemon", "start controller and gateway"),
    "down": ("daemon", "end controller and gateway; engines go on unless --engines"),
    "status": ("status", "what runs"),
    "ps": ("status", "instances, with their processes"),
    "gpus": ("status", "GPUs and host"),
    "recipes": ("recipe", "list, show, add, edit, remove, export, import"),
    "import": ("takeover", "take over what vLLM Studio stored"),
    "launch": ("lifecycle", "run a recipe"),
    "stop": ("lifecycle", "stop what a recipe runs"),
    "switch": ("lifecycle", "run another recipe in place of what runs"),
    "logs": ("log", "read or follow a log"),
    "chat": ("chat", "talk to a model"),
    "keys": ("key", "print the admin key"),
    "demo": ("demo", "fetch a small model and run it"),
    "doctor": ("doctor", "check this machine and explain"),
    "service": ("service", "install or remove the systemd user unit"),
}


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="studio", description="Models of a GPU machine: launch, switch, watch, chat, serve.")
    top.add_argument("--version", action="version", version=f"studio {__version__}")
    top.add_argument("--state", metavar="DIR", help="state directory")
    top.add_argument("--url", help="address of a remote Studio")
    top.add_argument("--port", help="port of the gateway")
    what = "; ".join(f"{name}: {does}" for name, (_, does) in VERBS.items())
    top.add_argument("verb", nargs="?", choices=[*VERBS], metavar="VERB", help=what)
    top.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; the exit code is 0 only on success."""
    options = parser().parse_args(arguments)
    given = {"data_dir": options.state, "url": options.url, "port": options.port}
    overrides = {name: value for name, value in given.items() if value}
    try:
        found = settings.load(overrides)
        if options.verb is None:
            from studio_core.cli.app import app

            return app(found)
        return _verb(options.verb, options.rest, found, overrides)
    except StudioError as error:
        print(f"error: {clean(error.line())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0


def _verb(name: str, rest: Sequence[str], found: settings.Settings, overrides: dict[str, str]) -> int:
    module = import_module(f"studio_core.cli.{VERBS[name][0]}")
    verb = argparse.ArgumentParser(prog=f"studio {name}", description=VERBS[name][1])
    verb.set_defaults(verb=name, overrides=overrides)
    module.arguments(verb)
    code: int = module.run(verb.parse_args(rest), found)
    return code


if __name__ == "__main__":
    sys.exit(main())
