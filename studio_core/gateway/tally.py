"""The gateway's own figures as Prometheus text: counted when a request ends, written when somebody asks."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sized

from studio_core.gateway.journal import End, Journal
from studio_core.gateway.routing import Routing

PREFIX = "vllm_studio_gateway_"
# A label that comes from a person's names keeps this many values; the rest is counted together.
LABEL_LIMIT = 200
NONE, OTHER = "none", "other"
TTFT_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
DURATION_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)
Sample = tuple[str, str, float]


class Spread:
    """A histogram: how many fell under each bound."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def samples(self, label: str) -> Iterator[Sample]:
        total = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            yield "_bucket", f'{label},le="{_number(bound)}"', total
        yield "_sum", label, self.sum
        yield "_count", label, total


class Series:
    """What was counted of one recipe."""

    __slots__ = ("cached", "chunks", "completion", "duration", "ended", "prompt", "received", "sent", "ttft")

    def __init__(self) -> None:
        self.ended: Counter[tuple[str, int]] = Counter()
        self.ttft, self.duration = Spread(TTFT_S), Spread(DURATION_S)
        self.prompt = self.completion = self.cached = self.chunks = self.sent = self.received = 0


class Tally:
    """All series, by recipe. `connections` are the open ones."""

    def __init__(self, routing: Routing, journal: Journal, connections: Sized) -> None:
        self._routing = routing
        self._journal = journal
        self._connections = connections
        self._began = time.time()
        self._series: dict[str, Series] = {}

    def ended(self, end: End, sent: int, received: int) -> None:
        """A request is over: bytes of its answer, and of its body."""
        name = end.recipe or NONE
        one = self._series.get(name)
        if one is None:
            one = self._new(name)
        one.ended[end.outcome, end.status] += 1
        one.prompt += end.prompt_tokens or 0
        one.completion += end.completion_tokens or 0
        one.cached += end.cached_tokens or 0
        one.chunks += end.chunks
        one.received += received
        one.sent += sent
        if end.ttft_s is not None:
            one.ttft.add(end.ttft_s)
        if end.duration_s is not None:
            one.duration.add(end.duration_s)

    def _new(self, name: str) -> Series:
        if len(self._series) >= LABEL_LIMIT:
            name = OTHER
        return self._series.setdefault(name, Series())

    def text(self) -> bytes:
        """The exposition of this moment."""
        return "".join([*self._counted(), *self._standing()]).encode()

    def _counted(self) -> Iterator[str]:
        series = [(f'recipe_id="{_escaped(name)}"', one) for name, one in self._series.items()]
        yield _family("requests_total", "counter", "requests that ended, by what became of them", (
            ("", f'{label},outcome="{outcome}",code="{code}"', count)
            for label, one in series for (outcome, code), count in sorted(one.ended.items())
        ))
        for name, field, doc in (
            ("prompt_tokens_total", "prompt", "tokens of prompts, as engines counted them"),
            ("generated_tokens_total", "completion", "tokens of answers, as engines counted them"),
            ("cached_tokens_total", "cached", "tokens of prompts that were cached"),
            ("chunks_total", "chunks", "pieces of streams"),
            ("received_bytes_total", "received", "bytes of request bodies"),
            ("sent_bytes_total", "sent", "bytes of answers from engines"),
        ):
            yield _family(name, "counter", doc, (("", label, getattr(one, field)) for label, one in series))
        yield _family("time_to_first_token_seconds", "histogram", "from a request's arrival to the first piece of its answer",
                      (sample for label, one in series for sample in one.ttft.samples(label)))
        yield _family("request_duration_seconds", "histogram", "from a request's arrival to the end of its answer",
                      (sample for label, one in series for sample in one.duration.samples(label)))

    def _standing(self) -> Iterator[str]:
        recipes = {route.instance: route.recipe for route in self._routing.table.routes if route.instance}
        flying: Counter[str] = Counter()
        for instance, count in self._routing.inflight.items():
            flying[recipes.get(instance, OTHER)] += count
        yield _family("requests_in_flight", "gauge", "requests that an engine answers now", _by_recipe(flying))
        yield _family("requests_waiting", "gauge", "requests that wait for a model", _by_recipe(self._routing.waiting()))
        cpu = time.process_time()
        for name, kind, doc, value in (
            ("connections", "gauge", "open connections of clients", len(self._connections)),
            ("journal_waiting_lines", "gauge", "usage lines that are not on disk yet", self._journal.waiting),
            ("journal_lost_lines_total", "counter", "usage lines that were lost", self._journal.lost),
            ("controller_linked", "gauge", "1 while the controller holds the link", self._routing.linked),
            ("start_time_seconds", "gauge", "when this gateway began, as Unix time", self._began),
            ("cpu_seconds_total", "counter", "processor time of this gateway", cpu),
        ):
            yield _family(name, kind, doc, [("", "", value)])


def _by_recipe(counts: Mapping[str, int]) -> Iterator[Sample]:
    for recipe, count in sorted(counts.items())[:LABEL_LIMIT]:
        yield "", f'recipe_id="{_escaped(recipe)}"', count


def _family(name: str, kind: str, doc: str, samples: Iterable[Sample]) -> str:
    lines = [f"# HELP {PREFIX}{name} {doc}\n# TYPE {PREFIX}{name} {kind}\n"]
    lines += [
        f"{PREFIX}{name}{suffix}{'{' + label + '}' if label else ''} {_number(value)}\n" for suffix, label, value in samples
    ]
    return "".join(lines)


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else f"{value:.15g}" if isinstance(value, float) else str(int(value))


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
