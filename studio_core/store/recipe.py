"""The recipes table: vLLM Studio's, with a version for safe edits."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from studio_core.errors import BadRecipe, NotFound, RecipeChanged
from studio_core.recipes.recipe import Recipe, parse_json
from studio_core.store.kept import Kept
from studio_core.store.store import Store


@dataclass(frozen=True, slots=True)
class StoredRecipe:
    """A row. `recipe` is None when its text cannot be read, and `problem` says why; the row is kept."""

    id: str
    version: int
    recipe: Recipe | None
    problem: str = ""


class RecipeTable:
    """Reads never fail for one bad row; writes check the version that the writer had read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.kept: Kept[dict[str, StoredRecipe]] = Kept(self._all)

    async def _all(self) -> dict[str, StoredRecipe]:
        rows = await self._store.read("SELECT id, data, version FROM recipes ORDER BY id")
        return {row["id"]: _stored(row) for row in rows}

    async def list(self) -> list[StoredRecipe]:
        return [*(await self.kept.value()).values()]

    async def get(self, recipe_id: str) -> StoredRecipe:
        """Raises NotFound."""
        found = (await self.kept.value()).get(recipe_id)
        if found is None:
            raise NotFound(f"no recipe {recipe_id}", "", "see: studio recipes")
        return found

    async def usable(self, recipe_id: str) -> Recipe:
        """Raises NotFound, or BadRecipe for a row that cannot be read."""
        stored = await self.get(recipe_id)
        if stored.recipe is None:
            raise BadRecipe(f"recipe {recipe_id} cannot be read", stored.problem, f"correct it: studio recipes edit {recipe_id}")
        return stored.recipe

    async def put(self, recipe: Recipe, version: int | None = None) -> int:
        """Store it; returns the new version. Raises RecipeChanged when `version` is not the stored one."""

        def work(connection: sqlite3.Connection) -> int:
            row = connection.execute("SELECT version, data FROM recipes WHERE id = ?", (recipe.id,)).fetchone()
            if version is not None and row is not None and row[0] != version:
                raise RecipeChanged(
                    f"recipe {recipe.id} was changed meanwhile", f"stored is version {row[0]}, yours is {version}: {row[1]}",
                    "read it again and repeat your change",
                )
            connection.execute(
                "INSERT INTO recipes (id, data, version) VALUES (?, ?, 1) ON CONFLICT (id) DO UPDATE SET "
                "data = excluded.data, version = version + 1, updated_at = CURRENT_TIMESTAMP",
                (recipe.id, json.dumps(recipe.stored())),
            )
            return int(row[0]) + 1 if row else 1

        return await self._store.write(work, self.kept.written)

    async def delete(self, recipe_id: str) -> None:
        """Raises NotFound."""

        def work(connection: sqlite3.Connection) -> int:
            return connection.execute("DELETE FROM recipes WHERE id = ?", (recipe_id,)).rowcount

        if not await self._store.write(work, self.kept.written):
            raise NotFound(f"no recipe {recipe_id}", "", "see: studio recipes")


def _stored(row: sqlite3.Row) -> StoredRecipe:
    try:
        return StoredRecipe(row["id"], row["version"], parse_json(row["data"]))
    except BadRecipe as error:
        return StoredRecipe(row["id"], row["version"], None, str(error))
