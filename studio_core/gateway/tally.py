"""The gateway's own figures as Prometheus text: counted when a request ends, written when somebody asks."""

from __future__ import annotations

import re
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Sized
from itertools import accumulate, chain, repeat
from operator import attrgetter

from studio_core.gateway.journal import End, Journal
from studio_core.gateway.routing import Routing

PREFIX = "vllm_studio_gateway_"
# A label that comes from a person's names keeps this many values; the rest is counted together.
LABEL_LIMIT = 200
RECIPE = re.compile(r'(recipe_id="(?:[^"\\]|\\.)*")')
NONE, OTHER = "none", "other"
TTFT_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
DURATION_S = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)
Sample = tuple[str, str, float]
# Family → its samples, of what only grows: that of several gateways is added.
Counted = dict[str, list[Sample]]
# Of what comes and goes: the gauge's name, what it says of itself, its samples.
Standing = list[tuple[str, str, list[Sample]]]
# Family → what it is, and says of itself.
COUNTED = {
    "requests_total": ("counter", "requests that ended, by what became of them"),
    "prompt_tokens_total": ("counter", "tokens of prompts, as engines counted them"),
    "generated_tokens_total": ("counter", "tokens of answers, as engines counted them"),
    "cached_tokens_total": ("counter", "tokens of prompts that were cached"),
    "chunks_total": ("counter", "pieces of streams"),
    "received_bytes_total": ("counter", "bytes of request bodies"),
    "sent_bytes_total": ("counter", "bytes of answers from engines"),
    "time_to_first_token_seconds": ("histogram", "from a request's arrival to the first piece of its answer"),
    "request_duration_seconds": ("histogram", "from a request's arrival to the end of its answer"),
    "journal_lost_lines_total": ("counter", "usage lines that were lost"),
    "cpu_seconds_total": ("counter", "processor time of the gateways"),
}
# What of an end is summed up, and what is spread over bounds, by the family.
SUMS = {
    "prompt_tokens_total": "prompt_tokens", "generated_tokens_total": "completion_tokens",
    "cached_tokens_total": "cached_tokens", "chunks_total": "chunks",
}
SPREADS = {"time_to_first_token_seconds": "ttft_s", "request_duration_seconds": "duration_s"}
BOUNDS = {"time_to_first_token_seconds": TTFT_S, "request_duration_seconds": DURATION_S}
OUTCOME = attrgetter("outcome", "status")
# Bytes of an answer, and of the request's body.
Sizes = tuple[int, int]
BYTES = ("sent_bytes_total", "received_bytes_total")


class Spread:
    """A histogram: how many fell under each bound."""

    __slots__ = ("_labels", "bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...], label: str) -> None:
        self.bounds = bounds
        self._labels = [f'{label},le="{_number(bound)}"' for bound in (*bounds, float("inf"))], label
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, values: list[float]) -> None:
        values.sort()
        below = 0
        for number, bound in enumerate(self.bounds):
            under = bisect_right(values, bound)
            self.counts[number] += under - below
            below = under
        self.counts[-1] += len(values) - below
        self.sum += sum(values)

    def samples(self) -> list[Sample]:
        labels, label = self._labels
        totals = list(accumulate(self.counts))
        buckets = list(zip(repeat("_bucket"), labels, totals))
        return [*buckets, ("_sum", label, self.sum), ("_count", label, totals[-1])]


class Series:
    """What was counted of one recipe."""

    __slots__ = ("ended", "label", "spreads", "sums")

    def __init__(self, label: str) -> None:
        self.label = label
        self.ended: Counter[tuple[str, int]] = Counter()
        self.sums: Counter[str] = Counter()
        self.spreads = {family: Spread(bounds, label) for family, bounds in BOUNDS.items()}

    def add(self, ends: Sequence[End], sizes: Sequence[Sizes]) -> None:
        """Some more that are over."""
        self.ended.update(map(OUTCOME, ends))
        for family, name in SUMS.items():
            self.sums[family] += sum(filter(None, map(attrgetter(name), ends)))
        for family, total in zip(BYTES, map(sum, zip(*sizes, strict=True)), strict=True):
            self.sums[family] += total
        for family, name in SPREADS.items():
            self.spreads[family].add([value for value in map(attrgetter(name), ends) if value is not None])


