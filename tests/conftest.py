"""Fixtures that all tests share."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from studio_core.paths import Places
from tests import disposition, free, leftover, turn
from tests.wait import wait_until


def pytest_configure() -> None:
    disposition.keep_to_ourselves()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with turn.taken(alone=item.get_closest_marker("alone") is not None):
        return (yield)


def pytest_sessionfinish() -> None:
    turn.leave()


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A state directory, 0700, with a path short enough for any socket. Fails the test when a process of it is left."""
    folder = Path(tempfile.mkdtemp(prefix="st-"))
    yield folder
    try:
        wait_until(lambda: not leftover.find(folder), 10.0)
    except AssertionError:
        left = leftover.find(folder)
        leftover.end(left)
        assert not left, f"left running, killed now: {left}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def places(state_dir: Path) -> Places:
    """The files of a fresh state directory, its folders made."""
    places = Places(state_dir)
    places.create()
    return places


@pytest.fixture
def free_port() -> int:
    """A port that nobody listens on, and nobody else is told."""
    return free.port()
