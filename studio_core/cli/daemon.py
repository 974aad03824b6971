"""`studio up` and `studio down`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from studio_core import daemon
from studio_core.errors import Daemonless, StudioError
from studio_core.paths import Places
from studio_core.settings import Settings
from studio_core.store.legacy import old_database
from studio_core.text import clean

END_S = 60.0


def arguments(parser: argparse.ArgumentParser) -> None:
    if parser.get_default("verb") == "up":
        parser.add_argument("--replace", action="store_true", help="end a controller that runs, and start a new one")
    else:
        parser.add_argument("--engines", action="store_true", help="stop the engines too")


def run(options: argparse.Namespace, settings: Settings) -> int:
    return _up(options, settings) if options.verb == "up" else _down(options, settings)


def _up(options: argparse.Namespace, settings: Settings) -> int:
    if options.replace:
        daemon.replace(Places(settings.state_dir))
    client = daemon.ensure(settings, options.overrides)
    status = client.status()
    print(f"controller pid {status.controller.pid}, http://{status.gateway.host}:{status.gateway.port}")
    if (old := old_database(Path.cwd())) is not None and not client.recipes():
        print(f"{clean(str(old))} looks like vLLM Studio's; take it over: studio import vllm-studio")
    return 0


def _down(options: argparse.Namespace, settings: Settings) -> int:
    """Say first that nobody shall start it again, then end it and wait."""
    places = Places(settings.state_dir)
    found = daemon.running(places)
    if found is None:
        print("not running")
        return 0
    places.down.touch(mode=0o600)
    try:
        daemon.client(settings).shutdown(options.engines)
    except StudioError:
        places.down.unlink(missing_ok=True)
        raise
    deadline = time.monotonic() + END_S
    while daemon.running(places) is not None:
        if time.monotonic() > deadline:
            raise Daemonless(f"the controller (pid {found['pid']}) did not end", f"within {END_S:.0f} s", "studio up --replace")
        time.sleep(daemon.PAUSE_S)
    print("down" if options.engines else "down; engines go on")
    return 0
