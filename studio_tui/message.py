"""What travels between bridge, app and screens: facts in the past tense, wishes in the imperative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from textual.message import Message

from studio_core import wire
from studio_core.errors import StudioError
from studio_core.server import Server
from studio_tui.view import Link

if TYPE_CHECKING:
    from studio_tui.seek import Seek
    from studio_tui.stream import Tail


class Wish(Message):
    """What a person wants. `studio_tui/wish/` has a module named by `home`, and in it a function named like the wish.

    `changes`: it is more than looking, and is refused in read-only mode.
    """

    home: ClassVar[str] = ""
    changes: ClassVar[bool] = False


class Step(Wish):
    """What came back on the way to a wish: fulfilled in the same way."""


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
class UsageCame(Newest):
    usage: dict[str, Any]


@dataclass
class ConfigCame(Newest):
    config: dict[str, Any]


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
class Displaces(Step):
    """Somebody has to leave for a launch that a person wants; nothing was done."""

    home: ClassVar[str] = "lifecycle"
    name: str
    plan: wire.LaunchPlan


@dataclass
class Switch(Wish):
    """Choose another model."""

    home: ClassVar[str] = "lifecycle"


@dataclass
class Launch(Wish):
    home: ClassVar[str] = "lifecycle"
    changes: ClassVar[bool] = True
    recipe_id: str
    name: str


@dataclass
class Stop(Wish):
    """Stop an instance, or cancel the launch of a recipe that has none yet. Asked before it is done."""

    home: ClassVar[str] = "lifecycle"
    changes: ClassVar[bool] = True
    recipe_id: str
    name: str
    instance_id: str | None = None


@dataclass
class Fix(Wish):
    """Make the change that a failure calls for. Shown as it will be, and asked, before it is stored."""

    home: ClassVar[str] = "lifecycle"
    changes: ClassVar[bool] = True
    recipe_id: str
    name: str
    title: str
    lines: tuple[str, ...]


@dataclass
class StopMany(Wish):
    """Several of them at once, asked once with all their names."""

    home: ClassVar[str] = "lifecycle"
    changes: ClassVar[bool] = True
    stops: tuple[Stop, ...]


@dataclass
class LaunchMany(Wish):
    """Several recipes at once. Asked once, with what becomes of each."""

    home: ClassVar[str] = "group"
    changes: ClassVar[bool] = True
    recipes: tuple[wire.RecipeView, ...]


@dataclass
class ManyPlanned(Step):
    """What the launch of each would do; nothing was done."""

    home: ClassVar[str] = "group"
    recipes: tuple[wire.RecipeView, ...]
    plans: tuple[wire.LaunchPlan, ...]


@dataclass
class Pin(Wish):
    """Above in the list, and nobody's request sends it away."""

    home: ClassVar[str] = "recipe"
    changes: ClassVar[bool] = True
    recipe_ids: tuple[str, ...]
    pin: bool


@dataclass
class Delete(Wish):
    """Recipes by id and name. Asked before it is done."""

    home: ClassVar[str] = "group"
    changes: ClassVar[bool] = True
    recipes: tuple[tuple[str, str], ...]


@dataclass
class ShowCommand(Wish):
    """The exact command and environment of a launch."""

    home: ClassVar[str] = "recipe"
    recipe_id: str
    name: str


@dataclass
class CommandCame(Step):
    home: ClassVar[str] = "recipe"
    name: str
    found: wire.Check


@dataclass
class Attach(Wish):
    """Serve an engine that somebody else started; the name is asked."""

    home: ClassVar[str] = "foreign"
    changes: ClassVar[bool] = True
    engine: wire.Foreign


@dataclass
class Detach(Wish):
    home: ClassVar[str] = "foreign"
    changes: ClassVar[bool] = True
    engine: wire.Foreign


@dataclass
class StopForeign(Wish):
    """End an engine that somebody else started; the person types its name."""

    home: ClassVar[str] = "foreign"
    changes: ClassVar[bool] = True
    engine: wire.Foreign


@dataclass
class OpenLog(Wish):
    """Show this log on the log screen."""

    home: ClassVar[str] = "log"
    log_id: str


@dataclass
class Copy(Wish):
    """Put a text where it can be pasted from; `what` it is, in a few words."""

    home: ClassVar[str] = "copy"
    text: str
    what: str = ""


@dataclass
class Drive(Wish):
    """Drive another Studio; None is this machine's."""

    home: ClassVar[str] = "server"
    server: Server | None
