"""`studio sleep`, `wake`, `adapters` and `slots`: what a running engine is asked to do."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

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
        parser.add_argument("action", nargs="?", choices=("list", "load", "unload", "scale"), default="list")
        parser.add_argument("adapter", nargs="?", default="", help="its name")
        parser.add_argument("path", nargs="?", default="", help="to load: its folder or hub id; to scale: a number")
    if verb == "slots":
        parser.add_argument("action", nargs="?", choices=("list", "save", "restore", "erase"), default="list")
        parser.add_argument("slot", nargs="?", type=int, help="its number")
        parser.add_argument("file", nargs="?", default="", help="a name in the folder of slot_save_path")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, settings: Settings) -> int:
    client = daemon.ensure(settings)
    if options.verb == "adapters":
        found = _adapters(client, options)
        rows = [[one.name, one.origin, "" if one.scale is None else f"{one.scale:g}", one.path] for one in found]
        print(as_json(found) if options.json else table(["ADAPTER", "FROM", "SCALE", "PATH"], rows) if rows else "no adapters")
        return 0
    if options.verb == "slots":
        return _slots(client, options)
    one = client.sleep(options.name, options.level, options.force) if options.verb == "sleep" else client.wake(options.name)
    print(as_json(one) if options.json else f"{line(one.id)}: {one.state}")
    return 0


def _adapters(client: Client, options: argparse.Namespace) -> list[wire.Adapter]:
    if options.action == "list":
        return client.adapters(options.name)
    if not options.adapter or (options.action in ("load", "scale") and not options.path):
        hint = "studio adapters NAME load ADAPTER PATH, unload ADAPTER, or scale ADAPTER NUMBER"
        raise BadInput(f"which adapter is to {options.action}?", "", hint)
    if options.action == "scale":
        try:
            return client.scale_adapter(options.name, options.adapter, float(options.path))
        except ValueError as error:
            raise BadInput(f"{options.path[:40]!r} is no scale", "", "give a number like 0.5") from error
    if options.action == "load":
        return client.load_adapter(options.name, options.adapter, options.path)
    return client.unload_adapter(options.name, options.adapter)


def _slots(client: Client, options: argparse.Namespace) -> int:
    if options.action == "list":
        found = client.slots(options.name)
        rows = [[str(one.get("id", "")), "busy" if one.get("is_processing") else "idle", str(one.get("n_ctx", "")), _tokens(one)]
                for one in found]
        print(as_json(found) if options.json else table(["SLOT", "STATE", "CONTEXT", "TOKENS"], rows) if rows else "no slots")
        return 0
    if options.slot is None or (options.action != "erase" and not options.file):
        hint = "studio slots NAME save SLOT FILE, restore SLOT FILE, or erase SLOT"
        raise BadInput(f"which slot is to {options.action}?", "", hint)
    done = client.change_slot(options.name, options.slot, options.action, options.file)
    count = next((done[name] for name in ("n_saved", "n_restored", "n_erased") if name in done), None)
    what = {"save": "saved", "restore": "restored", "erase": "erased"}[options.action]
    tokens = "" if count is None else f", {count} tokens"
    print(as_json(done) if options.json else line(f"slot {options.slot} {what}{tokens}"))
    return 0


def _tokens(slot: Mapping[str, Any]) -> str:
    """What it holds of its last prompt and answer, where this version tells."""
    told = [slot[name] for name in ("n_prompt_tokens", "n_prompt_tokens_processed", "n_past") if isinstance(slot.get(name), int)]
    return str(told[0]) if told else ""
