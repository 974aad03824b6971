"""The README's picture of the app: drawn by Textual as SVG, read back as text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch
from xml.etree import ElementTree

from tests.tui import scene
from tests.tui.opened import opened, stage_in

FILE = Path(__file__).with_name("dashboard.svg")
COMMAND = "python -m tests.tui.picture"
SIZE = (120, 28)
SVG = "{http://www.w3.org/2000/svg}"
# Textual asks a font server for its font, and names its own site: a picture of ours calls nobody.
OUTSIDE = re.compile(r"\s*@font-face\s*\{.*?\}|<!--.*?-->\s*", re.DOTALL)
RULE = re.compile(r"\.([\w-]+)\s*\{\s*fill:\s*(#[0-9a-fA-F]{6})")


@dataclass(frozen=True)
class Piece:
    """Some cells of a line, all of one colour."""

    row: float
    column: int
    text: str
    fill: str


async def draw(folder: Path) -> str:
    """The dashboard of a busy machine as SVG; `folder` becomes its state directory."""
    stage = stage_in(folder)
    scene.busy(stage)
    seen = scene.machine(4)
    assert seen.gpus and seen.metrics and seen.samples
    stage.gpus, stage.metrics, stage.samples = seen.gpus, seen.metrics, seen.samples
    with patch("socket.gethostname", return_value="gpu1"):
        async with opened(stage, SIZE) as shown:
            await shown.shows("gpu1 ", "21 %", "failed", "GPU USE", "1200")
            return OUTSIDE.sub("", shown.app.export_screenshot())


def pieces(svg: str) -> Iterator[Piece]:
    """What a screenshot shows inside its window, from top to bottom."""
    root = ElementTree.fromstring(svg)
    fills = dict(RULE.findall("".join(one.text or "" for one in root.iter(f"{SVG}style"))))
    for one in root.iter(f"{SVG}text"):
        # The window's own title has neither a length nor a place in the grid.
        if (length := one.get("textLength")) and one.text:
            cell = float(length) / len(one.text)
            column = round(float(one.get("x", "0")) / cell)
            tone = fills.get(one.get("class", ""), "").lower()
            yield Piece(float(one.get("y", "0")), column, one.text.replace("\xa0", " "), tone)


def lines(svg: str) -> list[str]:
    """The same as lines of text, without blanks at their ends; blank lines are left out."""
    found: dict[float, str] = {}
    for piece in sorted(pieces(svg), key=lambda one: (one.row, one.column)):
        found[piece.row] = found.get(piece.row, "").ljust(piece.column) + piece.text
    return [line.rstrip() for line in found.values() if line.strip()]


def fill(svg: str, text: str) -> str:
    """The colour of the first piece that holds `text`, as #rrggbb; empty when there is none."""
    return next((piece.fill for piece in pieces(svg) if text in piece.text), "")
