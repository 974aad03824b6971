"""The whole Studio on a small disk that is full: what cannot be done is said, stops work, and later nothing is missing."""

from __future__ import annotations

import json
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studio_core import wire
from studio_core.client import Client
from studio_core.errors import DiskFull
from studio_core.gateway.holding import Cloakroom
from studio_core.gateway.request import Request
from tests import disk
from tests.command import Command
from tests.house import House
from tests.wait import wait_until

SIZE = 8 * 1024 * 1024
LONG = "word " * 20_000
RECIPE = {"id": "new", "model_path": "/m.gguf", "backend": "llamacpp", "name": LONG}


@pytest.fixture
def small(state_dir: Path) -> Iterator[Path]:
    with disk.mounted(state_dir / "small", SIZE) as folder:
        yield folder


@pytest.fixture
def home(small: Path) -> Iterator[House]:
    one = House(small)
    try:
        one.up()
        yield one
    finally:
        disk.free(small)
        one.down()


@pytest.fixture
def busy(home: House) -> House:
    """One model that answers, another that does not run, one chat; and no room for anything more."""
    home.recipe("one", tokens=4)
    home.recipe("two")
    home.launch("one")
    home.client.new_chat("one", "kept")
    disk.fill(home.root)
    return home


def command(home: House) -> Command:
    return Command(home.root, "--port", str(home.port))


def complete(home: House, model: str = "one") -> str:
    """Ask and read it all; the request's id."""
    with home.ask(model) as answer:
        assert json.load(answer)["choices"]
        return str(answer.headers["x-request-id"])


def rows(home: House) -> dict[str, str]:
    """What is stored of requests: id → outcome."""
    connection = sqlite3.connect(f"file:{home.places.root / 'controller.db'}?mode=ro", uri=True)
    try:
        return dict(connection.execute("SELECT id, outcome FROM requests WHERE ended_at IS NOT NULL"))
    finally:
        connection.close()


# What the control API cannot do.
WRITES: dict[str, Callable[[Client], Any]] = {
    "recipe": lambda client: client.put_recipe(RECIPE),
    "chat": lambda client: client.new_chat("one", LONG),
    "turn": lambda client: list(client.turn(client.chats()[0].id, LONG)),
    "launch": lambda client: client.launch("two"),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_says_what_is_full_and_what_helps(busy: House, name: str) -> None:
    before = {one.name for one in busy.root.iterdir()} | {one.name for one in busy.places.instances.iterdir()}
    with pytest.raises(DiskFull) as caught:
        WRITES[name](busy.client)
    assert str(busy.root) in caught.value.detail
    assert "free some space" in caught.value.hint
    assert before == {one.name for one in busy.root.iterdir()} | {one.name for one in busy.places.instances.iterdir()}
    assert [one.title for one in busy.client.chats()] == ["kept"]
    assert [one.id for one in busy.client.recipes()] == ["one", "two"]
    assert busy.instance("one").state == "ready", "nobody was sent away for what could not be started"
    disk.free(busy.root)
    WRITES[name](busy.client)


@pytest.mark.parametrize(("path", "body"), [("/chats", {"title": LONG}), ("/launch/two", None)], ids=["chat", "launch"])
def test_the_status_is_507_through_the_gateway_too(busy: House, path: str, body: Any) -> None:
    key = busy.places.admin_key.read_text().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{busy.port}{path}", json.dumps(body).encode(), method="POST",
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    with caught.value as answer:
        found = json.load(answer)
    assert (answer.code, found["code"], found["title"]) == (507, "disk_full", "the disk is full")
    assert "free some space" in found["hint"] and key not in str(found)


def test_the_command_line_says_it_and_looking_works(busy: House, tmp_path: Path) -> None:
    studio = command(busy)
    file = tmp_path / "new.yaml"
    file.write_text(json.dumps(RECIPE))
    for words in (["recipes", "add", str(file)], ["recipes", "import", str(file)], ["chat", "one", LONG], ["launch", "two"],
                  ["launch", "two", "--wait"], ["switch", "two"]):
        said = studio.bad(*words)
        assert said.startswith("the disk is full: ") and "free some space" in said, said
    assert "the disk is full" in studio.good("status")
    assert studio.data("ps")[0]["state"] == "ready"
    assert [one["id"] for one in studio.data("recipes")] == ["one", "two"]
    assert "KiB are left" in studio("doctor").stdout
    assert studio.good("stop", "one") == "one stopped\n"


def test_requests_are_answered_and_a_cold_model_gets_the_cause(busy: House) -> None:
    complete(busy)
    with busy.ask("one", stream=True) as answer:
        assert answer.read().endswith(b"data: [DONE]\n\n")
    with pytest.raises(urllib.error.HTTPError) as caught:
        busy.ask("two")
    with caught.value as refused:
        found = json.load(refused)["error"]
    assert refused.code in (503, 507)
    assert found["message"].startswith("the disk is full: two was not started") and "free some space" in found["hint"]
    assert list(busy.places.instances.iterdir()) == [busy.places.instance(busy.instance("one").id)]


def test_no_usage_is_lost_though_controller_and_disk_fail(busy: House) -> None:
    sent = [complete(busy) for _ in range(100)]
    busy.kill_controller()
    sent += [complete(busy) for _ in range(100)]
    busy.status()
    assert busy.client.usage()["totals"]["total_requests"] <= len(sent), "looking works"
    with urllib.request.urlopen(f"http://127.0.0.1:{busy.port}/health", timeout=60) as answer:
        health = json.load(answer)
    assert health["journal_lost"] == 0
    disk.free(busy.root)
    wait_until(lambda: rows(busy).keys() >= set(sent), what="every request has a row")
    assert rows(busy) == dict.fromkeys(sent, "ok")


def test_usage_outlives_the_gateway_too(busy: House) -> None:
    """What waits for room when all is ended goes into the reserve."""
    studio = command(busy)
    sent = [complete(busy) for _ in range(100)]
    assert studio.good("down") == "down; engines go on\n"
    disk.free(busy.root)
    studio.good("up")
    wait_until(lambda: rows(busy) == dict.fromkeys(sent, "ok"), what="every request has a row")


def test_a_stop_leaves_its_record_and_its_launch_is_written_down_later(busy: House) -> None:
    one = busy.instance("one")
    busy.client.evict(one.id)
    folder = busy.places.history / one.id
    wait_until(folder.exists, what="it is archived")
    assert json.loads((folder / "spec.json").read_text())["api_key"] == ""
    assert busy.client.log(one.id).lines
    disk.free(busy.root)
    busy.launch("two")
    wait_until(lambda: launches(busy) == {"one", "two"}, what="the launches are stored")


def launches(home: House) -> set[str]:
    """The recipes whose launches are stored."""
    connection = sqlite3.connect(f"file:{home.places.root / 'controller.db'}?mode=ro", uri=True)
    try:
        return {row[0] for row in connection.execute("SELECT recipe FROM launches")}
    finally:
        connection.close()


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "ended"])
def test_a_controller_starts_on_a_full_disk_so_that_engines_can_be_stopped(busy: House, killed: bool) -> None:
    studio = command(busy)
    before = busy.instance("one")
    if killed:
        busy.kill_controller()
    else:
        assert studio.good("down") == "down; engines go on\n"
    disk.fill(busy.root)
    assert studio.good("up").startswith("controller pid ")
    disk.fill(busy.root)
    wait_until(lambda: busy.instance("one").state == "ready", what="it is adopted")
    assert busy.instance("one").engine_pid == before.engine_pid
    assert [one.title for one in busy.client.chats()] == ["kept"]
    assert studio.good("stop", "one") == "one stopped\n"
    assert busy.status().instances == []
    disk.free(busy.root)
    busy.client.put_recipe(RECIPE)
    busy.launch("two")


