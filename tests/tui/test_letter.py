"""Messages with fields: as a dataclass would make them, without one."""

from __future__ import annotations

from typing import ClassVar

import pytest

from studio_tui.letter import Letter


class Parcel(Letter):
    home: ClassVar[str] = "shelf"
    name: str
    weight: int = 1


class Heavy(Parcel):
    reason: str = ""


def test_fields_come_by_place_and_by_name() -> None:
    found = Heavy("a", reason="iron")
    assert (found.name, found.weight, found.reason, found.home) == ("a", 1, "iron", "shelf")
    assert vars(found) == {"name": "a", "reason": "iron"}
    assert Parcel.handler_name == "on_parcel"


@pytest.mark.parametrize(("values", "named"), [((), {}), (("a", 2, 3), {}), (("a",), {"name": "b"}), (("a",), {"nobody": 1})])
def test_what_does_not_fit_is_said(values: tuple[object, ...], named: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="Parcel takes name, weight"):
        Parcel(*values, **named)  # type: ignore[arg-type]


def test_two_are_equal_by_what_they_say() -> None:
    assert Parcel("a") == Parcel("a", 1) != Parcel("a", 2)
    assert Parcel("a") != Heavy("a")
    assert repr(Parcel("a", 2)) == "Parcel(name='a', weight=2)"
