"""Recipes: stored, checked, imported, mended after a failure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from studio_core import wire
from studio_core.client.launch import LaunchCalls
from studio_core.errors import Conflict, NotFound
from studio_core.recipes.patch import merged


class RecipeCalls(LaunchCalls):
    """What is asked about recipes."""

    def recipes(self) -> list[wire.RecipeView]:
        return self._get("/recipes", list[wire.RecipeView])

    def recipe(self, recipe_id: str) -> wire.RecipeView:
        return self._get(f"/recipes/{quote(recipe_id, safe='')}", wire.RecipeView)

    def check(self, recipe_id: str, ask: bool = False) -> wire.Check:
        """What is wrong with a recipe, and its command. `ask` the engine itself: half a minute at worst."""
        path = f"/recipes/{quote(recipe_id, safe='')}/check?ask={str(ask).lower()}"
        return self._send("GET", path, wire.Check, endless=True)

    def check_fields(self, data: Mapping[str, Any], ask: bool = False) -> wire.Check:
        """The same of a recipe that is not stored."""
        return self._send("POST", f"/recipes/check?ask={str(ask).lower()}", wire.Check, data, endless=True)

    def plan(self, recipe_id: str) -> wire.LaunchPlan:
        """What a launch of it would do now; nothing is done."""
        return self._get(f"/recipes/{quote(recipe_id, safe='')}/plan", wire.LaunchPlan)

    def plans(self) -> list[wire.LaunchPlan]:
        return self._get("/plans", list[wire.LaunchPlan])

    def put_recipe(self, data: Mapping[str, Any], version: int | None = None) -> wire.Stored:
        """Store a recipe; with the version that was read, a change made meanwhile is a RecipeChanged error."""
        if version is None:
            return self._send("POST", "/recipes", wire.Stored, data)
        path = f"/recipes/{quote(str(data.get('id', '')), safe='')}"
        return self._send("PUT", path, wire.Stored, {**data, "version": version})

    def shell_line(self, recipe_id: str) -> wire.ShellLine:
        """A recipe as a line for a shell, without its secrets."""
        return self._get(f"/recipes/{quote(recipe_id, safe='')}/shell", wire.ShellLine)

    def read_recipes(self, text: str, kind: str = "") -> wire.Import:
        """A command or another tool's file as recipes; nothing is stored."""
        return self._send("POST", "/recipes/import", wire.Import, {"text": text, "kind": kind})

    def failure(self, recipe_id: str) -> wire.Failure | None:
        """Why the newest start of a recipe failed; None where it did not, or nobody remembers."""
        status = self.status()
        mine = [one for one in status.instances if one.recipe_id == recipe_id]
        if mine:
            return next((one.failure for one in mine if one.failure is not None), None)
        tried = [one for one in status.launches if one.recipe_id == recipe_id]
        return max(tried, key=lambda one: one.created_at).failure if tried else None

    def remedy(self, recipe_id: str) -> wire.Fix:
        """The change that its failure calls for. Raises NotFound."""
        failure = self.failure(recipe_id)
        if failure is None:
            raise NotFound(f"{recipe_id} has not failed", "", f"start it: studio launch {recipe_id}")
        if failure.fix is None:
            raise NotFound(f"no change of the recipe is known against: {failure.title}", failure.detail, failure.hint)
        return failure.fix

    def fix_recipe(self, recipe_id: str, expected: str = "") -> wire.Stored:
        """Make that change, on the recipe as it is stored now.

        Raises:
            NotFound: nothing failed, or no change is known. Conflict: the change is no longer the one `expected` by its title.
        """
        fix, found = self.remedy(recipe_id), self.recipe(recipe_id)
        if expected and fix.title != expected:
            raise Conflict(f"{recipe_id} has failed in another way since", fix.title, "look again")
        return self.put_recipe({**merged(found.recipe, fix.change), "id": found.id}, found.version)

    def delete_recipe(self, recipe_id: str) -> None:
        self._send("DELETE", f"/recipes/{quote(recipe_id, safe='')}", Any)

    def take_over(self, path: Path) -> wire.Takeover:
        """Take over vLLM Studio's database at `path` on the server; it stays as it is."""
        return self._send("POST", "/import/vllm-studio", wire.Takeover, {"path": str(path)}, endless=True)
