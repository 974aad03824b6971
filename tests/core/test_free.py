"""The ports that tests are told."""

from __future__ import annotations

import socket
import subprocess
import sys

from studio_core.supervisor import port
from tests import free
from tests.guards import source

TELL = "from tests import free; print(free.port(), flush=True); input()"


def test_no_other_process_is_told_the_same_or_its_neighbours() -> None:
    argv = [sys.executable, "-c", TELL]
    mine = [free.port() for _ in range(free.STRETCH // free.APART)]
    others = [subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=source.ROOT) for _ in range(2)]
    told = [int(one.stdout.readline()) for one in others if one.stdout is not None]
    for one in others:
        one.communicate()
    assert len(set(mine)) == len(mine) and all(port.is_free("127.0.0.1", one) for one in mine)
    assert len({(one - free.FIRST) // free.STRETCH for one in [mine[0], *told]}) == 3


def test_one_where_somebody_listens_is_left_out() -> None:
    first = free.port()
    for _ in range(free.STRETCH // free.APART - 1):
        last = free.port()
    with socket.create_server(("127.0.0.1", first)):
        assert free.port() not in (first, last)
