"""`studio up` and `studio down`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from studio_core import daemon
from studio_core.cli.survivor import survivors
from studio_core.cli.table import as_json
from studio_core.errors import BadInput, Daemonless, StudioError
from studio_core.paths import Places
from studio_core.settings import Settings
from studio_core.store.legacy import old_database
from studio_core.text import clean

END_S = 60.0


def arguments(parser: argparse.ArgumentParser) -> None:
    if parser.get_default("verb") == "up":
        parser.add_argument("--replace", action="store_true", help="end a controller that runs, and start a new one")
        parser.add_argument("--json", action="store_true", help="the status as JSON")
    else:
        parser.add_argument("--engines", action="store_true", help="stop the engines too")


def run(options: argparse.Namespace, settings: Settings) -> int:
    return _up(options, settings) if options.verb == "up" else _down(options, settings)


def _up(options: argparse.Namespace, settings: Settings) -> int:
    if options.replace:
        daemon.replace(Places(settings.state_dir))
    client = daemon.ensure(settings)
    status = client.status()
    if options.json:
        print(as_json(status))
        return 0
    print(f"controller pid {status.controller.pid}, {status.gateway.url}")
    for notice in status.notices:
        print(clean(notice))
    if (old := old_database(Path.cwd())) is not None and not client.recipes():
        print(f"{clean(str(old))} looks like vLLM Studio's; take it over: studio import vllm-studio")
    return 0


def _down(options: argparse.Namespace, settings: Settings) -> int:
    """Say first that nobody shall start it again, then end it and wait."""
    places = Places(settings.state_dir)
    if settings.url:
        raise BadInput("studio down ends the Studio of this machine", f"not the one at {settings.url}", "run it there")
    places.check_owner(but_root=True)
    if not _anything(places, options.engines):
        print("not running")
        return 0
    # A gateway or engines without a controller need one to be ended in order.
    client = daemon.ensure(settings)
    places.down.touch(mode=0o600)
    try:
        client.shutdown(options.engines)
    except StudioError:
        places.down.unlink(missing_ok=True)
        raise
    deadline = time.monotonic() + END_S
    while (found := daemon.holder(places.controller_lock)) is not None:
        if time.monotonic() > deadline:
            raise Daemonless(f"the controller (pid {found[0]}) did not end", f"within {END_S:.0f} s", "studio up --replace")
        time.sleep(daemon.PAUSE_S)
    print("down" if options.engines else "down; engines go on")
    return 0


def _anything(places: Places, engines: bool) -> bool:
    if daemon.holder(places.controller_lock) is not None or daemon.gateway_lives(places):
        return True
    return engines and bool(survivors(places))
