"""The list of logs: also of an engine that has written none yet, and in the place where it lies when it is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio_core.controller.logbook import Logbook
from studio_core.errors import NotFound
from studio_core.paths import Places

NAME = "tiny-0123ab"


def test_an_instance_that_begins_has_a_log(tmp_path: Path) -> None:
    places = Places(tmp_path)
    for folder in (places.instances, places.history, places.logs):
        folder.mkdir()
    book = Logbook(places)
    with pytest.raises(NotFound):
        book.find(NAME)
    places.instance(NAME).mkdir()
    [shown] = book.list()
    assert (shown.id, shown.size, shown.live, shown.recipe_id) == (NAME, 0, True, "tiny")
    assert (book.find(NAME).generation, book.find(NAME).reader.size) == (0, 0)
    (places.instance(NAME) / "log").mkdir()
    assert book.find(NAME).generation
    places.instance(NAME).rename(places.history / NAME)
    [shown] = book.list()
    assert not shown.live
