"""An instance that nobody uses goes by itself; one that is pinned stays when others ask for its place."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from urllib.error import HTTPError

import pytest

from studio_core.errors import Conflict
from tests.house import House, house
from tests.wait import wait_until

TTL_S = 0.3


def gone(one: House, instance_id: str | None) -> bool:
    return all(each.id != instance_id for each in one.status().instances)


def test_it_goes_when_nobody_asks_and_comes_back_for_the_next_request(state_dir: Path) -> None:
    with house(state_dir) as one:
        one.recipe("one", {"idle_ttl_s": TTL_S})
        # Whoever looks for it may come too late.
        launch = one.client.launch("one", wait=True)
        assert launch.state == "ready" and launch.instance_id is not None
        wait_until(lambda: gone(one, launch.instance_id), what="the idle instance is gone")
        assert one.status().holds == []
        wait_until(lambda: one.route("one")["state"] == "cold", what="the gateway knows")
        assert json.loads(one.ask("one").read())["choices"]
        assert one.status().launches[-1].origin == "acquire"


def test_a_long_answer_is_use_and_it_goes_after_it(state_dir: Path) -> None:
    with house(state_dir) as one:
        one.recipe("one", {"idle_ttl_s": TTL_S})
        # It starts for its first request, so there is no moment without one.
        text = one.ask("one", stream=True, max_tokens=8, token_s=0.25).read().decode()
        assert text.count("data: {") >= 8 and text.endswith("data: [DONE]\n\n")
        [launch] = one.status().launches
        wait_until(lambda: gone(one, launch.instance_id))
        assert len(one.status().launches) == 1


def test_who_asks_the_engine_itself_uses_it_too(state_dir: Path) -> None:
    with house(state_dir) as one:
        one.recipe("one", {"idle_ttl_s": TTL_S})
        over = one.root / "over"
        held = one.ask("one", stream=True, until=str(over))
        first = one.instance("one")
        spec = json.loads((one.places.instance(first.id) / "spec.json").read_text(encoding="utf-8"))
        body = {"model": "one", "messages": [], "stream": True, "max_tokens": 8, "token_s": 0.25}
        request = urllib.request.Request(f"http://127.0.0.1:{first.port}/v1/chat/completions", json.dumps(body).encode(), {
            "Content-Type": "application/json", "Authorization": f"Bearer {spec['api_key']}",
        })
        with urllib.request.urlopen(request, timeout=60) as answer, held:
            over.touch()
            assert held.read().endswith(b"data: [DONE]\n\n")
            told = answer.read().decode()
        assert told.count("data: {") >= 8 and told.endswith("data: [DONE]\n\n")
        wait_until(lambda: gone(one, first.id))


def test_a_pinned_model_is_not_sent_away_unless_a_person_insists(state_dir: Path) -> None:
    with house(state_dir) as one:
        one.recipe("kept", {"pin": True})
        one.recipe("two")
        first = one.launch("kept")
        assert first.pinned
        with pytest.raises(HTTPError) as refused:
            one.ask("two")
        error = json.load(refused.value)["error"]
        assert (refused.value.code, error["type"]) == (503, "launch_failed")
        assert error["message"] == "kept is pinned: two would take its place Hint: insist: studio launch two --force"
        assert json.loads(one.ask("kept").read())["choices"]
        with pytest.raises(Conflict, match="kept is pinned"):
            one.client.launch("two")
        assert one.instance("kept").id == first.id
        launch = one.client.over(one.client.launch("two", force=True).id)
        assert launch.state == "ready" and gone(one, first.id)


def test_when_the_pinned_model_was_stopped_the_other_is_started_at_once(state_dir: Path) -> None:
    with house(state_dir) as one:
        one.recipe("kept", {"pin": True})
        one.recipe("two")
        first = one.launch("kept")
        with pytest.raises(HTTPError):
            one.ask("two")
        wait_until(lambda: one.route("two")["state"] == "failed", what="the refusal is written down")
        one.client.evict(first.id)
        wait_until(lambda: one.route("two")["state"] == "cold", what="the refusal is forgotten")
        assert json.loads(one.ask("two").read())["choices"]
