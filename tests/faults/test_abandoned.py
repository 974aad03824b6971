"""A load that nobody waits for any more is cancelled, unless a person asked for it. Real processes, clients that leave."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_core import wire
from tests.house import House, house
from tests.wait import wait_until

PATIENCE_S = 0.6


@pytest.fixture
def home(state_dir: Path) -> Iterator[House]:
    with house(state_dir, abandon_s=PATIENCE_S) as one:
        one.recipe("slow", start_s=120.0)
        yield one


@contextlib.contextmanager
def waiting(home: House) -> Iterator[None]:
    """A client that waits for the model, as long as the block runs."""
    body = json.dumps({"model": "slow", "stream": True, "messages": []}).encode()
    with socket.create_connection(("127.0.0.1", home.port)) as link:
        link.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        wait_until(lambda: home.status().gateway.waiting == 1)
        yield


def launch(home: House) -> wire.Launch:
    """The newest."""
    return max(wait_until(lambda: home.status().launches), key=lambda one: one.created_at)


def started(home: House) -> wire.Launch:
    """The newest, as soon as it has an engine."""
    wait_until(lambda: launch(home).instance_id)
    return launch(home)


def test_the_last_client_leaves(home: House) -> None:
    with waiting(home):
        first = started(home)
        assert (first.origin, first.state) == ("acquire", "starting")
        wait_until(lambda: launch(home).age_s > 3 * PATIENCE_S)
        assert launch(home).state == "starting", "somebody waits"
    wait_until(lambda: launch(home).state == "cancelled")
    assert "nobody waits" in launch(home).message
    wait_until(lambda: not home.status().instances)
    assert home.status().holds == [], "the next request may start it again"
    with waiting(home):
        wait_until(lambda: launch(home).id != first.id and launch(home).state == "starting")


def test_what_a_person_asked_for_too_goes_on(home: House) -> None:
    with waiting(home):
        first = started(home)
        assert home.client.launch("slow").id == first.id
    wait_until(lambda: home.status().gateway.waiting == 0)
    left = launch(home).age_s
    wait_until(lambda: launch(home).age_s > left + 3 * PATIENCE_S)
    assert (launch(home).origin, launch(home).state) == ("person", "starting")
