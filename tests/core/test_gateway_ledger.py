"""Counters over hand-overs: what several gateways counted is added once, whoever lives, dies, or dies while it takes over."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from studio_core.gateway import ledger as module
from studio_core.gateway.journal import End, Journal
from studio_core.gateway.ledger import Ledger
from studio_core.gateway.routing import Routing
from studio_core.gateway.table import Table
from studio_core.gateway.tally import COUNTED, LABEL_LIMIT, PREFIX, Tally
from tests.wait import eventually

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Gateway:
    """The counting part of one. It lives until it is closed."""

    def __init__(self, folder: Path, name: str) -> None:
        self.journal = Journal(folder, name)
        self.tally = Tally(Routing(Table(version=("s", 1)), lambda line: None), self.journal, [])
        try:
            self.ledger = Ledger(folder, name, self.tally)
        except BaseException:
            self.die()
            raise

    def serve(self, count: int = 1, recipe: str = "tiny", ttft_s: float = 0.02) -> None:
        for _ in range(count):
            self.tally.add([End(id="r", at=0.0, status=200, outcome="ok", error=None, recipe=recipe, instance=None,
                                ttft_s=ttft_s, duration_s=1.0, prompt_tokens=3)], [(10, 5)])

    def scrape(self) -> Series:
        """What only grows."""
        return {
            (sample.name.removeprefix(PREFIX), frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(asyncio.run(self.ledger.text()).decode())
            if family.name.removeprefix(PREFIX) in COUNTED or f"{family.name.removeprefix(PREFIX)}_total" in COUNTED
            for sample in family.samples
        }

    def requests(self, recipe: str = "tiny") -> float:
        labels = frozenset({"recipe_id": recipe, "outcome": "ok", "code": "200"}.items())
        return self.scrape().get(("requests_total", labels), 0.0)

    def die(self) -> None:
        """As if killed: nothing more is written."""
        self.journal.close()


@pytest.fixture
def gateways(tmp_path: Path) -> Iterator[Iterator[Gateway]]:
    made: list[Gateway] = []

    def more() -> Iterator[Gateway]:
        for number in itertools.count():
            made.append(Gateway(tmp_path, f"g{number}"))
            yield made[-1]

    yield more()
    for one in made:
        if one.journal._thread.is_alive():
            one.die()


def grows(before: Series, after: Series) -> bool:
    return set(before) <= set(after) and all(after[key] >= value for key, value in before.items())


def test_one_that_retires_counts_on_beside_its_successor_and_after_its_end(gateways: Iterator[Gateway]) -> None:
    first = next(gateways)
    first.serve(3)
    seen = [first.scrape()]
    second = next(gateways)
    second.serve(2)
    assert second.requests() == 5
    seen.append(second.scrape())
    first.serve()
    first.ledger.renew()
    assert second.requests() == 6
    seen.append(second.scrape())
    first.die()
    seen.append(second.scrape())
    third = next(gateways)
    assert third.requests() == second.requests() == 6, "the dead one is taken over, and counted once by each"
    third.serve()
    seen.append(third.scrape())
    assert third.requests() == 7
    assert all(itertools.starmap(grows, itertools.pairwise(seen)))
    bucket = "time_to_first_token_seconds_bucket", frozenset({"recipe_id": "tiny", "le": "0.025"}.items())
    assert [one[bucket] for one in seen] == [3, 5, 6, 6, 7]


def test_a_killed_one_loses_nothing_that_a_scrape_has_shown(gateways: Iterator[Gateway]) -> None:
    seen: list[Series] = []
    for one in itertools.islice(gateways, 5):
        one.serve(2)
        seen.append(one.scrape())
        one.serve()
        one.die()
    assert all(itertools.starmap(grows, itertools.pairwise(seen)))
    last = next(gateways)
    assert last.requests() == 10
    assert [path.name for path in last.ledger._folder.glob("*.tally")] == ["g5.tally"]


@pytest.mark.parametrize("step", ["before its own page", "before the others' are removed"])
def test_who_dies_while_it_takes_over_counts_nothing_twice(
    gateways: Iterator[Gateway], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    first = next(gateways)
    first.serve(4)
    first.ledger.keep()
    first.die()

    class Killed(BaseException):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module.Ledger, "keep", kill) if step.startswith("before its own") else patch.setattr(Path, "unlink", kill)
        with pytest.raises(Killed):
            next(gateways)
    heir = Gateway(first.ledger._folder, "heir")
    assert heir.requests() == 4
    heir.die()
    again = Gateway(first.ledger._folder, "again")
    assert again.requests() == 4
    again.die()


def test_a_disk_that_takes_nothing_costs_no_answer(gateways: Iterator[Gateway], monkeypatch: pytest.MonkeyPatch) -> None:
    first = next(gateways)
    first.serve(2)
    first.ledger.keep()
    first.die()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fdopen", full)
    second = next(gateways)
    second.serve()
    assert second.requests() == 3, "what could not be taken over is added from where it lies"
    monkeypatch.undo()
    second.ledger.keep()
    assert second.requests() == 3


def test_a_disk_that_hangs_holds_up_nobody_but_the_scrape(gateways: Iterator[Gateway], monkeypatch: pytest.MonkeyPatch) -> None:
    one, inside, go = next(gateways), threading.Event(), threading.Event()
    save = one.ledger._save

    def hang(page: module.Page) -> None:
        inside.set()
        assert go.wait(30)
        save(page)

    monkeypatch.setattr(one.ledger, "_save", hang)

    async def scrape() -> bytes:
        asked = asyncio.create_task(one.ledger.text())
        await eventually(inside.is_set)
        assert not asked.done()
        one.serve()
        go.set()
        return await asked

    text = asyncio.run(scrape())
    assert b"requests_total{" not in text, "what came after the page was begun is not on disk yet"
    assert one.requests() == 1


def test_an_older_page_never_takes_the_place_of_a_newer_one(gateways: Iterator[Gateway]) -> None:
    first = next(gateways)
    late = first.ledger._counted()
    first.serve()
    first.ledger.keep()
    first.ledger._write(*late)
    first.die()
    assert next(gateways).requests() == 1


def test_pages_of_another_version_or_of_nobody_are_no_harm(gateways: Iterator[Gateway]) -> None:
    first = next(gateways)
    first.serve(2)
    first.ledger.keep()
    page = first.ledger._path("g0")
    page.write_bytes(page.read_bytes().replace(b"0.01,", b"0.011,"))
    first.ledger._path("torn").write_bytes(b'{"of": [')
    first.die()
    second = next(gateways)
    assert second.requests() == 2
    assert not any(name.startswith("time_to_first") for name, _ in second.scrape()), "its buckets are not ours"


def test_names_stay_few_over_any_number_of_lives(gateways: Iterator[Gateway]) -> None:
    for life, one in enumerate(itertools.islice(gateways, 3)):
        for number in range(LABEL_LIMIT):
            one.serve(recipe=f'm"{life}-{number}')
        one.ledger.keep()
        one.die()
    names = {dict(labels)["recipe_id"] for _, labels in next(gateways).scrape() if "recipe_id" in dict(labels)}
    assert len(names) == LABEL_LIMIT + 1 and "other" in names
