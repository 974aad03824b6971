"""The machine and its models in one to a few rows."""

from __future__ import annotations

from studio_tui import status, unit
from studio_tui.board.glyph import UNICODE, Glyphs
from studio_tui.board.machine import ALERT
from studio_tui.board.model import milliseconds, rate, told
from studio_tui.board.span import Line, Span, filled, width
from studio_tui.view import Life, View

BETWEEN = Span("   ")


def draw(view: View, cells: int, rows: int, signs: Glyphs = UNICODE) -> list[Line]:
    """Exactly `rows` lines: in one the model that matters most and the machine, in more a line for each model."""
    lives = sorted(view.lives(), key=_weight)
    machine = _machine(view, signs)
    if rows == 1:
        first = _model(view, lives[0], signs) if lives else _nothing(view)
        spare = cells - sum(width(span.text) for span in machine) - len(BETWEEN.text)
        line = [*filled(first, max(0, spare)), BETWEEN, *machine] if spare >= 20 else first
        return [filled(line, cells)]
    found = [filled(machine, cells), *(filled(_model(view, one, signs), cells) for one in lives[: rows - 1])]
    if not lives:
        found.append(filled(_nothing(view), cells))
    return (found + [filled([], cells)] * rows)[:rows]


def _weight(life: Life) -> int:
    """What serves before what comes, what failed after it."""
    return 0 if life.state == "ready" else 1 if life.coming else 2 if life.state == "failed" else 3


def _nothing(view: View) -> list[Span]:
    if view.status is not None and view.link.state == "live":
        return [Span("nothing runs", "quiet")]
    mark = status.LINKS[view.link.state]
    return [Span(f"{mark} {view.link.why}".strip(), mark.tone)]


def _machine(view: View, signs: Glyphs) -> list[Span]:
    found = view.gpus
    if found is None:
        return []
    spans = []
    live = [one for one in found.gpus if not one.lost]
    busy = [one.utilization for one in live if one.utilization is not None]
    if found.gpus:
        use = unit.percent(sum(busy) / len(busy) if busy else None, "N/A")
        total = sum(one.memory_total or 0 for one in live)
        used = sum(one.memory_used or 0 for one in live) if any(one.memory_used is not None for one in live) else None
        spans += [Span("GPU ", "quiet"), Span(f"{use:>5}"), Span(f"  {unit.of(used, total).replace(' / ', '/')}")]
        hot = max((one.temperature for one in live if one.temperature is not None), default=None)
        spans += [Span(f"  {hot:.0f} \u00b0C")] if hot is not None else []
        if len(live) < len(found.gpus):
            spans.append(Span(f"  {ALERT} {len(found.gpus) - len(live)} lost", "bad"))
        spans.append(BETWEEN)
    host = found.host
    memory = unit.of(host.memory_used, host.memory_total).replace(" / ", "/")
    cpu = f"{unit.percent(host.cpu_percent, 'N/A'):>5}"
    return [*spans, Span("CPU ", "quiet"), Span(cpu), Span("  RAM ", "quiet"), Span(memory)]


def _model(view: View, life: Life, signs: Glyphs) -> list[Span]:
    mark, one = status.mark(life.state), life.instance
    gone = [] if view.link.state == "live" else [Span(f"{status.LINKS[view.link.state]}  ", "busy")]
    name = [*gone, Span(f"{mark.sign} ", mark.tone), Span(life.name, "title")]
    if one is None or life.state != "ready":
        return [*name, Span(f" {mark.word}  ", mark.tone), *told(view, life, signs)]
    seen = view.metric(one.id)
    spans = [*name, Span(f"  {one.running} + {one.waiting}"), Span(" requests", "quiet")]
    if seen is not None and seen.tokens_out_s is not None:
        spans += [Span(f"  {rate(seen.tokens_out_s).text:>4}"), Span(" tok/s", "quiet")]
    if seen is not None and seen.kv_usage is not None:
        spans += [Span("  KV ", "quiet"), Span(unit.percent(100 * seen.kv_usage))]
    if seen is not None and seen.ttft_ms is not None:
        spans += [Span("  TTFT ", "quiet"), Span(milliseconds(seen.ttft_ms))]
    return spans
