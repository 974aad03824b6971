"""A recipe's filters: what the gateway changes in requests for its model, before an engine sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

# By these the gateway itself finds its way.
ROUTING = frozenset({"model", "stream", "stream_options"})
Number = Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True)]


def _bounds(value: Any) -> Any:
    """`[low, high]`, or `{min: low, max: high}`."""
    if isinstance(value, Mapping) and set(value) <= {"min", "max"}:
        return [value.get("min"), value.get("max")]
    return value


Bounds = Annotated[tuple[Number | None, Number | None], BeforeValidator(_bounds)]


class Filters(BaseModel):
    """`strip` takes fields out, `default` gives a value where the client has none, `set` always, `clamp` keeps to bounds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    strip: list[str] = Field(default_factory=list)
    default: dict[str, Any] = Field(default_factory=dict)
    set: dict[str, Any] = Field(default_factory=dict)
    clamp: dict[str, Bounds] = Field(default_factory=dict)

    @field_validator("clamp")
    @classmethod
    def _order(cls, value: dict[str, tuple[float | None, float | None]]) -> dict[str, tuple[float | None, float | None]]:
        for name, (low, high) in value.items():
            if low is None and high is None:
                raise ValueError(f"{name} has no bound: give [low, high], null for none")
            if low is not None and high is not None and low > high:
                raise ValueError(f"{name} has its bounds the wrong way round: {low} is above {high}")
        return value

    @model_validator(mode="after")
    def _sense(self) -> Filters:
        named = {*self.strip, *self.default, *self.set, *self.clamp}
        if taken := sorted(named & ROUTING):
            raise ValueError(f"{', '.join(taken)}: the gateway itself goes by it")
        if torn := sorted({*self.strip} & {*self.default, *self.set}):
            raise ValueError(f"{', '.join(torn)} is both stripped and given a value")
        return self

    def lines(self) -> list[str]:
        """What they do, in words: one line a field."""
        return [
            *(f"{name} is taken out" for name in self.strip),
            *(f"{name} is {_text(value)} where the client gives none" for name, value in self.default.items()),
            *(f"{name} is always {_text(value)}" for name, value in self.set.items()),
            *(f"{name} is kept {_range(*bounds)}" for name, bounds in self.clamp.items()),
        ]


def _text(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at most {high}" if low is None else f"at least {low}"
    return f"from {low} to {high}"
