"""Asks installed engines for their flags in the background, so that every later check knows them.

Once per version, one at a time, behind everything else for the processor, and never beside a start: that reads the same
files from the same disk. No GPU is touched: the engines' own argument parsers need none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from studio_core.engines import inquiry, runtime, tabbyapi
from studio_core.engines.verdict import PACKAGES
from studio_core.errors import StudioError
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

# After the last change: who stores recipes stores several, and who starts Studio wants to launch something.
REST_S = 2.0
ENDING_S = 0.05
# Interpreter, engine, and the folder of a checkout.
Asked = tuple[Path, str, Path | None]


class Inquirer:
    """`recipes()` gives all that can be read; `busy()` tells whether an engine starts."""

    def __init__(self, settings: Settings, recipes: Callable[[], Awaitable[Sequence[Recipe]]], busy: Callable[[], bool]) -> None:
        self._settings = settings
        self._recipes = recipes
        self._busy = busy
        self._due = asyncio.Event()
        self._asking = self._ended = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._due.set()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """A thread that asks cannot be cancelled: what it asks is ended, as soon as it has begun."""
        self._ended = True
        while self._task is not None and not self._task.done():
            if self._asking:
                inquiry.abandon()
            else:
                self._task.cancel()
            await asyncio.wait({self._task}, timeout=ENDING_S)

    def notice(self) -> None:
        """Recipes changed, or a launch is over: there may be an engine that was never asked."""
        self._due.set()

    def give_way(self) -> None:
        """Whoever starts an engine goes first."""
        if self._asking and self._busy():
            inquiry.abandon()

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            await asyncio.sleep(REST_S)
            self._due.clear()
            while not self._ended and not self._busy() and (found := await self._next()) is not None:
                await self._ask(*found)

    async def _next(self) -> Asked | None:
        recipes = await self._recipes()
        return await asyncio.to_thread(lambda: next(unasked(recipes, self._settings), None))

    async def _ask(self, python: Path, engine: str, home: Path | None) -> None:
        self._asking = True
        try:
            await asyncio.to_thread(inquiry.learn, python, engine, home=home)
        finally:
            self._asking = False


def unasked(recipes: Sequence[Recipe], settings: Settings) -> Iterator[Asked]:
    """What of the recipes' engines could be asked and never was. Stats files: call it in a thread."""
    seen = set[Asked]()
    for recipe in recipes:
        found = None if runtime.contained(recipe) else _place(recipe, settings)
        if found is not None and found not in seen:
            seen.add(found)
            if inquiry.unasked(*found):
                yield found


def _place(recipe: Recipe, settings: Settings) -> Asked | None:
    if recipe.backend == tabbyapi.TabbyApi.name:
        place = tabbyapi.checkout(recipe, settings)
        return (place[0], recipe.backend, place[1]) if place is not None else None
    package = PACKAGES.get(recipe.backend)
    if package is None:
        return None
    try:
        python = package.program(recipe, settings).python
    except StudioError:
        return None
    return (python, package.engine, None) if python is not None else None
