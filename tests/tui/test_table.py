"""The table's own promises, and figures as people read them."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult

from studio_tui import theme, unit
from studio_tui.widgets.table import Cell, Column, Row, Table, fit


class Alone(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.register_theme(theme.DARK)
        self.theme = theme.DARK.name
        self.moved: list[str] = []

    def compose(self) -> ComposeResult:
        yield Table((Column("NAME", 6, flex=1), Column("SIZE", 6, right=True), Column("NOTE", 8, needs=40)), "nothing here")

    def on_table_moved(self, event: Table.Moved) -> None:
        self.moved.append(event.key)


def rows(*names: str) -> list[Row]:
    return [Row(name, (Cell(name), Cell("1 B"), Cell("note", "good"))) for name in names]


def lines(table: Table) -> list[str]:
    return [table.render_line(y).text for y in range(table.size.height)]


async def test_the_cursor_stays_on_its_key_while_rows_come_and_go() -> None:
    app = Alone()
    async with app.run_test(size=(60, 8)):
        table = app.query_one(Table)
        table.fill(rows("a", "b", "c"))
        table.action_last()
        assert table.key == "c"
        table.fill(rows("new", "a", "b", "c"))
        assert table.key == "c"
        table.fill(rows("new", "a"))
        assert table.key == "a"
        table.fill([])
        assert table.key is None and "nothing here" in lines(table)[1]


async def test_it_tells_where_the_cursor_is() -> None:
    app = Alone()
    async with app.run_test(size=(60, 8)) as pilot:
        table = app.query_one(Table)
        table.focus()
        table.fill(rows("a", "b", "c"))
        await pilot.press("j", "k", "G", "g")
        assert app.moved == ["a", "b", "a", "c", "a"]


async def test_a_row_beyond_the_lower_edge_is_scrolled_to() -> None:
    app = Alone()
    async with app.run_test(size=(60, 8)) as pilot:
        table = app.query_one(Table)
        table.fill(rows(*(f"row{at}" for at in range(50))))
        await pilot.pause()
        table.select("row30")
        await pilot.pause()
        assert any("row30" in line for line in lines(table))
        assert "NAME" in lines(table)[0], "the header stays"


async def test_columns_leave_when_there_is_no_room() -> None:
    app = Alone()
    async with app.run_test(size=(60, 8)) as pilot:
        table = app.query_one(Table)
        table.fill(rows("a"))
        assert "NOTE" in lines(table)[0]
        await pilot.resize_terminal(30, 8)
        assert "NOTE" not in lines(table)[0]
        assert all(cell_len(line) == 30 for line in lines(table))


@pytest.mark.parametrize("text", ["short", "much too long for it", "\u4e2d\u6587\u5b57\u7b26\u4e32", "\U0001f600" * 7])
@pytest.mark.parametrize("width", [0, 1, 5, 9])
def test_a_cell_has_its_width(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width
    assert cell_len(fit(text, width, right=True)) == width


def test_figures() -> None:
    sizes = [unit.size(count) for count in (0, 1023, 1536, 4.1 * 1024 ** 3, None)]
    assert sizes == ["0 B", "1023 B", "1.5 KiB", "4.1 GiB", "\u2013"]
    assert [unit.age(s) for s in (0, 59, 61, 3725, 90061)] == ["0 s", "59 s", "1 m 1 s", "1 h 2 m", "1 d 1 h"]
    assert unit.of(4.1 * 1024 ** 3, 24 * 1024 ** 3) == "4.1 / 24.0 GiB" and unit.of(None, 1.0) == "N/A"
    assert unit.of(0, 512 * 1024 ** 3) == "0 / 512 GiB"
    assert unit.count(1234567) == "1 234 567" and unit.percent(None) == "\u2013"
    assert [len(unit.bar(share, 8)) for share in (-1, 0, 0.5, 1, 2)] == [0, 0, 4, 8, 8]
