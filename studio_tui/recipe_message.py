"""What travels when recipes are made and changed, and about the models of the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from textual.message import Message

from studio_core import wire
from studio_core.errors import StudioError
from studio_tui.message import Newest, Step, Wish

if TYPE_CHECKING:
    from studio_tui.draft import Clash, Draft, Edited


@dataclass
class EditForm(Wish):
    home: ClassVar[str] = "edit"
    changes: ClassVar[bool] = True
    recipe_id: str


@dataclass
class CopyRecipe(Wish):
    """A form with the same fields and another id."""

    home: ClassVar[str] = "edit"
    changes: ClassVar[bool] = True
    recipe_id: str


@dataclass
class NewRecipe(Wish):
    """An empty form, or one with these fields."""

    home: ClassVar[str] = "edit"
    changes: ClassVar[bool] = True
    fields: tuple[tuple[str, object], ...] = ()


@dataclass
class EditText(Wish):
    """The recipe as YAML in the person's editor."""

    home: ClassVar[str] = "edit"
    changes: ClassVar[bool] = True
    recipe_id: str


@dataclass
class FormReady(Step):
    """A recipe's fields as they are stored, for the form; version None: it is not stored yet."""

    home: ClassVar[str] = "edit"
    raw: dict[str, Any]
    version: int | None


@dataclass
class TextReady(Step):
    """The text lies in its file."""

    home: ClassVar[str] = "edit"
    draft: Draft


@dataclass
class TextWrong(Step):
    """What the editor left cannot be read; it lies in its file as it was written."""

    home: ClassVar[str] = "edit"
    draft: Draft
    error: StudioError


@dataclass
class TextDone(Step):
    """The editor has ended."""

    home: ClassVar[str] = "edit"
    edited: Edited


@dataclass
class TextClashed(Step):
    """Somebody else stored it meanwhile."""

    home: ClassVar[str] = "edit"
    edited: Edited
    clash: Clash


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
class OpenMenu(Wish):
    """What else can be done with a recipe and its instance, if there is one."""

    home: ClassVar[str] = "more"
    changes: ClassVar[bool] = True
    recipe_id: str
    name: str
    instance: wire.Instance | None = None


@dataclass
class AdaptersCame(Step):
    """An instance's adapters, to unload one."""

    home: ClassVar[str] = "more"
    instance: wire.Instance
    name: str
    adapters: tuple[wire.Adapter, ...]


@dataclass
class OpenRecipe(Wish):
    """Show this recipe in the list."""

    home: ClassVar[str] = "recipe"
    recipe_id: str


@dataclass
class ModelsCame(Newest):
    found: wire.ModelFiles


@dataclass
class PeaksCame(Newest):
    """The best figures of each model, as vLLM Studio named them."""

    peaks: tuple[dict[str, Any], ...]
