"""`python -m studio_core.controller --state DIR [--set name=value]... [--revived]`: the brain of one state directory.

It runs in the foreground. `--revived` says that a gateway missed one: where a person has taken Studio down since, it ends with 0.
Ends with 0 after SIGTERM or /shutdown, 75 when another one holds the lock, 78 when state, settings or port are unusable.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import gc
import json
import logging
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from studio_core import __version__, room, settings
from studio_core.errors import StateLocked, StudioError
from studio_core.paths import Places
from studio_core.settings import Settings
from studio_core.supervisor import identity, scope

LOCKED, UNUSABLE = 75, 78
REVIVED = "--revived"
# A thread that works shall not hold up the loop for Python's 5 ms: requests for a cold model wait for it.
SWITCH_S = 0.001


def main() -> int:
    parser = argparse.ArgumentParser(prog="studio_core.controller")
    parser.add_argument("--state", required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(REVIVED, action="store_true")
    options = parser.parse_args()
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        overrides = dict(pair.partition("=")[::2] for pair in options.set)
        found = settings.load({**overrides, "data_dir": options.state})
        places = Places(Path(found.data_dir))
        places.create()
        with locked(places), roomy(places):
            if options.revived and places.down.exists():
                return 0
            scope.enter(f"studio-controller-{os.getpid()}")
            return asyncio.run(run(found, places))
    except StateLocked as error:
        print(f"error: {error.line()}", file=sys.stderr)
        return LOCKED
    except StudioError as error:
        print(f"error: {error.line()}", file=sys.stderr)
        return UNUSABLE


@contextlib.contextmanager
def roomy(places: Places) -> Iterator[None]:
    """On a full disk the reserve is for this start. Raises DiskFull for a write without which nothing can begin."""
    room.give_up_reserve(places)
    try:
        yield
    except OSError as error:
        if room.is_full(error):
            raise room.full(places.root, f"{error.filename or 'a file'} could not be written") from error
        raise
    finally:
        room.keep_reserve(places, 0)


@contextlib.contextmanager
def locked(places: Places) -> Iterator[None]:
    """Hold the state directory for life; the lock is the flock, not the file. Raises StateLocked."""
    handle = os.open(places.controller_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateLocked(
                "a controller runs already", f"it holds {places.controller_lock}", "see: studio status"
            ) from error
        yield
    finally:
        os.close(handle)


async def run(found: Settings, places: Places) -> int:
    """Until a signal or a person ends it."""
    # Imported by the winner of the lock only: losers end at once.
    from studio_core.controller.graph import Controller

    sys.setswitchinterval(SWITCH_S)
    loop = asyncio.get_running_loop()
    end: asyncio.Future[tuple[bool, bool]] = loop.create_future()

    def finish(gateway: bool, engines: bool) -> None:
        if not end.done():
            end.set_result((gateway, engines))

    start_id = secrets.token_hex(4)
    controller = Controller(found, places, start_id, finish)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, finish, False, False)
    await controller.start()
    try:
        announce(found, places, start_id)
    except OSError as error:
        # It is for who finds us silent; whoever asks us gets the same from us.
        logging.getLogger(__name__).warning("%s is of an earlier start: %s", places.controller_json, error)
    room.keep_reserve(places)
    # What was imported and built stays for life: neither scanned again nor copied.
    gc.collect()
    gc.freeze()
    gateway, engines = await end
    await controller.stop(gateway, engines)
    return 0


def announce(found: Settings, places: Places, start_id: str) -> None:
    """Write `controller.json`: who runs here, and how a gateway starts it again."""
    me = identity.here(os.getpid())
    data = {
        "protocol": 1, "version": __version__, "start_id": start_id, "pid": me.pid, "ticks": me.ticks, "machine": me.machine,
        "boot": me.boot, "pidns": me.pidns, "started_at": datetime.now(UTC).isoformat(),
        "url": f"{'https' if found.tls_cert else 'http'}://{found.host}:{found.port}",
        "argv": [sys.executable, "-m", "studio_core.controller", *(word for word in sys.argv[1:] if word != REVIVED), REVIVED],
    }
    fresh = places.controller_json.with_suffix(".new")
    try:
        fresh.write_text(json.dumps(data), encoding="utf-8")
        fresh.replace(places.controller_json)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


if __name__ == "__main__":
    sys.exit(main())
