"""What a launch would do, told before it is asked for; and the figures of a list of recipes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from studio_core.store.launch import LaunchRow
from studio_core.store.request import upsert
from tests.core.control import RECIPE, Control, control
from tests.house import House, house
from tests.wait import wait_until

COLUMNS = ("recipe", "outcome", "ttft_s", "duration_s", "completion_tokens")


async def request(house: Control, number: int, at: float, *values: Any) -> None:
    def work(connection: Any) -> None:
        upsert(connection, COLUMNS, [(f"q{number}", "w", at, at + 1, *values)])

    await house.services.recipes._store.write(work)


async def launched(house: Control, launch_id: str, recipe: str, seconds: float, at: str = "2026-01-02T00:00:00+00:00") -> None:
    await house.services.launches.add(LaunchRow(launch_id, recipe, "llamacpp", "person", "ready", None, at, {}, seconds, ""))


async def test_a_recipe_is_listed_with_size_memory_last_use_and_speed(tmp_path: Path) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(b"1" * 42)
    async with control(tmp_path) as house:
        await house.owner.post("/recipes", json={**RECIPE, "model_path": str(model)})
        await house.owner.post("/recipes", json={**RECIPE, "id": "never"})
        await launched(house, "l1", "tiny", 3.0)
        await house.services.launches.learn("l1", 1234)
        now = time.time()
        await request(house, 1, now - 60, "tiny", "ok", 1.0, 3.0, 100)
        await request(house, 2, now - 50, "tiny", "ok", 0.5, 2.5, 300)
        await request(house, 3, now - 40, "tiny", "failed", None, 9.0, 9)
        found = {one["id"]: one for one in (await house.owner.get("/recipes")).json()}
        tiny, never = found["tiny"], found["never"]
        assert (tiny["size_bytes"], tiny["memory_bytes"], tiny["last_load_s"], tiny["tokens_per_s"]) == (42, 1234, 3.0, 100.0)
        assert 39 < tiny["last_used_age_s"] < 60 and tiny["last_used_at"].startswith("20")
        assert {never[name] for name in ("size_bytes", "memory_bytes", "last_used_age_s", "tokens_per_s", "last_used_at")} == {None}


async def test_the_plan_of_a_recipe_that_nothing_stands_against(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        await house.owner.post("/recipes", json=RECIPE)
        await launched(house, "l1", "tiny", 3.0)
        plan = (await house.owner.get("/recipes/tiny/plan")).json()
        assert (plan["outcome"], plan["leaving"], plan["expected_s"], plan["source"]) == ("starts", [], 3.0, "")
        (same,) = (await house.owner.get("/plans")).json()
        assert same["recipe_id"] == "tiny" and same["fits"] is None
        assert (await house.owner.get("/recipes/nobody/plan")).status_code == 404


async def test_a_recipe_is_checked_before_it_is_stored(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        wrong = (await house.owner.post("/recipes/check", json={**RECIPE, "tp": 0, "port": "x"})).json()
        assert {one["field"] for one in wrong["problems"]} == {"tp", "port"}
        right = (await house.owner.post("/recipes/check", json=RECIPE)).json()
        assert any("/nowhere/tiny.gguf" in one["text"] for one in right["problems"])
        assert (await house.owner.get("/recipes")).json() == []
        async with house.guest("admin") as guest:
            assert (await guest.post("/recipes/check", json=RECIPE)).status_code == 403


def test_who_leaves_why_and_what_is_learned(state_dir: Path) -> None:
    with house(state_dir) as home:
        home.recipe("one", {"name": "The One"})
        home.recipe("two")
        home.launch("one")
        plan = home.client.plan("two")
        (gone,) = plan.leaving
        assert (plan.outcome, gone.recipe_id, gone.name, gone.state) == ("starts", "one", "The One", "ready")
        assert "one model runs at a time" in gone.why and not gone.pinned
        assert home.client.plan("one").outcome == "serves" and home.client.plan("one").leaving == []
        _learns(home)
        home.launch("two")
        assert home.client.plan("one").needs_bytes and home.client.plan("one").source == "measured"
        assert home.client.plan("one").fits is True


def _learns(home: House) -> None:
    def known() -> bool:
        home.client.gpus()
        return home.client.recipe("one").memory_bytes is not None

    wait_until(known, what="what the engine holds was kept")
