"""What people want, in the imperative, and the steps on the way there.

Each names its `home`: the module of `studio_tui/wish/` in which a function of its name fulfils it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from studio_core import wire
from studio_core.errors import StudioError
from studio_core.server import Server
from studio_tui.letter import Letter

if TYPE_CHECKING:
    from studio_tui.bridge import Target
    from studio_tui.draft import Clash, Draft, Edited


class Wish(Letter):
    """What a person wants. `studio_tui/wish/` has a module named by `home`, and in it a function named like the wish.

    `changes`: it is more than looking, and is refused in read-only mode.
    """

    home: ClassVar[str] = ""
    changes: ClassVar[bool] = False


class Step(Wish):
    """What came back on the way to a wish: fulfilled in the same way."""


class Displaces(Step):
    """Somebody has to leave for a launch that a person wants; nothing was done."""

    home: ClassVar[str] = "lifecycle"
    name: str
    plan: wire.LaunchPlan


class Switch(Wish):
    """Choose another model."""

    home: ClassVar[str] = "lifecycle"


class Launch(Wish):
    home: ClassVar[str] = "lifecycle"
    changes: ClassVar[bool] = True
    recipe_id: str
    name: str


class Stop(Wish):
    """Stop an instance, or cancel the launch of a recipe that has none yet. Asked before it is done."""

    home: ClassVar[str] = "lifecycle"
    changes: ClassVar[bool] = True
    recipe_id: str
    name: str
    instance_id: str | None = None


class Fix(Wish):
    """Make the change that a failure calls for. Shown as it will be, and asked, before it is stored."""

    home: ClassVar[str] = "lifecycle"
    changes: ClassVar[bool] = True
    recipe_id: str
    name: str
    title: str
    lines: tuple[str, ...]


class StopMany(Wish):
    """Several of them at once, asked once with all their names."""

    home: ClassVar[str] = "lifecycle"
    changes: ClassVar[bool] = True
    stops: tuple[Stop, ...]


class LaunchMany(Wish):
    """Several recipes at once. Asked once, with what becomes of each."""

    home: ClassVar[str] = "group"
    changes: ClassVar[bool] = True
    recipes: tuple[wire.RecipeView, ...]


class ManyPlanned(Step):
    """What the launch of each would do; nothing was done."""

    home: ClassVar[str] = "group"
    recipes: tuple[wire.RecipeView, ...]
    plans: tuple[wire.LaunchPlan, ...]


class Pin(Wish):
    """Above in the list, and nobody's request sends it away."""

    home: ClassVar[str] = "recipe"
    changes: ClassVar[bool] = True
    recipe_ids: tuple[str, ...]
    pin: bool


class Delete(Wish):
    """Recipes by id and name. Asked before it is done."""

    home: ClassVar[str] = "group"
    changes: ClassVar[bool] = True
    recipes: tuple[tuple[str, str], ...]


class ShowCommand(Wish):
    """The exact command and environment of a launch."""

    home: ClassVar[str] = "recipe"
    recipe_id: str
    name: str


class CommandCame(Step):
    home: ClassVar[str] = "recipe"
    name: str
    found: wire.Check


class Attach(Wish):
    """Serve an engine that somebody else started; the name is asked."""

    home: ClassVar[str] = "foreign"
    changes: ClassVar[bool] = True
    engine: wire.Foreign


class Detach(Wish):
    home: ClassVar[str] = "foreign"
    changes: ClassVar[bool] = True
    engine: wire.Foreign


class StopForeign(Wish):
    """End an engine that somebody else started; the person types its name."""

    home: ClassVar[str] = "foreign"
    changes: ClassVar[bool] = True
    engine: wire.Foreign


class OpenLog(Wish):
    """Show this log on the log screen."""

    home: ClassVar[str] = "log"
    log_id: str


class Copy(Wish):
    """Put a text where it can be pasted from; `what` it is, in a few words."""

    home: ClassVar[str] = "copy"
    text: str
    what: str = ""


class CopyQuestion(Wish):
    """A line for a shell that asks the model of a recipe something."""

    home: ClassVar[str] = "copy"
    model: str


class Drive(Wish):
    """Drive another Studio; None is this machine's."""

    home: ClassVar[str] = "server"
    server: Server | None


class EditForm(Wish):
    home: ClassVar[str] = "edit"
    changes: ClassVar[bool] = True
    recipe_id: str


class CopyRecipe(Wish):
    """A form with the same fields and another id."""

    home: ClassVar[str] = "edit"
    changes: ClassVar[bool] = True
    recipe_id: str


class NewRecipe(Wish):
    """An empty form, or one with these fields."""

    home: ClassVar[str] = "edit"
    changes: ClassVar[bool] = True
    fields: tuple[tuple[str, object], ...] = ()


class EditText(Wish):
    """The recipe as YAML in the person's editor."""

    home: ClassVar[str] = "edit"
    changes: ClassVar[bool] = True
    recipe_id: str


class FormReady(Step):
    """A recipe's fields as they are stored, for the form; version None: it is not stored yet."""

    home: ClassVar[str] = "edit"
    raw: dict[str, Any]
    version: int | None


class TextReady(Step):
    """The text lies in its file."""

    home: ClassVar[str] = "edit"
    draft: Draft


class TextWrong(Step):
    """What the editor left cannot be read; it lies in its file as it was written."""

    home: ClassVar[str] = "edit"
    draft: Draft
    error: StudioError


class TextDone(Step):
    """The editor has ended."""

    home: ClassVar[str] = "edit"
    edited: Edited


class TextClashed(Step):
    """Somebody else stored it meanwhile."""

    home: ClassVar[str] = "edit"
    edited: Edited
    clash: Clash


class OpenMenu(Wish):
    """What else can be done with a recipe and its instance, if there is one."""

    home: ClassVar[str] = "more"
    changes: ClassVar[bool] = True
    recipe_id: str
    name: str
    instance: wire.Instance | None = None


class AdaptersCame(Step):
    """An instance's adapters, to unload one."""

    home: ClassVar[str] = "more"
    instance: wire.Instance
    name: str
    adapters: tuple[wire.Adapter, ...]


class OpenRecipe(Wish):
    """Show this recipe in the list."""

    home: ClassVar[str] = "recipe"
    recipe_id: str


class RenameChat(Wish):
    """`target` gets the chats as they are then."""

    home: ClassVar[str] = "talk"
    changes: ClassVar[bool] = True
    target: Target
    chat: wire.ChatSession


class DeleteChat(Wish):
    """Asked before it is done; `target` hears that it is gone."""

    home: ClassVar[str] = "talk"
    changes: ClassVar[bool] = True
    target: Target
    chat: wire.ChatSession


class CancelRequest(Wish):
    """End one that is under way. Asked before it is done; `target` gets those that are left."""

    home: ClassVar[str] = "talk"
    changes: ClassVar[bool] = True
    target: Target
    flight: wire.Flight