def test_without_any_room_a_start_says_so_and_works_later(busy: House) -> None:
    """Others took the reserve too."""
    studio = command(busy)
    studio.good("down", "--engines")
    busy.places.reserve.unlink(missing_ok=True)
    disk.fill(busy.root)
    said = studio.bad("up")
    assert said.startswith("the disk is full: ") and "free some space" in said
    assert "the disk is full" in studio.bad("launch", "one")
    disk.free(busy.root)
    studio.good("up")
    assert [one.id for one in busy.client.recipes()] == ["one", "two"]


def test_a_first_start_on_a_full_disk_leaves_no_half_key(small: Path) -> None:
    home = House(small)
    studio = command(home)
    disk.fill(small)
    try:
        assert studio.bad("up").startswith("the disk is full: ")
        assert not home.places.admin_key.exists() or len(home.places.admin_key.read_text()) > 64
        disk.free(small)
        studio.good("up")
        assert len(home.places.admin_key.read_text().strip()) > 64
    finally:
        disk.free(small)
        home.down()


def test_what_was_being_answered_is_marked_when_there_is_room(home: House) -> None:
    home.recipe("slow", tokens=10_000, token_s=0.05)
    home.launch("slow")
    chat = home.client.new_chat("slow")
    stream = home.client.turn(chat.id, "go on")
    reader = threading.Thread(target=lambda: [None for _ in stream])
    reader.start()
    wait_until(lambda: len(home.client.chat(chat.id).messages) == 2, what="question and beginning are stored")
    home.kill_controller()
    disk.fill(home.root)
    reader.join(60)
    assert command(home).good("up")
    assert answer(home, chat.id).state in ("streaming", "interrupted")
    disk.free(home.root)
    wait_until(lambda: answer(home, chat.id).state == "interrupted", what="it is marked")


def answer(home: House, chat_id: str) -> wire.ChatMessage:
    return home.client.chat(chat_id).messages[-1]


async def test_a_body_that_waits_finds_no_room(small: Path) -> None:
    disk.fill(small)
    request = Request("POST", b"/v1/chat/completions", [], "127.0.0.1")
    request.body = b"x" * 100_000
    with pytest.raises(DiskFull, match="too much is waiting"):
        async with Cloakroom(small, memory=0).keep(request):
            raise AssertionError("it was kept")
