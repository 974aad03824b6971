"""Run by a fresh environment's interpreter: the app over the running Studio, as SVG on stdout."""

from __future__ import annotations

import asyncio
import sys

from studio_core import settings
from studio_tui.app import StudioApp
from studio_tui.bridge import Bridge

SIZE = (120, 40)
PATIENCE_S = 60.0
PAUSE_S = 0.02


async def screenshot(*marks: str) -> str:
    """The dashboard, as soon as it shows all of the marks."""
    app = StudioApp(Bridge(settings.load({})))
    async with app.run_test(size=SIZE) as pilot, asyncio.timeout(PATIENCE_S):
        while not all(mark in app.export_screenshot().replace("&#160;", " ") for mark in marks):
            await pilot.pause(PAUSE_S)
        return app.export_screenshot()


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(screenshot(*sys.argv[1:])))
