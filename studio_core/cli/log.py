"""`studio logs NAME [-f] [--grep TEXT]`: the newest log of a recipe or instance, or of a daemon; `--file PATH`: any file."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from itertools import islice
from pathlib import Path

from studio_core import daemon
from studio_core.cli.table import as_json, size, table
from studio_core.client import Client
from studio_core.errors import BadInput, Daemonless, NotFound
from studio_core.logs.chain import Chain
from studio_core.logs.needle import Needle, Want
from studio_core.logs.sieve import Sieve
from studio_core.settings import Settings
from studio_core.text import Sanitiser, clean

# A controller that dies is brought back within seconds; one that was sent down stays away.
AWAY_S, PAUSE_S = daemon.READY_S, 0.2
# Beyond every place in a log.
LAST = 1 << 62


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="recipe, instance, controller, gateway or probe; without it the logs are listed")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as it is written")
    parser.add_argument("--grep", metavar="TEXT", help="only lines with this text")
    parser.add_argument("-n", "--lines", type=int, default=200, help="this many of the last lines")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--file", metavar="PATH", help="open any file of this machine in the app; in a script its last lines")


def run(options: argparse.Namespace, settings: Settings) -> int:
    if options.file is not None:
        return _file(options, settings)
    client = daemon.ensure(settings)
    if options.name is None:
        found = client.logs()
        rows = [[one.id, one.recipe_id, "live" if one.live else "ended", size(one.size), one.modified_at] for one in found]
        print(as_json(found) if options.json else table(["LOG", "RECIPE", "STATE", "SIZE", "WRITTEN"], rows))
        return 0
    if options.json and options.follow:
        raise BadInput("a log that is followed has no end to be told as JSON", "", "leave out -f or --json")
    log_id = _find(client, options.name)
    page = client.log(log_id, limit=options.lines, filter=options.grep)
    if options.json:
        print(as_json(page))
    else:
        for line in page.lines:
            print(clean(line))
    if options.follow:
        follow(client, log_id, page.size, options.grep)
    return 0


def _file(options: argparse.Namespace, settings: Settings) -> int:
    """Raises NotFound, or Unavailable without the app."""
    path = Path(options.file).expanduser().absolute()
    if not (path.is_file() and os.access(path, os.R_OK)):
        raise NotFound(f"no file {path} that can be read", "", "give the path of a file on this machine")
    if sys.stdin.isatty() and sys.stdout.isatty():
        from studio_core.cli.app import app

        return app(settings, file=str(path))
    chain = Chain([str(path)])
    wanted = [Want(options.grep, exact=True)] if options.grep else []
    places = (at for at in Sieve(chain, Needle(wanted)).back(LAST) if at is not None)
    for place in reversed(list(islice(places, max(0, options.lines)))):
        print(clean(chain.lines_after(place, 1)[0][1].decode("utf-8", "replace")))
    return 0


def _find(client: Client, name: str) -> str:
    """The newest log of that instance, recipe or daemon."""
    found = [one for one in client.logs() if name in (one.id, one.recipe_id)]
    if not found:
        raise NotFound(f"no log of {name}", "", "see: studio logs")
    return max(found, key=lambda one: (one.live, one.modified_at)).id


def follow(client: Client, log_id: str, start: int, wanted: str | None) -> None:
    """Until the log ends, over restarts of the controller.

    Raises:
        Daemonless: nobody brought it back in time.
    """
    sanitiser, generation, offset = Sanitiser(), 0, start
    lost_at = time.monotonic()
    while time.monotonic() - lost_at < AWAY_S:
        with contextlib.suppress(Daemonless), contextlib.closing(client.follow(log_id, offset, generation)) as stream:
            for event in stream:
                if event.event == "end":
                    return
                generation, offset = event.place or (generation, offset)
                line = event.data.get("line") if isinstance(event.data, dict) and event.event == "log" else None
                if line is not None and (wanted is None or wanted in line):
                    print(sanitiser.feed(line + "\n"), end="", flush=True)
            lost_at = time.monotonic()
        time.sleep(PAUSE_S)
    raise Daemonless("Studio went away while the log was followed", "the engine goes on", f"studio logs {log_id} -f")
