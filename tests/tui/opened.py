"""The app on a stage, without a terminal: its text as a person would read it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from textual.pilot import Pilot

from studio_tui import keymap
from studio_tui.app import StudioApp
from studio_tui.bridge import Bridge
from tests.tui.stage import Stage
from tests.wait import eventually


@dataclass
class Opened:
    app: StudioApp
    pilot: Pilot[None]
    stage: Stage

    @property
    def text(self) -> str:
        """What is on the screen, toasts included."""
        lines = self.app.screen._compositor.render_strips()
        toasts = (str(one.message) + str(one.title) for one in self.app._notifications)
        return "\n".join(["".join(segment.text for segment in strip) for strip in lines] + list(toasts))

    async def shows(self, *texts: str) -> None:
        for text in texts:
            try:
                await eventually(partial(self._has, text))
            except AssertionError:
                raise AssertionError(f"{text!r} is not on the screen:\n{self.text}") from None

    def _has(self, text: str) -> bool:
        return text in self.text

    async def hides(self, text: str) -> None:
        try:
            await eventually(lambda: not self._has(text))
        except AssertionError:
            raise AssertionError(f"{text!r} is still on the screen:\n{self.text}") from None

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)


def stage_in(folder: Path) -> Stage:
    folder.chmod(0o700)
    stage = Stage(folder)
    stage.places.create()
    return stage


@asynccontextmanager
async def opened(stage: Stage, size: tuple[int, int] = (80, 24), start: bool = True, recipe: str = "") -> AsyncIterator[Opened]:
    """The app, once it has heard from the stage."""
    if start:
        stage.start()
    keys = keymap.own(stage.places.root)
    app = StudioApp(Bridge(stage.settings), keys, "recipes" if recipe else "", recipe)
    try:
        async with app.run_test(size=size) as pilot:
            shown = Opened(app, pilot, stage)
            if start:
                await eventually(lambda: app._view.recipes is not None and app._view.status is not None, what="the stage was heard")
            yield shown
    finally:
        stage.stop()
