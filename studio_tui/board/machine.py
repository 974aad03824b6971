"""Host and GPUs, one line each in one table, so that their bars stand below each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from studio_core import wire
from studio_tui import unit
from studio_tui.board import glyph
from studio_tui.board.column import Column, Widths, head, row, widths
from studio_tui.board.glyph import Glyphs
from studio_tui.board.span import Line, Span, filled, fit
from studio_tui.view import View

# Above these shares a bar speaks up.
BUSY, FULL = 0.75, 0.92
NOT_GIVEN = "N/A"
MB = 1e6
COLUMNS = (
    Column("name", "MACHINE", 8, flex=30, most=18),
    Column("use_bar", "USE", 5, flex=2, most=26),
    Column("use", "", 5, gap=1, right=True),
    Column("memory_bar", "MEMORY", 6, flex=2, most=26),
    Column("memory", "", 13, gap=1, right=True),
    Column("temperature", "TEMP", 6, rank=1, gap=1, right=True),
    Column("power", "POWER", 7, rank=2, gap=1, right=True),
    Column("fan", "FAN", 4, rank=5, right=True),
    Column("clock", "CLOCK", 8, rank=4, right=True),
    Column("pcie", "PCIE MB/S", 11, rank=6, right=True),
    Column("trend", "USE BEFORE", 16, rank=7, flex=1, most=40),
    Column("holder", "HELD BY", 14, rank=3, flex=3, most=60),
)
# Without a GPU the last column tells of the host.
HOST_COLUMNS = (*COLUMNS[:5], replace(COLUMNS[-1], title="LOAD"))
LOST = "\u2716 lost: the driver no longer answers for it"
THERMAL, ALERT = "thermal", "\u25b2"


def lines(view: View, cells: int, signs: Glyphs) -> list[Line]:
    """Header, host, GPUs with their parts; one line says so where there is none. Empty before anything is known."""
    found = view.gpus
    if found is None:
        return []
    columns = COLUMNS if found.gpus else HOST_COLUMNS
    shown = widths(columns, cells)
    rows = [head(columns, shown, cells), _host(found.host, columns, shown, cells, signs)]
    for gpu in found.gpus:
        rows += _gpu(view, gpu, columns, shown, cells, signs)
    if not found.gpus:
        reason = found.reason or "the probe has found none"
        rows.append(filled([Span(f"no GPU: {reason.removeprefix('no GPU: ')}", "quiet")], cells))
    elif found.reason:
        rows.append(filled([Span(f"{ALERT} {found.reason}", "busy")], cells))
    return rows


def cores(view: View) -> Sequence[float]:
    """The load of each core, where no GPU matters more."""
    return view.gpus.host.cores if view.gpus is not None and not view.gpus.gpus else ()


def _host(host: wire.Host, columns: tuple[Column, ...], shown: Widths, cells: int, signs: Glyphs) -> Line:
    use = None if host.cpu_percent is None else host.cpu_percent / 100
    load = "" if host.load_1m is None else f"load {host.load_1m:.1f}"
    free = "" if host.memory_available is None else f"{unit.size(host.memory_available)} available"
    both = f" {signs.dot} ".join(filter(None, (load, free)))
    if columns is HOST_COLUMNS and len(both) <= shown.get("holder", 0):
        load = both
    return row(columns, shown, {
        "name": Span(f"{host.cpu_count} cores"),
        **_use(use, shown, signs), **_memory(host.memory_used, host.memory_total, shown, signs),
        "holder": Span(load, "quiet"),
    }, cells)


def _gpu(view: View, gpu: wire.Gpu, columns: tuple[Column, ...], shown: Widths, cells: int, signs: Glyphs) -> Iterator[Line]:
    name = f"{gpu.index} {short(gpu.name)}"
    if gpu.lost:
        yield filled([Span(fit(name, shown["name"])), Span("  "), Span(LOST, "bad")], cells)
        return
    use = None if gpu.utilization is None else gpu.utilization / 100
    hot = [why for why in gpu.throttle or () if why.startswith(THERMAL)]
    held = [why for why in gpu.throttle or () if not why.startswith(THERMAL)]
    yield row(columns, shown, {
        "name": Span(name),
        **_use(use, shown, signs), **_memory(gpu.memory_used, gpu.memory_total, shown, signs),
        "temperature": _figure(gpu.temperature, "\u00b0C", bool(hot)), "power": _figure(gpu.power_draw, "W", bool(held)),
        "fan": Span(unit.percent(gpu.fan, NOT_GIVEN).replace(" ", "") if gpu.fan is not None else NOT_GIVEN),
        "clock": Span(NOT_GIVEN if gpu.clock is None else f"{gpu.clock:.0f} MHz"),
        "pcie": Span(_pcie(gpu, signs)), "trend": _trend(view, gpu, shown.get("trend", 0), signs),
        "holder": _holders(view, gpu, shown.get("holder", 0), signs),
    }, cells)
    for part in gpu.slices:
        yield row(columns, shown, {
            "name": Span(f"  {part.index} {short(part.name)}"),
            **_use(None, shown, signs), **_memory(part.memory_used, part.memory_total, shown, signs),
            "holder": Span(holder(view, part.processes), "quiet"),
        }, cells)


def short(name: str) -> str:
    """A GPU's name without what all have: `H100 80GB HBM3`; of a part its profile."""
    _, cut, profile = name.partition(" MIG ")
    return f"MIG {profile}" if cut else name.removeprefix("NVIDIA ").removeprefix("GeForce ")


