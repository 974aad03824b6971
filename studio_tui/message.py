"""What travels from bridge to app and screens: facts, in the past tense. What people want is in `wanted.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.message import Message

from studio_core import wire
from studio_core.errors import StudioError
from studio_tui.letter import Letter
from studio_tui.view import Link

if TYPE_CHECKING:
    from studio_tui.seek import Seek
    from studio_tui.stream import Tail


class Newest(Letter):
    """Of these only the newest matters: one that still waits is replaced."""

    def can_replace(self, message: Message) -> bool:
        return type(message) is type(self)


class LinkChanged(Newest):
    link: Link


class StatusCame(Newest):
    status: wire.Status


class GpusCame(Newest):
    gpus: wire.Gpus


class MetricsCame(Newest):
    metrics: wire.Metrics


class SamplesCame(Newest):
    samples: wire.Samples


class RecipesCame(Newest):
    recipes: tuple[wire.RecipeView, ...]


class Failed(Letter):
    """Something that a person wanted did not work."""

    error: StudioError


class Said(Letter):
    """A fact to show for a moment."""

    text: str


class LogsCame(Newest):
    logs: tuple[wire.LogFile, ...]


class TailBegan(Letter):
    """The end of a log that lies elsewhere is here."""

    tail: Tail


class SeekCame(Letter):
    """What a process that looks through a log has to say."""

    seek: Seek
    news: dict[str, Any]


class ChatsCame(Newest):
    chats: tuple[wire.ChatSession, ...]


class ChatCame(Letter):
    chat: wire.Chat


class ChatRenamed(Letter):
    chat_id: str
    title: str


class ChatGone(Letter):
    """It was deleted."""

    chat_id: str


class UsageCame(Newest):
    usage: dict[str, Any]


class FlightsCame(Newest):
    """The requests that are under way."""

    found: wire.Flights


class RecipesRead(Letter):
    """What a pasted text became, or why nothing; `text` is the one that was asked about."""

    text: str
    found: wire.Import | None = None
    problem: str = ""


class RecipesStored(Letter):
    """Whether the recipes of a pasted text were stored; why not is told as a failure."""

    done: bool


class PlansCame(Newest):
    """What the launch of each recipe would do."""

    plans: tuple[wire.LaunchPlan, ...]


class RecipeChecked(Letter):
    """What is wrong with fields that are not stored; `data` are those that were asked about."""

    data: dict[str, Any]
    problems: list[wire.Finding]


class RecipeStored(Letter):
    """Whether it was; where somebody else was faster, the version that is stored now and the lines of what differs."""

    done: bool
    version: int | None = None
    lines: tuple[str, ...] = ()


class ModelsCame(Newest):
    found: wire.ModelFiles


class PeaksCame(Newest):
    """The best figures of each model, as vLLM Studio named them."""

    peaks: tuple[dict[str, Any], ...]
