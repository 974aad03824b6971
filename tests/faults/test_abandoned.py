"""A load that nobody waits for any more is cancelled, unless a person asked for it. Real processes, clients that leave."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio_core import wire
from tests.house import House, house
from tests.wait import wait_until

PATIENCE_S = 0.6
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def shared() -> Iterator[House]:
    root = Path(tempfile.mkdtemp(prefix="st-"))
    with house(root, abandon_s=PATIENCE_S) as one:
        yield one
    shutil.rmtree(root)


@pytest.fixture
def home(shared: House) -> Iterator[House]:
    """Empty at the beginning of each test."""
    yield shared
    shared.client.evict(force=True)
    wait_until(lambda: not shared.status().instances)


@pytest.fixture
def slow(home: House) -> str:
    """A recipe of this test's own that does not become ready in its time."""
    name = f"slow{next(NUMBERS)}"
    home.recipe(name, start_s=120.0)
    return name


@contextlib.contextmanager
def waiting(home: House, model: str) -> Iterator[None]:
    """A client that waits for the model, as long as the block runs."""
    body = json.dumps({"model": model, "stream": True, "messages": []}).encode()
    with socket.create_connection(("127.0.0.1", home.port)) as link:
        link.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        wait_until(lambda: home.status().gateway.waiting == 1)
        yield


def launches(home: House, recipe: str) -> list[wire.Launch]:
    return [one for one in home.status().launches if one.recipe_id == recipe]


def launch(home: House, recipe: str) -> wire.Launch:
    """The newest."""
    return max(wait_until(lambda: launches(home, recipe)), key=lambda one: one.created_at)


def started(home: House, recipe: str) -> wire.Launch:
    """The newest, as soon as it has an engine."""
    wait_until(lambda: launch(home, recipe).instance_id and home.instance(recipe).engine_pid)
    return launch(home, recipe)


def goes_on(home: House, recipe: str) -> bool:
    """Whether it still starts when its patience has long been over."""
    since = launch(home, recipe).age_s
    wait_until(lambda: launch(home, recipe).age_s > since + 3 * PATIENCE_S)
    return launch(home, recipe).state == "starting"


def test_the_last_client_leaves(home: House, slow: str) -> None:
    with waiting(home, slow):
        first = started(home, slow)
        assert (first.origin, first.state) == ("acquire", "starting")
        assert goes_on(home, slow), "somebody waits"
    wait_until(lambda: launch(home, slow).state == "cancelled")
    assert "nobody waits" in launch(home, slow).message
    wait_until(lambda: not home.status().instances)
    assert slow not in home.status().holds, "the next request may start it again"
    with waiting(home, slow):
        wait_until(lambda: launch(home, slow).id != first.id and launch(home, slow).state == "starting")


def test_what_a_person_asked_for_too_goes_on(home: House, slow: str) -> None:
    with waiting(home, slow):
        first = started(home, slow)
        assert home.client.launch(slow).id == first.id
    wait_until(lambda: home.status().gateway.waiting == 0)
    assert goes_on(home, slow) and launch(home, slow).origin == "person"


def test_one_that_is_queued_is_forgotten_with_its_last_client(home: House, slow: str) -> None:
    home.recipe("other", start_s=120.0)
    home.recipe("served")
    home.client.launch("other")
    with waiting(home, slow):
        pass
    wait_until(lambda: home.status().gateway.waiting == 0)
    with waiting(home, "served"):
        home.client.cancel("other")
        # Asked for later, so begun later, if the first were begun at all.
        wait_until(lambda: launches(home, "served") and launch(home, "served").state == "ready")
    assert not launches(home, slow), "nothing was started for who had left"


@pytest.mark.parametrize("person", [False, True])
def test_a_load_that_another_controller_began_is_watched_and_joined(home: House, slow: str, person: bool) -> None:
    with waiting(home, slow):
        first = started(home, slow)
        if person:
            assert home.client.launch(slow).id == first.id
        home.replace_controller()
        again = launch(home, slow)
        assert (again.id, again.instance_id, again.state) == (first.id, first.instance_id, "starting")
        assert again.origin == ("person" if person else "acquire") and again.age_s > first.age_s
        wait_until(lambda: home.status().gateway.waiting == 1)
        assert goes_on(home, slow), "somebody waits"
    if not person:
        wait_until(lambda: launch(home, slow).state == "cancelled")
        wait_until(lambda: not home.status().instances)
        return
    wait_until(lambda: home.status().gateway.waiting == 0)
    assert goes_on(home, slow)
    assert home.client.launch(slow).id == first.id, "it is joined, not started anew"
