"""What tests of the app work with: a scripted controller that has something to show, or a real Studio for a whole module."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import House, house
from tests.tui import scene
from tests.tui.opened import stage_in
from tests.tui.stage import Stage


@pytest.fixture
def stage(state_dir: Path) -> Iterator[Stage]:
    """On its socket, with models that run, load and fail. Who wants another has a fixture of the same name."""
    stage = stage_in(state_dir)
    scene.busy(stage)
    stage.start()
    yield stage
    stage.stop()


@pytest.fixture(scope="module")
def studio() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="st-") as folder, house(Path(folder)) as found:
        found.recipe("one")
        yield found


@pytest.fixture
def home(studio: House) -> Iterator[House]:
    """A house in which nothing runs, to which no app has been."""
    yield studio
    for one in studio.client.instances():
        studio.client.evict(one.id, force=True)
    (studio.root / "app.json").unlink(missing_ok=True)
