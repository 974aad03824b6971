"""`studio engines`: what is installed where, and building an engine's own environment."""

from __future__ import annotations

import argparse

from studio_core import daemon
from studio_core.cli.log import follow
from studio_core.cli.table import as_json, table
from studio_core.client import Client
from studio_core.errors import StudioError
from studio_core.settings import Settings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("list", "install", "upgrade", "cancel"), default="list")
    parser.add_argument("name", nargs="?", default="", help="vllm or sglang")
    parser.add_argument("--version", default="", help="this version instead of the newest")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(options: argparse.Namespace, settings: Settings) -> int:
    client = daemon.ensure(settings)
    if options.action == "list":
        return _list(client, options.json)
    if options.action == "cancel":
        client.cancel_install(options.name)
        print(f"the installation of {options.name} was cancelled")
        return 0
    return _install(client, options)


def _list(client: Client, as_data: bool) -> int:
    found = client.engines()
    if as_data:
        print(as_json(found))
        return 0
    usable = {True: "yes", False: "no"}
    rows = [[one.engine, one.version or "-", usable[one.usable], ", ".join(one.can) or "-", one.place, one.origin, one.note]
            for one in found.engines]
    print(table(["ENGINE", "VERSION", "USABLE", "CAN", "PLACE", "FROM", "NOTE"], rows) if rows else "no engine was found")
    for job in found.jobs:
        if job.state == "running":
            print(f"{job.engine} is being installed: studio logs install-{job.engine} -f")
    return 0


def _install(client: Client, options: argparse.Namespace) -> int:
    """Shows what pip says. Ctrl-C ends the looking only.

    Raises:
        StudioError: it failed; its log says why.
    """
    job = client.install(options.name, options.version)
    log_id = f"install-{job.engine}"
    print(f"it goes on when this is closed; end it: studio engines cancel {job.engine}")
    follow(client, log_id, 0, None)
    if _state(client, job.engine) != "done":
        raise StudioError(f"{job.engine} was not installed", "", f"see why: studio logs {log_id}")
    return 0


def _state(client: Client, engine: str) -> str:
    return next((one.state for one in client.engines().jobs if one.engine == engine), "none")
