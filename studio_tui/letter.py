"""Messages with fields, declared as a dataclass's are.

A dataclass is source text that is compiled for each class: for the sixty that the app has, a tenth of the time to its first key.
"""

from __future__ import annotations

from collections.abc import Iterator
from inspect import get_annotations
from typing import Any, ClassVar, dataclass_transform

from textual.message import Message


@dataclass_transform()
class Letter(Message):
    """Every annotation of a subclass is a field, a value that stands at it its default."""

    _fields: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        own = get_annotations(cls)
        cls._fields = (*cls._fields, *(name for name, kind in own.items() if "ClassVar" not in str(kind)))

    def __init__(self, *values: object, **named: object) -> None:
        super().__init__()
        given = {**dict(zip(self._fields, values, strict=False)), **named}
        missing = [name for name in self._fields if name not in given and not hasattr(self, name)]
        if missing or len(given) < len(values) + len(named) or not given.keys() <= set(self._fields):
            raise TypeError(f"{type(self).__name__} takes {', '.join(self._fields) or 'nothing'}, not {values} {named}")
        vars(self).update(given)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and list(self.__rich_repr__()) == list(other.__rich_repr__())

    __hash__ = None  # type: ignore[assignment]

    def __rich_repr__(self) -> Iterator[tuple[str, object]]:
        return ((name, getattr(self, name)) for name in self._fields)
