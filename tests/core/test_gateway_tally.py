"""The gateway's own figures: what is counted, and that Prometheus' own reader takes the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from studio_core.gateway.journal import End, Journal
from studio_core.gateway.routing import Routing
from studio_core.gateway.table import Route, Table
from studio_core.gateway.tally import DURATION_S, LABEL_LIMIT, PREFIX, TTFT_S, Spread, Tally, exposition


def end(recipe: str | None = "tiny", status: int = 200, outcome: str = "ok", **fields: Any) -> End:
    return End(id="r", at=0.0, status=status, outcome=outcome, error=None, recipe=recipe, instance=None, **fields)


class Desk:
    """A tally with its surroundings; `read` is what a scrape makes of it."""

    def __init__(self, folder: Path) -> None:
        self.routing = Routing(Table(version=("s", 1), routes=[Route(recipe="tiny", names=["tiny"], state="ready", instance="i1")]),
                               lambda line: None)
        self.journal = Journal(folder, "w")
        self.tally = Tally(self.routing, self.journal, [1, 2, 3])

    def read(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        text = exposition(self.tally.counted(), self.tally.standing()).decode()
        assert text.endswith("\n")
        return {
            (sample.name.removeprefix(PREFIX), frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples
        }


def of(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_what_ended_is_counted(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.tally.add([end(ttft_s=0.02, duration_s=2.0, prompt_tokens=7, completion_tokens=2, cached_tokens=5, chunks=3)], [(100, 10)])
    desk.tally.add([end(ttft_s=99.0, duration_s=9999.0, prompt_tokens=1)], [(50, 1)])
    desk.tally.add([end(status=499, outcome="cancelled")], [(0, 0)])
    desk.tally.add([end(None, 404, "rejected")], [(0, 5)])
    desk.routing.enter("i1")
    found = desk.read()
    desk.journal.close()
    assert found[of("requests_total", recipe_id="tiny", outcome="ok", code="200")] == 2
    assert found[of("requests_total", recipe_id="tiny", outcome="cancelled", code="499")] == 1
    assert found[of("requests_total", recipe_id="none", outcome="rejected", code="404")] == 1
    for name, value in (("prompt_tokens_total", 8), ("generated_tokens_total", 2), ("cached_tokens_total", 5), ("chunks_total", 3),
                        ("sent_bytes_total", 150), ("received_bytes_total", 11), ("requests_in_flight", 1),
                        ("time_to_first_token_seconds_count", 2), ("request_duration_seconds_count", 2)):
        assert found[of(name, recipe_id="tiny")] == value, name
    for bound, value in (("0.01", 0), ("0.025", 1), ("60", 1), ("300", 2), ("+Inf", 2)):
        assert found[of("time_to_first_token_seconds_bucket", recipe_id="tiny", le=bound)] == value, bound
    assert found[of("request_duration_seconds_bucket", recipe_id="tiny", le="3600")] == 1
    assert (found[of("connections")], found[of("journal_lost_lines_total")], found[of("controller_linked")]) == (3, 0, 0)


def test_an_edge_is_under_its_bound() -> None:
    for bounds in (TTFT_S, DURATION_S):
        spread = Spread(bounds, "")
        for bound in bounds:
            spread.add([bound])
        assert [value for kind, _, value in spread.samples() if kind == "_bucket"] == [*range(1, len(bounds) + 1), len(bounds)]


def test_names_do_not_make_series_without_end_nor_break_the_text(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.tally.add([end('a"b\\c\nd')], [(0, 0)])
    for number in range(LABEL_LIMIT * 2):
        desk.tally.add([end(f"m{number}")], [(0, 0)])
    found = desk.read()
    desk.journal.close()
    recipes = {value for _, labels in found for name, value in labels if name == "recipe_id"}
    assert 'a"b\\c\nd' in recipes and "other" in recipes and len(recipes) == LABEL_LIMIT + 1
