"""Histories: means per step, rates of counters, the bounded table that outlives a controller, and its series over the API."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio_core import wire
from studio_core.errors import DiskFull
from studio_core.metrics.meter import Reading, measured, together
from studio_core.metrics.recorder import Recorder, figures, series
from studio_core.store.sample import COARSE, FINE, SampleTable, Tier
from studio_core.store.store import Store
from tests.core.control import control
from tests.wait import eventually


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


async def test_what_was_recorded_outlives_the_recorder_and_comes_back_as_series(tmp_path: Path) -> None:
    store, clock = Store(tmp_path / "c.db"), Clock(10_000.0)
    await store.start()
    first = Recorder(SampleTable(store), clock)
    for second, cpu in enumerate((10, 30, 50, 70)):
        clock.now = 10_000.0 + second * 5
        first.take({"cpu": cpu, "gpu:a": 1} if second else {"cpu": cpu})
    clock.now = 10_020.0
    first.take({"cpu": 90})
    await first.stop()
    await store.stop()
    again = Store(tmp_path / "c.db")
    await again.start()
    second_life = Recorder(SampleTable(again), clock)
    second_life.take({"cpu": 20})
    found = await second_life.samples(60.0, 60)
    await again.stop()
    assert found.step_s == 10.0
    # The step that had begun when the recorder ended is the only one that is lost.
    assert found.series["cpu"][-3:] == [20.0, 60.0, 20.0]
    assert found.series["gpu:a"][-3:] == [1.0, 1.0, None]


def test_a_series_has_a_mean_in_each_step_and_nothing_where_nothing_was() -> None:
    rows = [(10.0, {"x": 1.0}), (20.0, {"x": 3.0, "y": 9.0}), (60.0, {"x": 5.0})]
    assert series(rows, 0.0, 20.0, 3) == {"x": [2.0, None, 5.0], "y": [9.0, None, None]}
    assert series(rows, 10.0, 10.0, 2) == {"x": [3.0, None], "y": [9.0, None]}
    assert series([], 0.0, 1.0, 5) == {}


async def test_the_table_stays_bounded_and_survives_a_clock_that_was_set_back(tmp_path: Path) -> None:
    store = Store(tmp_path / "c.db")
    await store.start()
    table, tier = SampleTable(store), Tier("t", 10.0, 50.0)
    for at in range(0, 200, 10):
        await table.add(tier, float(at), {"cpu": at})
    await table.add(COARSE, 100.0, {"cpu": 1})
    assert [at for at, _ in await table.read(tier, 0.0)] == [150.0, 160.0, 170.0, 180.0, 190.0]
    await table.add(tier, 160.0, {"cpu": 7})
    assert [at for at, _ in await table.read(tier, 0.0)] == [150.0, 160.0], "what claims to be of the future goes"
    assert len(await table.read(COARSE, 0.0)) == 1
    await store.stop()
    assert FINE.kept_s / FINE.step_s + COARSE.kept_s / COARSE.step_s < 10_000


async def test_samples_give_way_on_a_full_disk_and_nothing_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store, clock = Store(tmp_path / "c.db"), Clock(0.0)
    await store.start()
    table = SampleTable(store)

    async def refuse(*_: object) -> None:
        raise DiskFull("the disk is full")

    recorder = Recorder(table, clock)
    with monkeypatch.context() as full:
        full.setattr(table, "add", refuse)
        for clock.now in (1.0, 11.0, 21.0):
            recorder.take({"cpu": 1})
        await recorder.stop()
    assert recorder.dropped == 2
    for clock.now in (31.0, 41.0):
        recorder.take({"cpu": 2})
    await recorder.stop()
    assert [values for _, values in await table.read(FINE, 0.0)] == [{"cpu": 1.0}, {"cpu": 2.0}]
    await store.stop()


def test_rates_are_of_the_time_between_two_looks() -> None:
    before = Reading(10.0, {"prompt_tokens": 100, "generated_tokens": 40, "ttft_seconds": 1.0, "ttft_count": 4}, 250.0)
    now = {"prompt_tokens": 300, "generated_tokens": 30, "kv_usage": 0.5, "ttft_seconds": 1.6, "ttft_count": 6, "running": 2}
    model, ttft = measured("i", "r", before, now, 12.0)
    assert (model.tokens_in_s, model.tokens_out_s, model.kv_usage, model.running) == (100.0, 0.0, 0.5, 2)
    assert ttft == model.ttft_ms == pytest.approx(300.0)
    unchanged, kept = measured("i", "r", Reading(12.0, now, ttft), now, 14.0)
    assert kept == pytest.approx(300.0) and unchanged.tokens_in_s == 0.0
    silent, _ = measured("i", "r", None, {}, 1.0)
    assert (silent.tokens_in_s, silent.kv_usage, silent.ttft_ms, silent.waiting) == (None, None, None, None)


def test_the_sums_have_the_old_names_and_what_nobody_tells_is_no_zero() -> None:
    models = [
        wire.ModelMetrics(instance_id="a", recipe_id="a", tokens_out_s=5.0, kv_usage=0.2),
        wire.ModelMetrics(instance_id="b", recipe_id="b", tokens_out_s=7.0),
    ]
    found = together(models, 3, 1, [Reading(0.0, {"generated_tokens": 9}), Reading(0.0, {})])
    assert (found.running_requests, found.pending_requests, found.generation_throughput) == (3, 1, 12.0)
    assert (found.kv_cache_usage, found.prompt_throughput, found.avg_ttft_ms, found.generation_tokens_total) == (0.2, None, None, 9)
    silent = figures(wire.Gpus(gpus=[wire.Gpu(index=0, uuid="u", name="n", lost=True)]), wire.Metrics())
    assert silent == {"running": 0.0, "waiting": 0.0}


async def test_the_api_gives_samples_and_everything_at_once(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        house.services.recorder.take({"cpu": 12.0})
        found = (await house.owner.get("/samples?span=600&count=30")).json()
        assert found["step_s"] == 20.0 and len(found["series"]["cpu"]) == 30 and found["series"]["cpu"][-1] == 12.0
        whole = (await house.owner.get("/snapshot")).json()
        assert {"status", "gpus", "metrics", "samples"} == set(whole)
        assert (await house.owner.get("/samples?span=1")).status_code == 422
        assert (await house.owner.get("/samples?count=0")).status_code == 422


async def test_metrics_of_an_engine_reach_the_listeners(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        house.services.meter.beat()
        await eventually(lambda: bool(house.services.hub.stats()["published"].get("metrics")))
