"""The GPUs, one line each; or one line that says why there is none."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from studio_core import wire
from studio_tui import unit
from studio_tui.widgets.gauge import BUSY, FULL
from studio_tui.widgets.table import fit

GAP = "  "


class GpuList(Widget):
    """Its height is the number of GPUs; a changed line alone is painted."""

    COMPONENT_CLASSES = {"gpu-list--bar", "gpu-list--busy", "gpu-list--full", "gpu-list--rest", "gpu-list--note", "gpu-list--bad"}

    def __init__(self, ident: str | None = None) -> None:
        super().__init__(id=ident, classes="panel")
        self._gpus: list[wire.Gpu] = []
        self._reason = "waiting for the first sample"

    def fill(self, sample: wire.Gpus) -> None:
        old, self._gpus = self._gpus, sample.gpus
        reason = sample.reason or "the probe has found none"
        if len(old) != len(self._gpus) or reason != self._reason:
            self._reason = reason
            self.styles.height = max(1, len(self._gpus)) + 2
            self.refresh(layout=True)
            return
        for at, (before, gpu) in enumerate(zip(old, self._gpus, strict=True)):
            if before != gpu:
                self.refresh(Region(0, at, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        if not self._gpus:
            text = f"no GPU: {self._reason.removeprefix('no GPU: ')}" if y == 0 else ""
            return Strip([Segment(fit(text, self.size.width), self._style("note"))])
        if y >= len(self._gpus):
            return Strip.blank(self.size.width, base)
        return Strip(self._line(self._gpus[y], base)).adjust_cell_length(self.size.width, base)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"gpu-list--{name}")

    def _line(self, gpu: wire.Gpu, base: Style) -> list[Segment]:
        width = self.size.width
        name = Segment(fit(f"{gpu.index} {gpu.name}", 14 if width < 100 else 28) + GAP, base)
        if gpu.lost:
            return [name, Segment("\u2716 lost: the driver no longer answers for it", self._style("bad"))]
        heat = self._heat(gpu) if width >= 70 else ""
        bars = max(4, (width - len(name.text) - len(heat) - 28) // 2)
        used = gpu.memory_used / gpu.memory_total if gpu.memory_used is not None and gpu.memory_total else None
        share = None if gpu.utilization is None else gpu.utilization / 100
        memory = unit.of(gpu.memory_used, gpu.memory_total)
        return [
            name,
            *self._bar(share, bars, base), Segment(fit(unit.percent(gpu.utilization, "N/A"), 6, right=True) + GAP, base),
            *self._bar(used, bars, base), Segment(fit(memory, 16, right=True), base),
            Segment(heat, self._style("note")),
        ]

    def _bar(self, share: float | None, width: int, base: Style) -> list[Segment]:
        done = unit.bar(share or 0.0, width)
        tone = "full" if (share or 0) >= FULL else "busy" if (share or 0) >= BUSY else "bar"
        return [Segment(done, self._style(tone)), Segment(unit.REST * (width - len(done)), self._style("rest"))]

    @staticmethod
    def _heat(gpu: wire.Gpu) -> str:
        power = "N/A" if gpu.power_draw is None else f"{gpu.power_draw:.0f} W"
        degrees = "N/A" if gpu.temperature is None else f"{gpu.temperature:.0f} \u00b0C"
        return fit(power, 8, right=True) + fit(degrees, 8, right=True)
