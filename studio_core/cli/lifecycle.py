"""`studio launch`, `stop` and `switch`."""

from __future__ import annotations

import argparse
import os
import sys

from studio_core import daemon, wire
from studio_core.cli import foreign
from studio_core.cli.picker import pick
from studio_core.cli.table import as_json, progress
from studio_core.client import Client
from studio_core.errors import LaunchFailed, NotFound, by_code
from studio_core.settings import Settings
from studio_core.text import line


def arguments(parser: argparse.ArgumentParser) -> None:
    verb = parser.get_default("verb")
    if verb == "stop":
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("name", nargs="?", help="the recipe")
        which.add_argument("--foreign", type=int, metavar="PID", help="an engine that Studio did not start; asks for its name")
        parser.add_argument("--yes-stop", metavar="NAME", help="its name, for scripts: nobody is asked")
    else:
        parser.add_argument("name", nargs="?" if verb == "switch" else None, help="the recipe")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--force", action="store_true", help="do not wait for requests in flight")
    if verb == "launch":
        parser.add_argument("--wait", action="store_true", help="until it is ready or has failed")


def run(options: argparse.Namespace, settings: Settings) -> int:
    client = daemon.ensure(settings)
    return {"launch": _launch, "stop": _stop, "switch": _switch}[options.verb](client, options)


def _launch(client: Client, options: argparse.Namespace) -> int:
    if options.wait:
        return _tell(_await(client, options.name, options.force), options.json)
    return _tell(client.launch(options.name, force=options.force), options.json)


def _switch(client: Client, options: argparse.Namespace) -> int:
    name = options.name or _choose(client)
    if name is None:
        return 130
    return _tell(_await(client, name, options.force), options.json)


def _choose(client: Client) -> str | None:
    recipes = client.recipes()
    if not recipes:
        raise NotFound("there is no recipe to switch to", "", "add one: studio recipes add FILE")
    return pick("switch to", [(one.id, f"{one.status:9} {one.name}") for one in recipes])


def _stop(client: Client, options: argparse.Namespace) -> int:
    if options.foreign is not None:
        foreign.stop(client, options.foreign, options.yes_stop, options.force)
        return 0
    mine = [one for one in client.instances() if options.name in (one.recipe_id, one.id)]
    coming = [one for one in client.status().launches if one.recipe_id == options.name and one.state in ("planned", "waiting")]
    if not mine and not coming:
        raise NotFound(f"{options.name} does not run", "", "see: studio ps")
    for launch in coming:
        client.cancel(launch.recipe_id)
    stopped = [client.evict(one.id, options.force) for one in mine]
    print(as_json(stopped) if options.json else f"{line(options.name)} stopped")
    return 0


def _await(client: Client, name: str, force: bool) -> wire.Launch:
    """Launch it and wait; on a terminal its progress is shown in place. Ctrl-C ends the waiting only."""
    shown = sys.stderr.isatty()
    try:
        launch = client.launch(name, force=force)
        for state in client.launch_states(launch.id):
            launch = state
            _show(f"{name}: {state.message}, {progress(state.progress)}", shown)
    except KeyboardInterrupt:
        _show("", shown)
        print(f"{line(name)} goes on; stop it: studio stop {line(name)}", file=sys.stderr)
        raise
    _show("", shown)
    return launch


def _show(text: str, shown: bool) -> None:
    """One line of the terminal, written over again and again; cut where it would break into two."""
    if shown:
        width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        print(f"\r\x1b[K{line(text)[: width - 1]}", end="", file=sys.stderr, flush=True)


def _tell(launch: wire.Launch, as_data: bool) -> int:
    if as_data:
        print(as_json(launch))
    if launch.failure is not None:
        raise by_code(launch.failure.code)(launch.failure.title, launch.failure.detail, launch.failure.hint)
    if launch.state in ("cancelled", "superseded"):
        raise LaunchFailed(f"the launch of {launch.recipe_id} was {launch.state}", launch.message, "see: studio ps")
    if not as_data:
        print(f"{line(launch.recipe_id)}: {line(launch.message)}")
    return 0
