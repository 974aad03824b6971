"""`studio attach`, `detach` and `stop --foreign`: engines that Studio did not start."""

from __future__ import annotations

import argparse
import getpass
import sys

from studio_core import daemon, wire
from studio_core.cli.table import as_json, size
from studio_core.client import Client
from studio_core.errors import BadInput, NotFound
from studio_core.settings import Settings
from studio_core.text import line


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pid", type=int, help="its pid, as `studio ps` shows it")
    parser.add_argument("--json", action="store_true", help="as JSON")
    if parser.get_default("verb") == "attach":
        parser.add_argument("--name", default="", help="serve it under this name; its own without it")
        parser.add_argument("--key", action="store_true", help="it wants a key: ask for it, or read it from stdin")


def run(options: argparse.Namespace, settings: Settings) -> int:
    client = daemon.ensure(settings)
    if options.verb == "detach":
        client.detach(options.pid)
        print(as_json(wire.Done()) if options.json else f"pid {options.pid} detached; it goes on")
        return 0
    one = _shown(client, options.pid)
    found = client.attach(one.pid, options.name, _key() if options.key else "", one.ticks)
    print(as_json(found) if options.json else f"pid {found.pid} is served as {line(found.attached or '')}")
    return 0


def stop(client: Client, pid: int, word: str | None, force: bool) -> None:
    """End a foreign engine. Without `word` a person has to type its name."""
    one = _shown(client, pid)
    if word is None:
        word = _confirmed(one)
    client.stop_foreign(one.pid, one.ticks, word, force)
    print(f"{line(one.name)} (pid {one.pid}) stopped")


def _shown(client: Client, pid: int) -> wire.Foreign:
    found = next((one for one in client.foreign() if one.pid == pid), None)
    if found is None:
        raise NotFound(f"pid {pid} is no foreign engine", "", "see: studio ps")
    return found


def _confirmed(one: wire.Foreign) -> str:
    if not sys.stdin.isatty():
        raise BadInput("nobody is there to confirm", "", f"say it in the command: --yes-stop {line(one.name)}")
    memory = f", {size(one.memory_bytes)} of GPU memory" if one.memory_bytes is not None else ""
    print(f"{line(one.name)} is a {one.engine} of {line(one.owner)}, pid {one.pid}{memory}. Studio did not start it.")
    word = input("type its name to stop it: ")
    if word != one.name:
        raise BadInput("not stopped", "that is not its name")
    return word


def _key() -> str:
    """Never from the command line, which every user sees."""
    return getpass.getpass("its key: ") if sys.stdin.isatty() else sys.stdin.readline().strip()