class Tally:
    """All series, by recipe. `connections` are the open ones."""

    def __init__(self, routing: Routing, journal: Journal, connections: Sized) -> None:
        self._routing = routing
        self._journal = journal
        self._connections = connections
        self._began = time.time()
        self._series: dict[str, Series] = {}
        self._names: set[str] = set()
        self._base: Counted = {}

    def begin(self, base: Counted) -> None:
        """Count on from what others had counted."""
        self._base = base
        self._names |= {found[1] for rows in base.values() for _, label, _ in rows if (found := RECIPE.match(label))}

    def add(self, ends: Sequence[End], sizes: Sequence[Sizes]) -> None:
        """Requests that are over."""
        names = {end.recipe for end in ends}
        for name in names:
            these = [pair for pair in zip(ends, sizes, strict=True) if pair[0].recipe == name]
            self._of(name or NONE).add(*zip(*these, strict=True))

    def _of(self, name: str) -> Series:
        found = self._series.get(name)
        if found is None:
            label = _recipe(name)
            if len(self._names) >= LABEL_LIMIT and label not in self._names:
                name = OTHER
            else:
                self._names.add(label)
            found = self._series.setdefault(name, Series(_recipe(name)))
        return found

    @property
    def requests(self) -> int:
        """How many ended here."""
        return sum(sum(one.ended.values()) for one in self._series.values())

    def counted(self) -> Counted:
        """All that only grows."""
        series = self._series.values()
        found: Counted = {name: [("", one.label, one.sums[name]) for one in series] for name in (*SUMS, *BYTES)}
        found["requests_total"] = [
            ("", f'{one.label},outcome="{outcome}",code="{code}"', count)
            for one in series for (outcome, code), count in sorted(one.ended.items())
        ]
        for family in SPREADS:
            found[family] = [sample for one in series for sample in one.spreads[family].samples()]
        found["journal_lost_lines_total"] = [("", "", self._journal.lost)]
        found["cpu_seconds_total"] = [("", "", time.process_time())]
        return together([found, self._base])

    def standing(self) -> Standing:
        """All that comes and goes."""
        recipes = {route.instance: route.recipe for route in self._routing.table.routes if route.instance}
        flying: Counter[str] = Counter()
        for instance, count in self._routing.inflight.items():
            flying[recipes.get(instance, OTHER)] += count
        return [
            ("requests_in_flight", "requests that an engine answers now", _by_recipe(flying)),
            ("requests_waiting", "requests that wait for a model", _by_recipe(self._routing.waiting())),
            ("connections", "open connections of clients", [("", "", len(self._connections))]),
            ("journal_waiting_lines", "usage lines that are not on disk yet", [("", "", self._journal.waiting)]),
            ("controller_linked", "1 while the controller holds the link", [("", "", self._routing.linked)]),
            ("start_time_seconds", "when this gateway began, as Unix time", [("", "", self._began)]),
        ]


def exposition(counted: Counted, standing: Standing) -> bytes:
    """As Prometheus reads it."""
    counters = (_family(name, kind, doc, counted.get(name, ())) for name, (kind, doc) in COUNTED.items())
    gauges = (_family(name, "gauge", doc, samples) for name, doc, samples in standing)
    return "".join([*counters, *gauges]).encode()


def together(all_counted: Iterable[Counted]) -> Counted:
    """The sums, sample by sample, in the order in which they were first seen."""
    some = [counted for counted in all_counted if counted]
    if len(some) == 1:
        return some[0]
    sums: dict[str, dict[tuple[str, str], float]] = {}
    for name, (suffix, label, value) in chain.from_iterable(
        ((name, row) for name, rows in counted.items() for row in rows) for counted in some
    ):
        family = sums.setdefault(name, {})
        family[suffix, label] = family.get((suffix, label), 0) + value
    return {name: [(suffix, label, value) for (suffix, label), value in rows.items()] for name, rows in sums.items()}


def _recipe(name: str) -> str:
    return f'recipe_id="{_escaped(name)}"'


def _by_recipe(counts: Mapping[str, int]) -> list[Sample]:
    return [("", _recipe(recipe), count) for recipe, count in sorted(counts.items())[:LABEL_LIMIT]]


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
