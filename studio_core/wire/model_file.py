"""Model files of the machine."""

from __future__ import annotations

from studio_core.wire.model import Model


class ModelFile(Model):
    """One model of GET /v1/studio/models. `path` is what a recipe names: a folder, a file, or an id of the hub's cache."""

    name: str
    path: str
    size_bytes: int = 0
    modified_at: float = 0.0
    architecture: str | None = None
    context_length: int | None = None
    quantization: str | None = None
    recipe_ids: list[str] = []
    has_recipe: bool = False


class ModelRoot(Model):
    """A folder that was searched."""

    path: str
    exists: bool = False
    sources: list[str] = []
    recipe_ids: list[str] = []


class ModelFiles(Model):
    """GET /v1/studio/models."""

    models: list[ModelFile] = []
    roots: list[ModelRoot] = []
    configured_models_dir: str = ""
