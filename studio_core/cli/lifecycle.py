"""`studio launch`, `stop` and `switch`."""

from __future__ import annotations

import argparse
import sys

from studio_core import daemon, wire
from studio_core.cli.picker import pick
from studio_core.cli.table import as_json, progress
from studio_core.client import Client
from studio_core.errors import LaunchFailed, NotFound
from studio_core.settings import Settings
from studio_core.text import clean


def arguments(parser: argparse.ArgumentParser) -> None:
    verb = parser.get_default("verb")
    parser.add_argument("name", nargs="?" if verb == "switch" else None, help="the recipe")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--force", action="store_true", help="do not wait for requests in flight")
    if verb == "launch":
        parser.add_argument("--wait", action="store_true", help="until it is ready or has failed")


def run(options: argparse.Namespace, settings: Settings) -> int:
    client = daemon.ensure(settings, options.overrides)
    return {"launch": _launch, "stop": _stop, "switch": _switch}[options.verb](client, options)


def _launch(client: Client, options: argparse.Namespace) -> int:
    launch = client.launch(options.name, force=options.force)
    if options.wait:
        launch = _await(client, launch)
    return _tell(launch, options.json)


def _switch(client: Client, options: argparse.Namespace) -> int:
    name = options.name or pick("switch to", [(one.id, f"{one.status:9} {one.name}") for one in client.recipes()])
    if name is None:
        return 130
    return _tell(_await(client, client.launch(name, force=options.force)), options.json)


def _stop(client: Client, options: argparse.Namespace) -> int:
    mine = [one for one in client.instances() if options.name in (one.recipe_id, one.id)]
    coming = [one for one in client.status().launches if one.recipe_id == options.name and one.state in ("planned", "waiting")]
    if not mine and not coming:
        raise NotFound(f"{options.name} does not run", "", "see: studio ps")
    for launch in coming:
        client.cancel(launch.recipe_id)
    stopped = [client.evict(one.id, options.force) for one in mine]
    print(as_json(stopped) if options.json else f"{clean(options.name)} stopped")
    return 0


def _await(client: Client, launch: wire.Launch) -> wire.Launch:
    """Follow it; on a terminal its progress is shown in place."""
    shown = sys.stderr.isatty()
    for _ in client.events():
        launch = client.launch_state(launch.id)
        if shown:
            line = f"{launch.recipe_id}: {launch.message}, {progress(launch.progress)}"
            print(f"\r\x1b[K{clean(line)}", end="", file=sys.stderr)
        if launch.state in ("ready", "failed", "cancelled", "superseded"):
            break
    if shown:
        print("\r\x1b[K", end="", file=sys.stderr)
    return launch


def _tell(launch: wire.Launch, as_data: bool) -> int:
    if as_data:
        print(as_json(launch))
    if launch.failure is not None:
        raise LaunchFailed(launch.failure.title, launch.failure.detail, launch.failure.hint)
    if not as_data:
        print(f"{clean(launch.recipe_id)}: {clean(launch.message)}")
    return 0 if launch.state not in ("cancelled", "superseded") else 1
