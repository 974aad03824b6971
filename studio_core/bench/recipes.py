"""How soon the list of two thousand recipes answers a key."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Iterator

from studio_core.bench.dashboard import is_up, studio
from studio_core.bench.figure import Row
from studio_core.bench.glass import Glass
from studio_core.bench.premises import Premises, premises
from studio_core.bench.screen import p95
from studio_core.bench.terminal import Terminal
from studio_core.errors import StudioError
from studio_core.recipes.recipe import parse
from studio_core.settings import Settings
from studio_core.store.recipe import RecipeTable
from studio_core.store.store import Store

COUNT, PRESSES, AIM_MS = 2000, 70, 100.0
# After the list has come, and between keys, so that they do not fall on one beat of the app.
SETTLE_S, PAUSE_S = 2.0, 0.13
# Down and up, pages and ends, the first row last: escape sequences of the keys. Each moves the cursor.
KEYS = ("\x1b[B", "\x1b[B", "\x1b[A", "\x1b[6~", "\x1b[5~", "G", "g")


def measure() -> list[Row]:
    """Milliseconds from a key to the frame that answers it, p95."""
    with premises(lambda chosen: asyncio.run(_store(chosen))) as home:
        taken = _pressed(home)
    note = f"{len(taken)} keys, median {sorted(taken)[len(taken) // 2]:.0f} ms, {COUNT} recipes, 120 by 40"
    return [Row("recipes: key to frame, p95", p95(taken), "ms", AIM_MS, note)]


async def _store(chosen: Settings) -> None:
    """Into the database before anybody reads it: over the API each would be told to everybody."""
    store = Store(chosen.database)
    await store.start()
    for recipe in _recipes():
        await RecipeTable(store).put(parse(recipe))
    await store.stop()


def _recipes() -> Iterator[dict[str, object]]:
    for at in range(COUNT):
        yield {"id": f"recipe-{at:04d}", "name": f"Recipe {at:04d}", "backend": "llamacpp", "model_path": f"/models/{at:04d}.gguf"}


def _pressed(home: Premises) -> list[float]:
    with Terminal(studio(), {**os.environ, **home.names}) as terminal:
        is_up(terminal)
        glass = Glass(terminal)
        terminal.send("2")
        glass.until("\u25b8 Recipe 0000", 60.0)
        time.sleep(SETTLE_S)
        taken = []
        for at in range(PRESSES):
            taken.append(glass.change(KEYS[at % len(KEYS)], _under_cursor))
            time.sleep(PAUSE_S)
        if _under_cursor(glass.text) != "Recipe 0000" or "/models/0000.gguf" not in glass.text:
            raise StudioError("the list does not show its first recipe", "", glass.text)
    return taken


def _under_cursor(text: str) -> str | None:
    found = re.search("\u25b8 (Recipe \\d{4})", text)
    return found[1] if found else None