def _use(share: float | None, shown: Widths, signs: Glyphs) -> dict[str, tuple[Span, ...] | Span]:
    figure = NOT_GIVEN if share is None else f"{share * 100:.0f} %"
    return {"use_bar": bar(share, shown["use_bar"], signs), "use": Span(figure)}


def _memory(used: int | None, total: int | None, shown: Widths, signs: Glyphs) -> dict[str, tuple[Span, ...] | Span]:
    share = used / total if used is not None and total else None
    return {"memory_bar": bar(share, shown["memory_bar"], signs), "memory": Span(unit.of(used, total).replace(" / ", "/"))}


def bar(share: float | None, cells: int, signs: Glyphs) -> tuple[Span, ...]:
    done, rest = signs.bar(share or 0.0, cells)
    tone = "full" if (share or 0) >= FULL else "busy" if (share or 0) >= BUSY else "bar"
    return Span(done, tone), Span(rest, "rest")


def _figure(value: float | None, name: str, alert: bool) -> Span:
    if value is None:
        return Span(NOT_GIVEN)
    return Span(f"{ALERT if alert else ''}{value:.0f} {name}", "busy" if alert else "")


def _pcie(gpu: wire.Gpu, signs: Glyphs) -> str:
    if gpu.pcie_sent is None or gpu.pcie_received is None:
        return NOT_GIVEN
    return f"{signs.down}{_rate(gpu.pcie_received)} {signs.up}{_rate(gpu.pcie_sent)}"


def _rate(value: float) -> str:
    return f"{value / MB:.0f}" if value >= 10 * MB else f"{value / MB:.1f}"


def _trend(view: View, gpu: wire.Gpu, cells: int, signs: Glyphs) -> Span:
    values = view.samples.series.get(f"gpu:{gpu.uuid}", []) if view.samples else []
    return Span(glyph.graph(tuple(values), cells, 1, 100.0, signs)[0] if cells else "", "graph")


def _holders(view: View, gpu: wire.Gpu, cells: int, signs: Glyphs) -> tuple[Span, ...]:
    """Why its clocks are held down comes before who holds its memory."""
    why = ", ".join(gpu.throttle or ())
    text = holder(view, gpu.processes) or (f"{len(gpu.slices)} parts" if gpu.mig else "")
    lead = f"{ALERT} {why}" + (f" {signs.dot} " if text else "") if why else ""
    return filled([Span(lead, "busy"), Span(text, "quiet")], cells)


def holder(view: View, processes: Sequence[wire.GpuProcess]) -> str:
    """Who holds the memory, the most first, as recipes or owners."""
    sums: dict[str, int] = {}
    for one in processes:
        name = view.whose(one) or f"{one.name or one.pid} ({one.owner or 'unknown'})"
        sums[name] = sums.get(name, 0) + (one.memory_bytes or 0)
    ranked = sorted(sums.items(), key=lambda pair: -pair[1])
    return ", ".join(name for name, _ in ranked)
