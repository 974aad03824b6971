"""The last table on disk: at once where it changes who is let in, soon otherwise, and whole whatever happens."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from studio_core.gateway import shelf as module
from studio_core.gateway.shelf import Shelf
from studio_core.gateway.table import Key, Policy, Route, Table
from studio_core.paths import Places
from tests.wait import eventually

KEYS = [Key(id="k", sha256="0" * 64, scopes=["inference"])]


def table(number: int, state: str = "cold", keys: list[Key] = KEYS, **policy: bool) -> Table:
    route = Route(recipe="a", names=["a"], state=state)
    return Table(version=("s", number), routes=[route], keys=keys, policy=Policy(**policy))  # type: ignore[arg-type]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(tmp_path)
    found.create()
    return found


def on_disk(places: Places) -> int:
    return Shelf(places).read().version[1]


async def test_a_route_s_change_waits_for_the_next_and_keys_do_not(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAVE_S", 3600.0)
    shelf = Shelf(places)
    assert shelf.read() == Table(version=("", 0))
    shelf.put(table(1))
    assert on_disk(places) == 1 and stat.S_IMODE(places.table.stat().st_mode) == 0o600
    shelf.put(table(2, "loading"))
    shelf.put(table(3, "ready"))
    assert on_disk(places) == 1
    shelf.put(table(4, "ready", keys=[]))
    assert on_disk(places) == 4
    shelf.put(table(5, remote_admin=True, keys=[]))
    assert on_disk(places) == 5
    shelf.put(table(6, "cold", remote_admin=True, keys=[]))
    assert on_disk(places) == 5
    shelf.flush()
    assert on_disk(places) == 6
    shelf.flush()


async def test_it_is_saved_soon_and_the_last_one_counts(places: Places) -> None:
    shelf = Shelf(places)
    for number, state in enumerate(["cold", "loading", "ready"], 1):
        shelf.put(table(number, state))
    await eventually(lambda: on_disk(places) == 3)
    assert Shelf(places).read().routes[0].state == "ready"


async def test_a_key_of_the_last_life_counts_as_saved(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAVE_S", 3600.0)
    Shelf(places).put(table(1))
    shelf = Shelf(places)
    shelf.read()
    shelf.put(table(2, "ready"))
    assert on_disk(places) == 1
    shelf.flush()


async def test_a_disk_that_takes_nothing_costs_the_file_only(places: Places, caplog: pytest.LogCaptureFixture) -> None:
    places.table.with_suffix(".new").mkdir()
    shelf = Shelf(places)
    shelf.put(table(1))
    assert "of an earlier time" in caplog.text and not places.table.exists()
