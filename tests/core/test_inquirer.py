"""Installed engines are asked in the background: once per version, never beside a start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from studio_core.engines import inquiry
from studio_core.recipes.recipe import Recipe, parse
from studio_core.settings import load
from studio_core.supervisor import inquirer
from studio_core.supervisor.inquirer import Inquirer
from tests.core.installed import Installed, flag, install
from tests.house import house
from tests.wait import eventually, wait_until

SETTINGS = load({}, {"HOME": "/root"})


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(inquirer, "REST_S", 0.0)
    yield
    inquiry._SILENT.clear()


def recipe(installed: Installed, **fields: object) -> Recipe:
    python = str(installed.python)
    return parse({"id": "m", "backend": installed.engine, "model_path": "org/model", "python_path": python, **fields})


class Home:
    def __init__(self, *recipes: Recipe) -> None:
        self.recipes, self.busy = list(recipes), False
        self.asker = Inquirer(SETTINGS, self.readable, lambda: self.busy)

    async def readable(self) -> list[Recipe]:
        return self.recipes


@asynccontextmanager
async def home(*recipes: Recipe) -> AsyncIterator[Home]:
    found = Home(*recipes)
    await found.asker.start()
    try:
        yield found
    finally:
        await found.asker.stop()


async def test_each_engine_of_the_recipes_is_asked_once(tmp_path: Path) -> None:
    both = install(tmp_path / "a", "vllm"), install(tmp_path / "b", "sglang")
    async with home(*map(recipe, both), recipe(both[0], id="again")) as one:
        await eventually(lambda: not any(inquiry.unasked(here.python, here.engine) for here in both))
        one.asker.notice()
        both[1].upgrade("9.1")
        one.asker.notice()
        await eventually(lambda: both[1].asked == 2 and not inquiry.unasked(both[1].python, "sglang"))
    assert both[0].asked == 1


async def test_nobody_is_asked_beside_a_start(tmp_path: Path) -> None:
    installed = install(tmp_path / "a", "vllm")
    async with home() as one:
        one.busy, one.recipes = True, [recipe(installed)]
        one.asker.notice()
        await eventually(lambda: not one.asker._due.is_set())
        assert installed.asked == 0
        one.busy = False
        one.asker.notice()
        await eventually(lambda: installed.asked == 1)


async def test_a_start_ends_what_is_being_asked_and_it_is_asked_again(tmp_path: Path) -> None:
    installed = install(tmp_path / "a", "vllm")
    quick = installed.python.read_text()
    installed.python.write_text(quick.replace("exec /bin/cat", "exec /bin/sleep 60 #"))
    async with home(recipe(installed)) as one:
        await eventually(lambda: installed.asked == 1 and len(inquiry._CHILDREN) == 1)
        one.asker.give_way()
        assert len(inquiry._CHILDREN) == 1
        one.busy = True
        one.asker.give_way()
        await eventually(lambda: not inquiry._CHILDREN and not one.asker._asking)
        assert inquiry.unasked(installed.python, "vllm")
        installed.python.write_text(quick)
        one.busy = False
        one.asker.notice()
        await eventually(lambda: inquiry.kept(installed.python, "vllm") is not None)


async def test_who_cannot_answer_is_left_alone(tmp_path: Path) -> None:
    installed = install(tmp_path / "a", "vllm", answers=False)
    async with home(recipe(installed)) as one:
        await eventually(lambda: installed.asked == 1 and not one.asker._asking)
        one.asker.notice()
        await eventually(lambda: not one.asker._due.is_set())
    assert installed.asked == 1


async def test_the_end_of_studio_waits_for_no_answer(tmp_path: Path) -> None:
    installed = install(tmp_path / "a", "vllm")
    installed.python.write_text(installed.python.read_text().replace("exec /bin/cat", "exec /bin/sleep 60 #"))
    async with asyncio.timeout(50), home(recipe(installed)):
        await eventually(lambda: installed.asked == 1)


async def test_containers_and_missing_interpreters_are_nobody_to_ask(tmp_path: Path) -> None:
    installed = install(tmp_path / "a", "vllm")
    contained = recipe(installed, runtime={"kind": "docker", "ref": "vllm/vllm-openai:latest"})
    missing = recipe(installed, python_path="/nowhere/python")
    assert list(inquirer.unasked([contained, missing], SETTINGS)) == []


def test_a_recipe_is_checked_exactly_soon_after_it_was_stored(tmp_path: Path, state_dir: Path) -> None:
    """The whole house: nobody asked for it, and no launch was needed."""
    installed = install(tmp_path / "a", "vllm", lambda table: flag(table, "--dtype").update(choices=["auto", "fp4"]))
    with house(state_dir) as home:
        home.client.put_recipe(recipe(installed, dtype="half").stored())
        found = wait_until(lambda: [one for one in home.client.check("m").problems if one.severe], what="an exact check")
    assert [(one.field, one.text) for one in found] == [("dtype", "--dtype takes one of auto, fp4, got 'half'")]
    assert installed.asked == 1
