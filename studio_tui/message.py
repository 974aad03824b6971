"""What travels from bridge to app and screens: facts, in the past tense. What people want is in `wanted.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message

from studio_core import wire
from studio_core.errors import StudioError
from studio_tui.view import Link

if TYPE_CHECKING:
    from studio_tui.seek import Seek
    from studio_tui.stream import Tail


class Newest(Message):
    """Of these only the newest matters: one that still waits is replaced."""

    def can_replace(self, message: Message) -> bool:
        return type(message) is type(self)


@dataclass
class LinkChanged(Newest):
    link: Link


@dataclass
class StatusCame(Newest):
    status: wire.Status


@dataclass
class GpusCame(Newest):
    gpus: wire.Gpus


@dataclass
class MetricsCame(Newest):
    metrics: wire.Metrics


@dataclass
class SamplesCame(Newest):
    samples: wire.Samples


@dataclass
class RecipesCame(Newest):
    recipes: tuple[wire.RecipeView, ...]


@dataclass
class Failed(Message):
    """Something that a person wanted did not work."""

    error: StudioError


@dataclass
class Said(Message):
    """A fact to show for a moment."""

    text: str


@dataclass
class LogsCame(Newest):
    logs: tuple[wire.LogFile, ...]


@dataclass
class TailBegan(Message):
    """The end of a log that lies elsewhere is here."""

    tail: Tail


@dataclass
class SeekCame(Message):
    """What a process that looks through a log has to say."""

    seek: Seek
    news: dict[str, Any]


@dataclass
class ChatsCame(Newest):
    chats: tuple[wire.ChatSession, ...]


@dataclass
class ChatCame(Message):
    chat: wire.Chat


@dataclass
class ChatRenamed(Message):
    chat_id: str
    title: str


@dataclass
class ChatGone(Message):
    """It was deleted."""

    chat_id: str


@dataclass
class UsageCame(Newest):
    usage: dict[str, Any]


@dataclass
class FlightsCame(Newest):
    """The requests that are under way."""

    found: wire.Flights


@dataclass
class RecipesRead(Message):
    """What a pasted text became, or why nothing; `text` is the one that was asked about."""

    text: str
    found: wire.Import | None = None
    problem: str = ""


@dataclass
class RecipesStored(Message):
    """Whether the recipes of a pasted text were stored; why not is told as a failure."""

    done: bool


@dataclass
class PlansCame(Newest):
    """What the launch of each recipe would do."""

    plans: tuple[wire.LaunchPlan, ...]


@dataclass
class RecipeChecked(Message):
    """What is wrong with fields that are not stored; `data` are those that were asked about."""

    data: dict[str, Any]
    problems: list[wire.Finding]


@dataclass
class RecipeStored(Message):
    """Whether it was; where somebody else was faster, the version that is stored now and the lines of what differs."""

    done: bool
    version: int | None = None
    lines: tuple[str, ...] = ()


@dataclass
class ModelsCame(Newest):
    found: wire.ModelFiles


@dataclass
class PeaksCame(Newest):
    """The best figures of each model, as vLLM Studio named them."""

    peaks: tuple[dict[str, Any], ...]
