"""The driver: it hears every key, sleeps without one, tells an escape from a sequence, and goes when it is told to."""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from collections.abc import AsyncIterator
from typing import Any

import pytest
from textual import events
from textual.app import App
from textual.message import Message

from studio_tui import driver
from tests.wait import wait_until


class Ear(driver.Driver):
    """A driver on a terminal of its own that keeps what it hears and counts how often it looks."""

    def __init__(self, handle: int) -> None:
        super().__init__(App())
        self.fileno = handle
        self.heard: list[Message] = []
        self.waits: list[float | None] = []

    def write(self, data: str) -> None:
        """Nobody looks."""

    def process_message(self, message: Message) -> None:
        self.heard.append(message)

    @property
    def keys(self) -> list[str]:
        return [one.key for one in self.heard if isinstance(one, events.Key)]

    def start(self) -> None:
        self._leaving = False
        self._key_thread = threading.Thread(target=self.run_input_thread, daemon=True)
        self._key_thread.start()

    def stop(self) -> None:
        self.disable_input()
        assert self._key_thread is not None and not self._key_thread.is_alive()


@pytest.fixture
async def master(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[int, Ear]]:
    master, slave = pty.openpty()
    tty.setraw(slave)
    ear = Ear(slave)
    real = select.select

    def counted(*given: Any) -> Any:
        ear.waits.append(given[3])
        return real(*given)

    monkeypatch.setattr(select, "select", counted)
    yield master, ear
    for handle in (master, slave, ear._woken, ear._waking):
        os.close(handle)


def test_it_waits_without_a_limit_where_nothing_has_begun(master: tuple[int, Ear]) -> None:
    keyboard, ear = master
    ear.start()
    os.write(keyboard, b"a")
    wait_until(lambda: ear.keys == ["a"])
    os.write(keyboard, "\u00e4".encode()[:1])
    wait_until(lambda: len(ear.waits) == 3)
    os.write(keyboard, "\u00e4".encode()[1:])
    wait_until(lambda: len(ear.keys) == 2)
    wait_until(lambda: len(ear.waits) == 4)
    ear.stop()
    # Once for each read, and never just to look.
    assert ear.waits == [None] * 4


def test_an_escape_alone_is_a_key_soon_and_a_sequence_is_none(master: tuple[int, Ear]) -> None:
    keyboard, ear = master
    ear.start()
    os.write(keyboard, b"\x1b[A")
    wait_until(lambda: ear.keys == ["up"])
    os.write(keyboard, b"\x1b")
    wait_until(lambda: ear.keys == ["up", "escape"])
    wait_until(lambda: ear.waits[-1] is None)
    ear.stop()
    assert [wait for wait in ear.waits if wait is not None and not 0 <= wait < 1] == []


def test_told_to_go_it_goes_and_hears_again_afterwards(master: tuple[int, Ear]) -> None:
    keyboard, ear = master
    for key in "abc":
        ear.heard.clear()
        ear.start()
        os.write(keyboard, key.encode())
        wait_until(lambda: ear.keys)
        ear.stop()
        assert ear.keys == [key]
