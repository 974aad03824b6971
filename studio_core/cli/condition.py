"""`studio sleep`, `wake` and `adapters`: what a running engine is asked to do."""

from __future__ import annotations

import argparse

from studio_core import daemon, wire
from studio_core.cli.table import as_json, table
from studio_core.client import Client
from studio_core.errors import BadInput
from studio_core.settings import Settings
from studio_core.text import line


def arguments(parser: argparse.ArgumentParser) -> None:
    verb = parser.get_default("verb")
    parser.add_argument("name", help="recipe or instance")
    if verb == "sleep":
        parser.add_argument("--level", type=int, choices=(1, 2), default=0, help="2 drops the weights too")
        parser.add_argument("--force", action="store_true", help="do not wait for requests in flight")
    if verb == "adapters":
        parser.add_argument("action", nargs="?", choices=("list", "load", "unload"), default="list")
        parser.add_argument("adapter", nargs="?", default="", help="its name")
        parser.add_argument("path", nargs="?", default="", help="to load: its folder or hub id")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, settings: Settings) -> int:
    client = daemon.ensure(settings)
    if options.verb == "adapters":
        found = _adapters(client, options)
        rows = [[one.name, one.origin, one.path] for one in found]
        print(as_json(found) if options.json else table(["ADAPTER", "FROM", "PATH"], rows) if rows else "no adapters")
        return 0
    one = client.sleep(options.name, options.level, options.force) if options.verb == "sleep" else client.wake(options.name)
    print(as_json(one) if options.json else f"{line(one.id)}: {one.state}")
    return 0


def _adapters(client: Client, options: argparse.Namespace) -> list[wire.Adapter]:
    if options.action == "list":
        return client.adapters(options.name)
    if not options.adapter or (options.action == "load" and not options.path):
        raise BadInput(f"which adapter is to {options.action}?", "", "studio adapters NAME load ADAPTER PATH, or unload ADAPTER")
    if options.action == "load":
        return client.load_adapter(options.name, options.adapter, options.path)
    return client.unload_adapter(options.name, options.adapter)
