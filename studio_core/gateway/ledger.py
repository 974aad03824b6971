"""The counters over hand-overs and restarts: each gateway keeps its own on disk, and shows them with those of all others.

What a scrape shows is on disk before it is shown, so no counter goes back, whoever is asked next and whoever was killed. A
gateway takes over those of the dead when it begins; until then they are added from where they lie.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from studio_core.gateway.tally import BOUNDS, Counted, Standing, Tally, exposition, together
from studio_core.supervisor import record as records

log = logging.getLogger(__name__)


class Page(msgspec.Struct, kw_only=True):
    """What one gateway counted, those `of` the dead included. Other `bounds` than ours make histograms that cannot be added."""

    of: list[str]
    bounds: dict[str, tuple[float, ...]]
    counted: Counted

    def sums(self) -> Counted:
        return {name: rows for name, rows in self.counted.items() if self.bounds.get(name) == BOUNDS.get(name)}


class Ledger:
    """`journal/<gateway>.tally`, and those of the others. A disk that is full costs what a restart would forget, and no answer.

    `catch_up` has the tally told of all that is over.
    """

    def __init__(self, folder: Path, gateway: str, tally: Tally, catch_up: Callable[[], None] = lambda: None) -> None:
        self._folder = folder
        self._gateway = gateway
        self._tally = tally
        self._catch_up = catch_up
        self._of: list[str] = []
        self._kept = False
        self._requests = self._number = 0
        self._numbers = itertools.count(1)
        self._turn, self._disk = asyncio.Lock(), threading.Lock()
        with contextlib.suppress(OSError), self._alone():
            self._inherit()

    async def text(self) -> bytes:
        """The exposition of this moment. A thread makes it and waits for the disk: where that takes long, no stream is late."""
        async with self._turn:
            return await asyncio.to_thread(self._shown, *self._counted(), self._tally.standing())

    def _shown(self, number: int, counted: Counted, standing: Standing) -> bytes:
        self._write(number, counted)
        return exposition(together([counted, *(page.sums() for page in self._pages().values())]), standing)

    def renew(self) -> None:
        """Keep it when a request has ended since: another gateway may be the one that shows it."""
        self._catch_up()
        if self._tally.requests != self._requests:
            self.keep()

    def keep(self) -> None:
        self._write(*self._counted())

    def _counted(self) -> tuple[int, Counted]:
        """All counted so far, and a number that grows with it."""
        self._catch_up()
        self._requests = self._tally.requests
        return next(self._numbers), self._tally.counted()

    def _write(self, number: int, counted: Counted) -> None:
        """Unless there is a newer one."""
        with self._disk:
            if number > self._number:
                self._number = number
                self._save(Page(of=self._of, bounds=BOUNDS, counted=counted))

    def _save(self, page: Page) -> None:
        path = self._path(self._gateway)
        try:
            fresh = path.with_suffix(".tally.new")
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(page))
            fresh.replace(path)
            self._kept = True
        except OSError as error:
            log.warning("%s is of an earlier time: %s", path, error)

    def _inherit(self) -> None:
        """Take over from the dead. Who is killed in between leaves pages that its own page names, so nothing counts twice."""
        dead = {name: page for name, page in self._pages().items() if not records.is_held(self._folder / f"{name}.lock")}
        if not dead:
            return
        self._of = [*dead, *(name for page in dead.values() for name in page.of)]
        self._tally.begin(together(page.sums() for page in dead.values()))
        self.keep()
        if self._kept:
            for name in self._of:
                self._path(name).unlink(missing_ok=True)
        else:
            # They are still there, and go on being added from there.
            self._tally.begin({})
        self._of = []
        self.keep()

    def _pages(self) -> dict[str, Page]:
        """Those of all others, but for what one of them has taken over."""
        found: dict[str, Page] = {}
        names: list[str] = []
        with contextlib.suppress(OSError):
            names = os.listdir(self._folder)
        for name in names:
            stem, _, kind = name.rpartition(".")
            if kind == "tally" and stem != self._gateway:
                with contextlib.suppress(OSError, msgspec.DecodeError):
                    found[stem] = msgspec.json.decode(self._path(stem).read_bytes(), type=Page)
        over = {name for page in found.values() for name in page.of}.union(self._of)
        return {name: page for name, page in found.items() if name not in over}

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.tally"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Two that begin at once must not both take over. Raises OSError: somebody is at it."""
        handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(handle)

