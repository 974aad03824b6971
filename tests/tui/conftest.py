"""A real Studio for a module's tests of the app, put in order between two of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import House, house


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
