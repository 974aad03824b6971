"""`studio status`, `ps` and `gpus`: what runs. They look, and never start anything."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from studio_core import daemon, wire
from studio_core.cli.table import age, as_json, progress, size, table
from studio_core.errors import Daemonless, StudioError
from studio_core.paths import Places
from studio_core.settings import Settings
from studio_core.text import clean, line

NOT_RUNNING = 3
# How long a status bar may wait for its answer.
LINE_S = 1.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")
    if parser.get_default("verb") == "status":
        parser.add_argument("--line", action="store_true", help="one short line, for a status bar")


def run(options: argparse.Namespace, settings: Settings) -> int:
    if getattr(options, "line", False):
        return _line(settings)
    client = daemon.client(settings, daemon.SILENT_S)
    try:
        found: Any = client.gpus() if options.verb == "gpus" else client.status()
    except Daemonless:
        if settings.url:
            raise
        return _away(options, settings)
    if options.json:
        print(as_json(found.instances if options.verb == "ps" else found))
    else:
        print(clean(SHOW[options.verb](found)))
    return 0


def _line(settings: Settings) -> int:
    """A bar shows what stands there: an error is a word of it, and nothing is waited for."""
    from studio_core.cli.status_line import brief

    try:
        print(brief(daemon.client(settings, LINE_S).snapshot(10.0, 1)))
    except StudioError as error:
        print(f"studio: {line(error.title)}")
        return NOT_RUNNING
    return 0


def _away(options: argparse.Namespace, settings: Settings) -> int:
    """Without a controller the records on disk still tell which engines live."""
    from studio_core.cli import survivor

    places = Places(settings.state_dir)
    places.check_owner(but_root=True)
    if (silent := daemon.silent(places)) is not None:
        raise silent
    found = survivor.status(settings, places)
    if options.json:
        print(as_json({"status": found, "ps": found.instances, "gpus": None}[options.verb]))
    else:
        print("not running; start it: studio up")
        if found.instances and options.verb != "gpus":
            print(f"\n{_ps(found)}")
    return NOT_RUNNING


def _status(found: wire.Status) -> str:
    gateway, controller = found.gateway, found.controller
    state = "accepts" if gateway.connected else "is starting"
    lines = [
        f"controller  pid {controller.pid}, up {age(controller.age_s)}, version {controller.version}",
        f"gateway     pid {gateway.pid}, {state} on {gateway.url}, "
        f"{gateway.inflight} in flight, {gateway.waiting} waiting",
        f"state       {found.state_dir}",
    ]
    lines += [f"on hold     {name}: stopped by hand" for name in found.holds]
    lines += [f"restart     {one.recipe_id}: {one.message}" for one in found.launches if one.next_try_s is not None]
    lines += [f"notice      {notice}" for notice in found.notices]
    return "\n".join([*lines, "", _ps(found)])


def _ps(found: wire.Status) -> str:
    return "\n\n".join(filter(None, [_instances(found), _foreign(found.foreign)]))


def _foreign(found: list[wire.Foreign]) -> str:
    """Engines that Studio did not start. A port with a question mark is only known to be its user's."""
    if not found:
        return ""
    rows = [
        [
            one.name, one.state, one.engine, "-" if one.port is None else f"{one.port}{'' if one.proof == 'tree' else '?'}",
            str(one.pid), one.owner, size(one.memory_bytes), age(one.age_s),
            f"as {one.attached}, {one.running or 0} running" if one.attached else one.note or "not attached",
        ]
        for one in found
    ]
    return table(["FOREIGN", "STATE", "ENGINE", "PORT", "PID", "OWNER", "GPU MEMORY", "AGE", "SERVED"], rows)


def _instances(found: wire.Status) -> str:
    if not found.instances:
        return "nothing runs; see: studio recipes"
    rows = [
        [
            one.id, one.state, one.engine, str(one.port), str(one.engine_pid or "-"), str(one.shim_pid or "-"), age(one.age_s),
            one.failure.title if one.failure else "ready" if one.state == "ready" else progress(one.progress),
        ]
        for one in found.instances
    ]
    return table(["INSTANCE", "STATE", "ENGINE", "PORT", "PID", "SHIM", "AGE", "PROGRESS"], rows)


def _gpus(found: wire.Gpus) -> str:
    host = found.host
    cpu = "N/A" if host.cpu_percent is None else f"{host.cpu_percent:.0f} %"
    line = f"host: CPU {cpu} of {host.cpu_count} cores, memory {size(host.memory_used)} of {size(host.memory_total)}"
    if not found.gpus:
        return f"no GPU: {found.reason}\n{line}"
    rows = [
        [
            str(gpu.index), gpu.name, "lost" if gpu.lost else _percent(gpu.utilization),
            f"{size(gpu.memory_used)} / {size(gpu.memory_total)}",
            "N/A" if gpu.temperature is None else f"{gpu.temperature:.0f} C",
            "N/A" if gpu.power_draw is None else f"{gpu.power_draw:.0f} W",
        ]
        for gpu in found.gpus
    ]
    return table(["GPU", "NAME", "USE", "MEMORY", "TEMP", "POWER"], rows) + f"\n{line}"


def _percent(value: float | None) -> str:
    return "N/A" if value is None else f"{value:.0f} %"


SHOW: Mapping[str, Callable[[Any], str]] = {"status": _status, "ps": _ps, "gpus": _gpus}
