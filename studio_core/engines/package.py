"""What the engines that are Python packages have in common: where they are, what they take, what can be wrong with a recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio_core.engines import catalog, folder, inquiry, machine, parser, registration, runtime, thinking, unheard, variable
from studio_core.engines.argument import Option, kept
from studio_core.engines.catalog import Catalog
from studio_core.engines.field import Field, named
from studio_core.engines.parser import Choices
from studio_core.engines.problem import Problem, examine, examine_own
from studio_core.engines.runtime import Program
from studio_core.errors import BadRecipe
from studio_core.recipes.recipe import Recipe
from studio_core.settings import Settings

DOUBT_S = 20.0
Own = Callable[[Choices], Sequence[Option]]


@dataclass(frozen=True, slots=True)
class Package:
    """`script` serves with its first argument `serve`, `module` without it; `image` are the words inside a container."""

    engine: str
    title: str
    module: str
    image: tuple[str, ...]
    hint: str
    owned: Mapping[str, str]
    fields: tuple[Field, ...]

    def program(self, recipe: Recipe, settings: Settings) -> Program:
        """How it is started for this recipe.

        Raises:
            BadRecipe: it is nowhere, or not where the recipe says.
        """
        if runtime.contained(recipe):
            return Program(self.image, origin="the image")
        named = runtime.binary(recipe)
        if named is not None:
            path = runtime.found(named, "binary", settings)
            return Program((str(path), "serve"), runtime.behind(path), origin="the recipe's binary")
        known = runtime.interpreter(recipe, self.engine, settings)
        if known is not None:
            python, origin = known
            script = runtime.sibling(python, self.engine)
            argv = (str(script), "serve") if script else (str(python), "-m", self.module)
            return Program(argv, python, module=script is None, origin=origin)
        on_path = runtime.on_path(self.engine, settings)
        if on_path is None:
            where = "neither in recipe and settings, nor a managed one, nor on PATH"
            raise BadRecipe(f"no {self.title} was found", where, self.hint)
        path = Path(on_path)
        return Program((on_path, "serve"), runtime.behind(path), origin=runtime.whence(path, settings))

    def flags(self, found: Program, ask: bool = False) -> Catalog:
        """What the installed one takes: as it was last asked, asked now, or else the shipped table of a known version."""
        if found.python is not None:
            known = inquiry.package(found.python, self.engine) if ask else inquiry.kept(found.python, self.engine)
            if known is not None:
                return known
        return catalog.shipped(self.engine)

    def settled(self, recipe: Recipe, problems: Callable[[], Iterable[Problem]], settings: Settings) -> list[Problem]:
        """The problems before a launch. Where only a shipped table speaks against the recipe, the engine itself is asked.

        That takes as long as importing it, at most DOUBT_S, and once per version; who has no doubts waits for nothing.
        """
        found = list(problems())
        if any(one.doubtful for one in found) and not runtime.contained(recipe):
            python = self.program(recipe, settings).python
            if python is not None and inquiry.learn(python, self.engine, DOUBT_S):
                return list(problems())
        return found

    def parsers(self, recipe: Recipe, found: Program, taken: Catalog) -> Choices:
        """The recipe's own, else those of the model's family that the installed engine has."""
        return parser.of_recipe(recipe, self.engine, registration.known(self.engine, found.python, taken))

    def problems(self, recipe: Recipe, find: Callable[[], Program], ask: bool, own: Own) -> Iterator[Problem]:
        """Program, model, machine and every flag, those that `own` makes of the recipe's fields too."""
        try:
            found = find()
            taken = self.flags(found, ask)
        except BadRecipe as error:
            yield Problem("runtime", str(error), error.hint)
            return
        if not runtime.contained(recipe):
            yield from folder.problems(recipe.model_path)
        yield from machine.problems(recipe)
        yield from thinking.problems(recipe, taken)
        yield from unheard.problems(recipe, self.engine, self.title)
        yield from variable.problems(recipe, taken)
        yield from examine(recipe.extra_args, taken, self.owned)
        choices = self.parsers(recipe, found, taken)
        yield from parser.wishes(choices)
        options = own(choices)
        yield from examine_own(kept(options, recipe.extra_args, taken), taken, named(self.fields))
        yield from parser.problems(recipe, self.engine, registration.known(self.engine, found.python, taken))
