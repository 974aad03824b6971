"""What an import gives: plain data of a recipe, and what a person should know of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio_core.errors import BadRecipe, StudioError
from studio_core.recipes.recipe import Recipe, parse

# Gives the text of a file, or None where it may not or cannot be read. Who imports for others hands in one that reads nothing.
Files = Callable[[Path], str | None]
FILE_LIMIT = 1024 * 1024


@dataclass(slots=True)
class Found:
    """A recipe on its way: `data` as `recipes.parse` takes it, `notes` on what it cannot say, `unknown` flags."""

    data: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def recipe(self) -> Recipe:
        """Raises BadRecipe."""
        return parse(self.data)


@dataclass(slots=True)
class Harvest:
    """All that one import found; `notes` belong to no single recipe."""

    recipes: list[Found] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """One entry of a file: where it cannot become a recipe, the others still do."""
        try:
            yield
        except StudioError as error:
            self.notes.append(f"{name}: no recipe was made: {error.line()}")

    def distinct(self) -> Harvest:
        """With an id of its own for each recipe."""
        taken: set[str] = set()
        for one in self.recipes:
            first = ident = str(one.data["id"])
            number = 2
            while ident in taken:
                ident, number = f"{first[:96]}-{number}", number + 1
            taken.add(ident)
            one.data["id"] = ident
        return self

    def insist(self) -> Harvest:
        """Raises BadRecipe with the notes where nothing was found."""
        if not self.recipes:
            raise BadRecipe("nothing could be imported", "; ".join(self.notes[:5]), "paste the command that starts the engine")
        return self


def nothing(_: Path) -> str | None:
    """Files of somebody who may read none."""
    return None


def local(path: Path) -> str | None:
    """Files of this machine, as the user may read them."""
    try:
        return path.read_text(encoding="utf-8") if path.stat().st_size <= FILE_LIMIT else None
    except (OSError, UnicodeDecodeError):
        return None
