"""A recipe's filters in a whole Studio: what an engine gets, from the next request on, and how the check shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio_core.gateway.table import Filters
from tests.command import Command
from tests.faults.gateway_house import Gateways
from tests.house import house
from tests.wait import eventually, wait_until

RULES = Filters(strip=["logit_bias"], set={"top_k": 20}, clamp={"temperature": (0, 1.5)})


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_gets_what_the_rules_leave(shared: Gateways, stream: bool) -> None:
    front = shared
    front.publish("ready", filters=RULES)

    async def by_the_rules() -> bool:
        await front.chat(stream=stream, temperature=9, logit_bias={"1": 2}, seed=7)
        return "top_k" in front.engine.asked[-1].json

    await eventually(by_the_rules)
    told = front.engine.asked[-1].json
    assert told.pop("stream_options", {"include_usage": True}) == {"include_usage": True}
    assert told == {"model": "m", "stream": stream, "messages": [], "temperature": 1.5, "seed": 7, "top_k": 20}


def test_a_recipe_s_filters_hold_at_once_and_are_shown(state_dir: Path) -> None:
    with house(state_dir) as home:
        home.recipe("tiny")
        first = home.launch("tiny")
        home.recipe("tiny", {"filters": {"clamp": {"max_tokens": [None, 3]}, "strip": ["seed"]}})
        wait_until(lambda: (home.route("tiny").get("filters") or {}).get("clamp") == {"max_tokens": [None, 3]}, what="it is shown")
        assert home.instance("tiny").id == first.id and not home.instance("tiny").recipe_changed
        answer = home.ask("tiny", max_tokens=7)
        assert answer.status == 200
        answer.close()
        said = Command(state_dir)("check", "--quick", "tiny").stdout
        assert "request: seed is taken out" in said and "request: max_tokens is kept at most 3" in said

