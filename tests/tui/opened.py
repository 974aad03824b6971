"""The app on a stage, without a terminal: its text as a person would read it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

from textual.pilot import Pilot

from studio_core.errors import Daemonless
from studio_core.settings import Settings
from studio_tui import keymap
from studio_tui.app import StudioApp
from studio_tui.bridge import Bridge
from tests.tui import scene
from tests.tui.settle import settling
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

    async def still(self) -> str:
        """The text when everything that is known has been laid out and drawn."""
        before = ""
        while (now := self.text) != before:
            before = now
            await self.pilot.pause(0.02)
        return before

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)


def stage_in(folder: Path) -> Stage:
    folder.chmod(0o700)
    stage = Stage(folder)
    stage.places.create()
    return stage


def filled(folder: Path) -> Stage:
    """One where something is going on."""
    stage = stage_in(folder)
    scene.busy(stage)
    return stage


def _nobody(settings: Settings) -> NoReturn:
    """A stage that is gone for long is not to be replaced by a real controller, which would outlive the test."""
    raise Daemonless("an app's test starts no controller", str(settings.state_dir))


@asynccontextmanager
async def opened(stage: Stage, size: tuple[int, int] = (80, 24), recipe: str = "") -> AsyncIterator[Opened]:
    """The app, once it has heard from the stage."""
    stage.start()
    keys = keymap.own(stage.places.root)
    app = StudioApp(Bridge(stage.settings), keys, "recipes" if recipe else "", recipe)

    def heard() -> bool:
        return app._view.recipes is not None and app._view.status is not None

    try:
        with patch("studio_core.daemon.spawn", _nobody):
            async with app.run_test(size=size) as pilot:
                with settling(pilot):
                    await eventually(heard, what="the stage was heard")
                    yield Opened(app, pilot, stage)
    finally:
        stage.stop()
