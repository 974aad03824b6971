"""`studio requests`: what is under way, and its end."""

from __future__ import annotations

import argparse

from studio_core import daemon, wire
from studio_core.cli.table import age, as_json, table
from studio_core.errors import BadInput
from studio_core.settings import Settings
from studio_core.text import line


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("list", "cancel"), default="list")
    parser.add_argument("id", nargs="?", default="", help="to cancel: the request")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, settings: Settings) -> int:
    client = daemon.ensure(settings)
    if options.action == "cancel":
        if not options.id:
            raise BadInput("which request is to be cancelled?", "", "see: studio requests; then: studio requests cancel ID")
        client.cancel_request(options.id)
        print(as_json({"cancelled": options.id}) if options.json else f"{line(options.id)} cancelled")
        return 0
    found = client.requests()
    print(as_json(found) if options.json else _shown(found))
    return 0


def _shown(found: wire.Flights) -> str:
    if not found.requests:
        return "no request is under way"
    rows = [
        [one.id, age(one.age_s), one.state, one.model, one.key or "-", str(one.tokens), one.path] for one in found.requests
    ]
    more = found.total - len(rows)
    return table(["REQUEST", "AGE", "STATE", "MODEL", "KEY", "TOKENS", "PATH"], rows) + (f"\nand {more} more" if more > 0 else "")
