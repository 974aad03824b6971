"""Recipes out of a pasted command or a script of them."""

from __future__ import annotations

from studio_core.errors import BadRecipe, StudioError
from studio_core.importing import container
from studio_core.importing.command import marked, recipe_of
from studio_core.importing.found import Files, Found, Harvest
from studio_core.importing.program import recognise
from studio_core.importing.wrapper import Invocation, invocations

TEXT_LIMIT = 256 * 1024


def harvest(text: str, files: Files) -> Harvest:
    """Every engine that a shell text starts.

    Raises:
        BadRecipe: it starts none that is known here, or the only one cannot be a recipe.
    """
    if len(text) > TEXT_LIMIT:
        raise BadRecipe("the text is too long for a command", f"{len(text)} characters", f"at most {TEXT_LIMIT}")
    found, failures, others = Harvest(), list[StudioError](), list[str]()
    for one in invocations(text):
        try:
            made = engine_of(one, files)
        except StudioError as error:
            failures.append(error)
            continue
        if made is not None:
            found.recipes.append(made)
        elif one.argv:
            others.append(one.argv[0].rpartition("/")[2][:40])
    if not found.recipes and failures:
        raise failures[0]
    if not found.recipes:
        detail = f"it runs {', '.join(others[:5])}" if others else "it is empty"
        known = ", ".join(("vllm serve", "sglang serve", "llama-server", "TabbyAPI's main.py", "docker run"))
        raise BadRecipe("the command starts no engine that Studio knows", detail, f"paste a line with {known}")
    found.notes += [error.line() for error in failures]
    if others:
        found.notes.append(f"beside the engine, left out: {', '.join(dict.fromkeys(others))}")
    return found


def engine_of(one: Invocation, files: Files) -> Found | None:
    """The recipe of one program; None where it is no engine."""
    if container.runs(one):
        return marked(one, container.recipe_of(one, files))
    program = recognise(one)
    return marked(one, recipe_of(program, one, files)) if program is not None else None


