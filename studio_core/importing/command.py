"""A command that starts an engine as a recipe: its fields, its flags, its environment, and what it could not say."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from studio_core.engines.reading import Reading
from studio_core.errors import BadRecipe
from studio_core.importing import config, secret
from studio_core.importing.field import DROPPED, FIELDS, MODEL, NAMES, OURS
from studio_core.importing.found import Files, Found
from studio_core.importing.program import Program
from studio_core.importing.spelling import normal, of_environment
from studio_core.importing.words import catalog_of, reading, said
from studio_core.importing.wrapper import Invocation, within
from studio_core.recipes.recipe import ID_PATTERN, Recipe, parse

# A line that Studio wrote has what no flag says in a comment of this form.
MARK = "studio:"
_GPU = re.compile(r"(?:\d+|(?:GPU|MIG)-[0-9A-Za-z/-]+)\Z")
_NO_PORT = re.compile(r"\$\{?[A-Za-z_]")


def recipe_of(program: Program, one: Invocation, files: Files) -> Found:
    """The recipe of an engine's command.

    Raises:
        BadRecipe: it names no model, or a value that no recipe can have.
    """
    engine = program.engine
    found = Found({"backend": engine, **program.fields}, list(one.notes))
    catalog = catalog_of(engine)
    early, env = of_environment(one.env, catalog)
    given = reading(engine, [*early, *normal(engine, program.words, catalog)])
    config.merge(engine, given, one.cwd, files, found)
    found.unknown = list(dict.fromkeys(given.unknown))
    for name in found.unknown:
        found.note(f"{name} is no flag of {catalog.label or engine}: kept in extra_args")
    values = dict(given.values)
    _model(engine, given, values, one.cwd, found)
    _names(engine, values, found)
    _dropped(engine, values, found)
    _fields(engine, values, found)
    if engine == "llamacpp" and one.cwd:
        # Files of its own; what vLLM is given may be a hub id.
        for each in found.data.get("lora_adapters", ()):
            each["path"] = within(one.cwd, each["path"])
    _environment(env, found)
    found.data["extra_args"] = values
    exact(engine, found, frozenset(given.values))
    found.recipe()
    return found


def _model(engine: str, given: Reading, values: dict[str, Any], cwd: str, found: Found) -> None:
    named = next((name for name in MODEL[engine] if isinstance(values.get(name), str)), None)
    if named is not None:
        model = str(values.pop(named))
    elif given.words and engine in ("vllm", "sglang"):
        model = given.words.pop(0)
    else:
        raise BadRecipe(f"the {engine} command names no model", "", f"add it: {_HOW[engine]}")
    if engine == "tabbyapi":
        model = f"{str(values.pop('model_dir', 'models')).rstrip('/')}/{model}"
    for word in given.words:
        # What follows an assignment may be a secret.
        found.note(f"{word.partition('=')[0][:80]!r} belongs to no flag and is left out")
    found.data["model_path"] = placed(model, cwd, found, folder=engine == "tabbyapi" or model.endswith(".gguf"))
    if named in ("model_url", "docker_repo"):
        found.note("download the model first and write its file into model_path: Studio starts local files and hub ids")


_HOW = {"vllm": "vllm serve MODEL", "sglang": "--model-path MODEL", "llamacpp": "-m FILE or -hf NAMESPACE/NAME",
        "tabbyapi": "--model-name NAME, or start it in its folder", "mlx": "--model MODEL"}


def placed(model: str, cwd: str, found: Found, folder: bool) -> str:
    """A path as seen from where the command ran; a hub id as it is. `folder`: a relative path is meant in any case."""
    if model.startswith(("/", "~", "$")) or "://" in model:
        return model
    if not folder and not model.startswith(("./", "../")):
        return model
    if not cwd:
        found.note(f"{model} is relative to a folder that the command does not name: write the whole path into model_path")
    return within(cwd, model)


def _names(engine: str, values: dict[str, Any], found: Found) -> None:
    """Names for clients. One that can be an id is the id: a recipe is asked for by it."""
    given = values.pop(NAMES.get(engine, ""), None)
    names = [str(name) for name in (given if isinstance(given, list) else [given] if given else [])]
    served = names[0] if names else ""
    if ID_PATTERN.match(served):
        found.data["id"] = served
    else:
        found.data["id"] = slug(served or found.data["model_path"])
        found.data |= {"served_model_name": served} if served else {}
    if others := [name for name in names[1:] if name not in (served, found.data["id"])]:
        found.data["aliases"] = others


def slug(text: str) -> str:
    """An id made of a path or a hub id: its last part, of a file without the ending."""
    last = text.rstrip("/").rpartition("/")[2].removesuffix(".gguf")
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-._")[:100]
    return plain or "model"


def _dropped(engine: str, values: dict[str, Any], found: Found) -> None:
    dropped = DROPPED[engine]
    if _NO_PORT.match(str(values.get("port", ""))):
        del values["port"]
    for name in list(values):
        if name in ("port", "max_seq_len"):
            continue
        bare = name.lstrip("-").replace("-", "_")
        shown = f"--{bare.replace('_', '-')}"
        if secret.flag(name):
            found.note(f"{shown} is left out: secrets are never stored with a recipe. {dropped.get(bare, _TOKEN)}")
        elif bare in dropped:
            found.note(f"{shown} is left out: {dropped[bare]}")
        else:
            continue
        del values[name]


_TOKEN = "Give it to the controller's environment, or to the setting engine_env"


def _fields(engine: str, values: dict[str, Any], found: Found) -> None:
    for name in [name for name in values if name in FIELDS[engine]]:
        field, convert = FIELDS[engine][name]
        try:
            value = convert(values[name])
        except (TypeError, ValueError, OverflowError):
            # What no field can hold stays an argument, which wins over the field.
            continue
        # Two flags may fill one list, in the order in which they were given.
        found.data[field] = [*found.data.get(field, []), *value] if isinstance(value, list) else value
        del values[name]


def _environment(env: Mapping[str, str], found: Found) -> None:
    kept = {}
    for name, value in env.items():
        if secret.variable(name):
            found.note(f"{name} is left out: secrets are never stored with a recipe. {_TOKEN}")
        elif name == "CUDA_VISIBLE_DEVICES" and value and all(_GPU.match(one.strip()) for one in value.split(",")):
            found.data["gpus"] = [one.strip() for one in value.split(",")]
        else:
            kept[name] = value
    if any(one.isdigit() for one in found.data.get("gpus", ())) and kept.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID") == "PCI_BUS_ID":
        if "CUDA_DEVICE_ORDER" not in kept:
            found.note("GPU numbers count in the order of the PCI bus here, as nvidia-smi counts; CUDA's own order may differ")
        kept.pop("CUDA_DEVICE_ORDER", None)
    if kept:
        found.data["env_vars"] = kept


def exact(engine: str, found: Found, given: frozenset[str]) -> None:
    """Make the builder write what the command had, no more: what it would add is null, what it writes anyway is no extra."""
    if engine == "mlx":
        return
    extra = found.data["extra_args"]
    built = said(engine, parse({**found.data, "extra_args": {}}))
    for name, value in built.items():
        if name in extra and extra[name] == value:
            del extra[name]
        elif name not in given and name not in OURS[engine]:
            extra[name] = None
    unsaid = ", ".join(name for name, value in extra.items() if value is None)
    if unsaid:
        found.note(f"left to the engine, as in the command: {unsaid} (null in extra_args; remove it to use the field)")


def marked(one: Invocation, found: Found) -> Found:
    """With what Studio wrote beside a line of its own. Raises BadRecipe where somebody changed that for the worse."""
    for text in one.comments:
        if text.startswith(MARK):
            try:
                told = json.loads(text.removeprefix(MARK))
            except (ValueError, RecursionError):
                continue
            if isinstance(told, dict):
                found.data.update({name: value for name, value in told.items() if name in Recipe.model_fields})
    found.recipe()
    return found
