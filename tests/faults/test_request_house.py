"""`studio requests` on a whole Studio: what is under way, its end, and who may see it over HTTP."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from threading import Thread
from typing import Any

from tests.command import Command
from tests.house import House, house
from tests.wait import wait_until


def test_a_request_is_shown_and_cancelled(state_dir: Path) -> None:
    with house(state_dir) as home:
        home.recipe("tiny", token_s=0.05, tokens=100_000)
        home.launch("tiny")
        studio, said = Command(state_dir), list[bytes]()
        assert studio("requests").stdout == "no request is under way\n"
        answer = home.ask("tiny", stream=True)
        reading = Thread(target=lambda: said.append(answer.read()))
        reading.start()
        wait_until(lambda: any(one.tokens > 3 for one in home.client.requests().requests))
        [one] = home.client.requests().requests
        assert (one.state, one.model, one.recipe, one.key) == ("streaming", "tiny", "tiny", None)
        assert one.id in studio("requests").stdout and "streaming" in studio("requests").stdout
        assert over_http(home)["requests"][0]["id"] == one.id, "the gateway relays what the controller knows of all"
        assert "no request" in studio("requests", "cancel", "nobody").stderr
        assert studio("requests", "cancel", one.id).stdout == f"{one.id} cancelled\n"
        reading.join(60)
        answer.close()
        assert b"request_cancelled" in said[0] and b"[DONE]" not in said[0]
        wait_until(lambda: home.instance("tiny").running == 0)
        admin = {"Authorization": f"Bearer {home.places.admin_key.read_text().strip()}"}
        text = ask(home, "/metrics", admin).decode()
        assert "vllm_studio_controller_uptime_seconds " in text
        assert 'vllm_studio_gateway_requests_total{recipe_id="tiny",outcome="cancelled",code="499"} 1' in text


def ask(home: House, path: str, headers: dict[str, str] | None = None) -> bytes:
    asked = urllib.request.Request(f"http://127.0.0.1:{home.port}{path}", headers=headers or {})
    with urllib.request.urlopen(asked, timeout=20) as one:
        data: bytes = one.read()
        return data


def over_http(home: House) -> Any:
    return json.loads(ask(home, "/v1/studio/requests"))
