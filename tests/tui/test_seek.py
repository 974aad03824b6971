"""The process that waits for the next search."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from studio_core.logs.needle import Want
from studio_tui.seek import Seek, Spare


def test_a_search_takes_the_process_that_waits_and_the_next_one_gets_another(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("one\ntwo needles\nthree needles\n")
    spare = Spare()
    spare.warm()
    spare.warm()
    first, second = spare.take(), spare.take()
    assert first.pid != second.pid
    done = threading.Event()

    def heard(_: Seek, news: dict[str, Any]) -> None:
        if (news.get("found"), news.get("left")) == (2, 0):
            done.set()

    seek = Seek([str(path)], [Want("needle")], 0, heard, first)
    other = Seek([str(path)], [Want("one")], 0, lambda *_: None, second)
    assert done.wait(30)
    seek.close()
    other.close()
    assert first.wait(30) and second.wait(30)


def test_one_that_died_meanwhile_is_replaced_and_the_last_one_ends() -> None:
    spare = Spare()
    spare.warm()
    dead = spare.take()
    dead.kill()
    dead.wait()
    spare._process = dead
    alive = spare.take()
    assert alive.poll() is None
    spare._process = alive
    spare.close()
    assert alive.returncode is not None
    spare.close()
