"""The running models: what each does, or how far it is, or why it failed."""

from __future__ import annotations

from msgspec.structs import replace

from studio_core import wire
from studio_tui import status, unit
from studio_tui.board.column import Column, Widths, head, row, widths
from studio_tui.board.glyph import Glyphs
from studio_tui.board.span import Line, Span, filled, fit
from studio_tui.view import Life, View

COLUMNS = (
    Column("name", "MODEL", 12, flex=3, most=34),
    Column("state", "STATE", 13),
    Column("requests", "REQUESTS", 8, rank=1, right=True),
    Column("out", "OUT TOK/S", 9, rank=2, right=True),
    Column("in", "IN TOK/S", 8, rank=4, right=True),
    Column("kv", "KV", 5, rank=3, right=True),
    Column("ttft", "TTFT", 7, rank=5, right=True),
    Column("port", "PORT", 5, rank=7, right=True),
    Column("age", "AGE", 8, rank=6, right=True),
    Column("memory", "GPU MEMORY", 10, rank=9, right=True),
    Column("served", "SERVED AS", 12, rank=8, flex=2),
)
# Without a GPU an engine's memory is the machine's.
HOST_COLUMNS = (replace(COLUMNS[0], cells=18), *(
    replace(one, title="MEMORY", cells=9, rank=2) if one.name == "memory" else one for one in COLUMNS[1:]
))
LEAD = 2
BAR = 10


def entries(view: View) -> list[Life | wire.Foreign]:
    """What the table lists: models of ours, then engines that others started."""
    return [*view.lives(), *(view.status.foreign if view.status else [])]


def key(one: Life | wire.Foreign) -> str:
    return f"foreign-{one.pid}" if isinstance(one, wire.Foreign) else one.key


def columns(view: View) -> tuple[Column, ...]:
    return HOST_COLUMNS if view.gpus is not None and not view.gpus.gpus else COLUMNS


def lines(view: View, cells: int, rows: int, cursor: str, focused: bool, empty: str, signs: Glyphs) -> list[Line]:
    """Header and at most `rows` models, those around the cursor."""
    titles = columns(view)
    shown = widths(titles, cells - LEAD)
    found = entries(view)
    top = filled([Span(fit("MODEL", LEAD + shown["name"]), "title"), *head(titles, shown, cells - LEAD)[1:]], cells)
    if not found:
        return [top, filled([Span("  " + empty, "quiet")], cells)]
    at = next((index for index, one in enumerate(found) if key(one) == cursor), 0)
    first = max(0, min(at - rows // 2, len(found) - rows))
    drawn = [_row(view, one, shown, cells, one is found[at], focused, signs) for one in found[first:first + rows]]
    if first + rows < len(found) and rows > 1:
        drawn[-1] = filled([Span(f"  and {len(found) - first - rows + 1} more", "quiet")], cells)
    return [top, *drawn]


def _row(view: View, one: Life | wire.Foreign, shown: Widths, cells: int, here: bool, focused: bool, signs: Glyphs) -> Line:
    line = _stranger(view, one, shown, cells) if isinstance(one, wire.Foreign) else _model(view, one, shown, cells, signs)
    lead = Span(f"{signs.here} " if here and focused else "  ", "accent")
    return (lead, Span(line[0].text, "cursor"), *line[1:]) if here else (lead, *line)


def _model(view: View, life: Life, shown: Widths, cells: int, signs: Glyphs) -> Line:
    mark, one = status.mark(life.state), life.instance
    name, state = Span(life.name), Span(str(mark), mark.tone)
    if one is None or life.state != "ready":
        words = told(view, life, signs)
        tone = "bad" if life.state in ("failed", "stuck") else ""
        return filled([Span(fit(life.name, shown["name"])), Span("  "), Span(fit(str(mark), shown["state"]), mark.tone),
                       Span("  "), *(words if tone == "" else [Span(span.text, tone) for span in words])], cells - LEAD)
    seen = view.metric(one.id) or wire.ModelMetrics(instance_id=one.id, recipe_id=one.recipe_id)
    held = one.memory_bytes if columns(view) is HOST_COLUMNS else view.held(one.id)
    return row(columns(view), shown, {
        "name": name, "state": state, "requests": Span(f"{one.running} + {one.waiting}"),
        "out": rate(seen.tokens_out_s), "in": rate(seen.tokens_in_s),
        "kv": Span(unit.percent(None if seen.kv_usage is None else 100 * seen.kv_usage, "N/A")),
        "ttft": Span(milliseconds(seen.ttft_ms)), "port": Span(str(one.port or unit.NOTHING)),
        "age": Span(unit.age(view.age(one.age_s))), "memory": Span(unit.size(held)),
        "served": Span(", ".join(one.served_names), "quiet"),
    }, cells - LEAD)


def _stranger(view: View, one: wire.Foreign, shown: Widths, cells: int) -> Line:
    """An engine that Studio did not start; its sign and word say so, and it has no log."""
    mark = status.mark("attached" if one.attached else "foreign")
    words = (f"{one.engine} of {one.owner}", f"pid {one.pid}", "" if one.state == "ready" else one.state, one.note)
    requests = "" if one.running is None else f"{one.running} + {one.waiting or 0}"
    return row(columns(view), shown, {
        "name": Span(one.name), "state": Span(str(mark), mark.tone), "requests": Span(requests),
        "port": Span(str(one.port or unit.NOTHING)), "age": Span(unit.age(view.age(one.age_s))),
        "memory": Span(unit.size(one.memory_bytes)),
        "served": Span(", ".join(part for part in words if part), "quiet"),
    }, cells - LEAD)


def rate(value: float | None) -> Span:
    if value is None:
        return Span("N/A")
    return Span(f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}")


def milliseconds(value: float | None) -> str:
    if value is None:
        return "N/A"
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1000:.1f} s"


def told(view: View, life: Life, signs: Glyphs) -> list[Span]:
    """What there is to tell of a model that does not serve. A bar only where the engine has given a percentage."""
    if life.failure is not None:
        return [Span(life.failure.title)]
    now = life.progress
    words = now.message or now.stage
    if not life.coming:
        return [Span(words)]
    if now.percent is None:
        waiting = f"waiting for {', '.join(life.launch.leaving)}" if life.launch and life.launch.leaving else ""
        return [Span(waiting or f" {signs.dot} ".join(part for part in ("no progress yet", words) if part))]
    done, rest = signs.bar(now.percent / 100, BAR)
    left = f" {signs.dot} about {unit.age(view.left(now.eta_s))}" if now.eta_s is not None else ""
    # What is cut off at the end is what matters least.
    figures = f" {unit.percent(now.percent)}{left}"
    return [Span(done, "bar"), Span(rest, "rest"), Span(figures), Span(f" {signs.dot} {words}", "quiet")]
