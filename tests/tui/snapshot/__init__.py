"""Every room at four sizes as text, with data that a real controller with scripted engines sends over its socket.

What differs from run to run (pids, ports, times, the machine's own figures) is held still where it enters the app.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
from textual.pilot import Pilot

from studio_core import wire
from studio_tui import boundary
from studio_tui.app import StudioApp
from studio_tui.bridge import Bridge
from studio_tui.pulse import TICK_S
from studio_tui.room import ROOMS
from tests.house import House
from tests.tui.settle import settling
from tests.wait import eventually, wait_until

FOLDER = Path(__file__).parent
SIZES = ((60, 20), (80, 24), (120, 40), (200, 60))
# What the app must have heard before a room is drawn.
KNOWN = ("status", "gpus", "recipes", "metrics", "samples")
COMMAND = "python -m tests.tui.snapshot"
# Longer than a tick of the app, so that two looks are at two frames.
LOOK_S, LOOKS, RESTED = TICK_S + 0.02, 80, 8
GIB = 1024 ** 3
# Fields by name, and what they are held at.
STILL: dict[str, Any] = {
    "generation_tps": 61.7, "prefill_tps": 1200.0,
    "last_used_age_s": 3725.0, "step_s": 10.0,
    "date": "2026-11-23", "p50_ms": 81.0, "p95_ms": 120.0, "p99_ms": 410.0,
    "pid": 4242, "engine_pid": 4243, "shim_pid": 4241, "age_s": 3725.0, "port": 8000, "cpu_percent": 38.0, "load_1m": 0.7,
    "memory_used": 4 * GIB, "memory_total": 24 * GIB, "cpu_count": 8, "last_load_s": 3.2, "size": 48211,
    "last_used_at": "2026-11-23T18:04:11+00:00", "created_at": "2026-11-23T18:04:11+00:00",
    "updated_at": "2026-11-23T18:04:11+00:00", "swap_used": 0, "swap_total": 0, "version": "0.1.0", "memory_bytes": 5 * GIB,
    "disk_free": 200 * GIB, "disk_total": 400 * GIB, "model_bytes": 5 * GIB, "avg_ttft_ms": 81.0, "tokens_per_sec": 61.7,
    "tokens_in_s": 0.0, "tokens_out_s": 0.0, "ttft_ms": 81.0, "eta_s": None, "tokens_per_s": 61.7, "total_s": None,
    "memory_available": 19 * GIB, "percent": 41.0, "tokens_s": 61.7, "load_s": 3.2, "started_at": "2026-11-23T18:04:11+00:00",
    "ended_at": "2026-11-23T18:04:14+00:00", "last_load": 3.2, "end": 900.0, "speed": 61.7,
}
TEXTS = (
    (re.compile(r"/tmp/[\w./-]*?st-\w+|/tmp/pytest-[\w./-]+?/(?:house|state)\w*"), "/var/lib/studio"),
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:8000"),
    (re.compile(r"\bk-[0-9a-f]{12}\b"), "k-0123456789ab"),
    (re.compile(r"\b(uptime|pid)[ =:]+\d+"), r"\1 4242"),
    (re.compile(r"--port \d+"), "--port 8000"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,\d]*"), "2026-11-23 18:04:11"),
)


# An instance's id is a key of requests: it is held in the text only.
IDENTS = re.compile(r"\b(smollm2|mistral|qwen3)-[0-9a-f]{6}\b")


def still(value: Any) -> Any:
    """The value with everything held that is another each time."""
    if isinstance(value, str):
        for pattern, text in TEXTS:
            value = pattern.sub(text, value)
        return value
    if isinstance(value, dict):
        return {name: _held(name, each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(still(each) for each in value)
    if isinstance(value, wire.Samples):
        value.series = {name: [20.0 + at % 60 for at in range(90)] for name in value.series}
    if isinstance(value, wire.Host):
        value.cores = [12.0, 48.0, 85.0, 21.0, 58.0, 95.0, 31.0, 0.0]
    if isinstance(value, wire.Status):
        # Engines that somebody else runs on this machine are no part of the picture.
        value.foreign = []
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            setattr(value, name, _held(name, getattr(value, name)))
    elif is_dataclass(value) and not isinstance(value, type):
        for one in fields(value):
            object.__setattr__(value, one.name, _held(one.name, getattr(value, one.name)))
    return value


def _held(name: str, value: Any) -> Any:
    if name == "hourly_pattern" and isinstance(value, list):
        return [{"hour": hour, "requests": hour % 5} for hour in range(24)]
    return STILL[name] if name in STILL and value is not None and not isinstance(value, (dict, list)) else still(value)


def furnish(home: House) -> None:
    """Models in the states that a person meets, one chat, one key; everything has come to rest."""
    home.recipe("smollm2", {"name": "SmolLM2 135M", "tags": ["small"]})
    home.recipe("qwen3", {"name": "Qwen3 8B", "max_model_len": 16384}, hang=True)
    home.recipe("mistral", {"name": "Mistral Small"}, refuse="--ctx-size")
    home.recipe("old", {"name": "Old one", "notes": "kept for comparison"})
    home.launch("smollm2")
    chat = home.client.new_chat("smollm2", "Primes in Python")
    for _ in home.client.turn(chat.id, "What is a prime?", "smollm2"):
        pass
    def launched() -> set[str]:
        return {one.state for one in home.status().launches}

    home.client.launch("mistral")
    wait_until(lambda: "failed" in launched(), 60, "one has failed")
    home.client.launch("qwen3")
    wait_until(lambda: "starting" in launched(), 60, "one is on its way")
    # What it holds is learned a moment after it is ready.
    wait_until(lambda: home.client.recipe("smollm2").memory_bytes, 60, "its memory is known")
    home.client.make_key("open-webui", ["inference", "read"])


@asynccontextmanager
async def app(home: House, size: tuple[int, int]) -> AsyncIterator[tuple[StudioApp, Pilot[None]]]:
    """The app on the house, with still data and one host name."""
    def safe(value: Any) -> Any:
        return still(boundary.safe(value))

    settings = type(home.settings)({**home.settings.values, "glyphs": "unicode"}, home.settings.origins)
    (home.root / "app.json").unlink(missing_ok=True)
    places = patch("studio_tui.listener.safe", safe), patch("studio_tui.bridge.safe", safe)
    with places[0], places[1], patch("socket.gethostname", lambda: "gpu1"):
        one = StudioApp(Bridge(settings))
        async with one.run_test(size=size) as pilot:
            await eventually(lambda: all(getattr(one._view, name) is not None for name in KNOWN), 60, "all is known")
            with settling(pilot):
                yield one, pilot


async def drawn(one: StudioApp, pilot: Pilot[None], room: str, expected: str) -> str:
    """The text of a room when it has come to rest: the expected one for two ticks, or another one for a long time."""
    await one.action_show(room)
    if room == "chat":
        await pilot.press("escape")
    one.clear_notifications()
    before, same = "", 0
    for _ in range(LOOKS):
        await pilot.pause(LOOK_S)
        now = text(one)
        same = same + 1 if now == before else 0
        if same and (now == expected or (same >= RESTED and "reading" not in now and "connecting" not in now)):
            return now
        before = now
    return before


def text(one: StudioApp) -> str:
    strips = one.screen._compositor.render_strips()
    lines = ("".join(segment.text for segment in strip).rstrip() for strip in strips)
    return IDENTS.sub(r"\1-a1b2c3", "\n".join(lines)) + "\n"


def path(room: str, size: tuple[int, int]) -> Path:
    return FOLDER / f"{size[0]}x{size[1]}" / f"{room}.txt"


async def rooms(home: House, size: tuple[int, int]) -> dict[str, str]:
    async with app(home, size) as (one, pilot):
        return {room: await drawn(one, pilot, room, expected) for room, expected in kept(size)}


def kept(size: tuple[int, int]) -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        yield room, path(room, size).read_text(encoding="utf-8") if path(room, size).exists() else ""
