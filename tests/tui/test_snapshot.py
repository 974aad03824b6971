"""Every room looks as it was last looked at, at four sizes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import House, house
from tests.tui import snapshot


@pytest.fixture(scope="module")
def home() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="st-") as folder, house(Path(folder), exclusive=False) as found:
        snapshot.furnish(found)
        yield found


@pytest.mark.parametrize("size", snapshot.SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_every_room_looks_as_it_did(home: House, size: tuple[int, int]) -> None:
    now = await snapshot.rooms(home, size)
    for room, kept in snapshot.kept(size):
        assert now[room] == kept, f"{room} has changed; look at it, and if it is right: {snapshot.COMMAND}"


@pytest.mark.parametrize("size", snapshot.SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_a_snapshot_has_its_size(size: tuple[int, int]) -> None:
    for room, kept in snapshot.kept(size):
        lines = kept.splitlines()
        assert len(lines) == size[1], room
        assert max(len(line) for line in lines) <= size[0], room
