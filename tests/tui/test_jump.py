"""Jump mode: a letter over each thing that can take the focus, in every room and dialog, at every size."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.geometry import Offset, Region, Size
from textual.screen import Screen
from textual.widget import Widget

from studio_tui.room import ROOMS
from studio_tui.screens.jump import Jump, apart, targets
from tests.tui.opened import Opened, filled, opened
from tests.wait import eventually

SIZES = [(60, 20), (120, 40)]


async def letters(shown: Opened) -> None:
    await shown.press("ctrl+o")
    await eventually(lambda: isinstance(shown.app.screen, Jump), what="letters are shown")
    await shown.shows("[a]")


async def there(shown: Opened, screen: Screen[object]) -> None:
    await eventually(lambda: shown.app.screen is screen, what="the letters are gone")


@pytest.mark.parametrize("size", SIZES)
async def test_in_every_room_each_letter_leads_to_its_thing(tmp_path: Path, size: tuple[int, int]) -> None:
    several = set()
    async with opened(filled(tmp_path), size) as shown:
        for at, room in enumerate(ROOMS, 1):
            await shown.press("escape", str(at))
            await eventually(lambda room=room: shown.app.rooms.here == room)  # type: ignore[misc]
            await shown.still()
            below = shown.app.screen
            found = targets(below)
            if len(found) > 1:
                several.add(room)
            for letter, (widget, place) in found.items():
                assert Region(0, 0, *size).contains_point(place)
                await letters(shown)
                await shown.shows(*(f"[{one}]" for one in found))
                await shown.press(letter)
                await there(shown, below)
                assert shown.app.focused is widget, room
                if targets(below).keys() != found.keys():
                    break
    assert several >= ({"logs", "chat", "usage"} if size[0] > 100 else {"chat", "usage"})


async def test_a_letter_is_no_action_of_the_room_and_another_key_leaves(tmp_path: Path) -> None:
    async with opened(filled(tmp_path)) as shown:
        await shown.press("2")
        below, focused = shown.app.screen, shown.app.focused
        await letters(shown)
        await shown.press("d")
        await there(shown, below)
        await letters(shown)
        await shown.press("ctrl+o")
        await there(shown, below)
        assert shown.app.focused is focused


async def test_a_field_of_a_dialog_is_reached_from_another(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (60, 20)) as shown:
        await shown.press("9", "right_square_bracket", "right_square_bracket", "n")
        await eventually(lambda: len(targets(shown.app.screen)) > 1, what="a form with fields is open")
        below = shown.app.screen
        (_, first), *_, (letter, last) = targets(below).items()
        assert shown.app.focused is first[0]
        await letters(shown)
        await shown.press(letter)
        await eventually(lambda: shown.app.focused is last[0])
        assert shown.app.screen is below


async def test_letters_go_when_things_move(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (120, 40)) as shown:
        await letters(shown)
        await shown.pilot.resize_terminal(80, 24)
        await eventually(lambda: not isinstance(shown.app.screen, Jump))


def test_no_letter_stands_over_another_or_beyond_the_edge() -> None:
    regions = [Region(0, 0, 10, 5), Region(0, 0, 10, 1), Region(2, 0, 4, 1), Region(59, 0, 1, 1), Region(58, 0, 2, 1)]
    found = [place for _, place in apart([(Widget(), one) for one in regions], Size(60, 20))]
    assert found == [Offset(0, 0), Offset(3, 0), Offset(8, 0), Offset(57, 0), Offset(0, 1)]


async def test_where_nothing_takes_the_focus_that_is_said(tmp_path: Path) -> None:
    async with opened(filled(tmp_path), (60, 20)) as shown:
        await shown.press("7", "ctrl+o")
        await shown.shows("nothing here takes the focus")
        assert not isinstance(shown.app.screen, Jump)
