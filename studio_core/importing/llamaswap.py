"""llama-swap's config.yaml: macros, models, groups (its config.example.yaml of 2026 is the measure)."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Mapping
from typing import Any

from studio_core.errors import BadInput, BadRecipe
from studio_core.importing import line
from studio_core.importing.command import slug
from studio_core.importing.container import keep
from studio_core.importing.found import Files, Found, Harvest
from studio_core.importing.secret import variable
from studio_core.recipes.filters import ROUTING
from studio_core.recipes.recipe import ID_PATTERN
from studio_core.recipes.text import plain

_MACRO = re.compile(r"\$\{([A-Za-z0-9_.-]+)\}")
# Enough for every macro in a macro that can be declared before it; a loop ends here.
DEPTH = 64
# The port is Studio's to choose: the stand-in is what a shell variable looks like.
_PORT = "$PORT"
# Keys of a model that have no meaning here.
_BEYOND = ("metadata", "useModelName", "checkEndpoint", "timeouts", "sendLoadingState")


def harvest(text: str, files: Files) -> Harvest:
    """A recipe for each model whose command starts an engine that is known here; of the others a note says why not.

    Raises:
        BadInput: it is no such file.
    """
    data = plain(text)
    models = data.get("models") if isinstance(data, Mapping) else None
    if not isinstance(models, Mapping):
        raise BadInput("this is not llama-swap's configuration", "it has no models", "give its config.yaml")
    found = Harvest()
    for name, model in models.items():
        with found.attempt(str(name)):
            found.recipes += _model(str(name), model if isinstance(model, Mapping) else {}, data, files)
    _groups(data, found)
    _globals(data, found)
    return found


def _model(name: str, model: Mapping[str, Any], data: Mapping[str, Any], files: Files) -> list[Found]:
    macros = {**_macros(data), **_macros(model), "MODEL_ID": name, "PORT": _PORT}
    command = _lines(expanded(str(model.get("cmd", "")), macros))
    env = [expanded(str(pair), macros) for pair in model.get("env") or ()]
    prefix = [f"{key}={shlex.quote(value)}" for key, _, value in (one.partition("=") for one in env)]
    made = line.harvest(" ".join((*prefix, command)), files)
    for one in made.recipes:
        _named(one, name, model)
        _life(one, model, data, macros)
        _filters(one, model, macros)
        for key in _BEYOND:
            if model.get(key):
                keep(one, f"llama-swap {key}: {expanded(json.dumps(model[key], default=str), macros)}")
        one.recipe()
    return made.recipes


def _macros(data: Mapping[str, Any]) -> dict[str, str]:
    given = data.get("macros")
    if isinstance(given, list):
        given = {key: value for one in given if isinstance(one, Mapping) for key, value in one.items()}
    return {str(name): _plain(value) for name, value in given.items()} if isinstance(given, Mapping) else {}


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def expanded(text: str, macros: Mapping[str, str]) -> str:
    """With every macro put in, also those in macros. Raises BadRecipe for a macro that is not declared.

    `${env.NAME}` is taken from this process's environment, as llama-swap does; of a secret only the reference stays.
    """
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name == "PID":
            return match[0]
        if name.startswith("env."):
            plain = name.removeprefix("env.")
            return os.environ.get(plain, f"${plain}") if not variable(plain) else f"${plain}"
        if name not in macros:
            raise BadRecipe(f"the macro ${{{name}}} is not declared", "", "declare it in the file, then import again")
        return macros[name]

    for _ in range(DEPTH):
        again = _MACRO.sub(value, text)
        if again == text:
            return text
        text = again
    raise BadRecipe("the macros contain each other", "", "correct them in the file")


def _lines(command: str) -> str:
    """A command over several lines is one; lines of comment and backslashes at their ends do not count."""
    lines = (one.strip() for one in command.splitlines())
    return " ".join(one.removesuffix("\\").strip() for one in lines if one and not one.startswith("#"))


def _named(one: Found, name: str, model: Mapping[str, Any]) -> None:
    """Clients ask by llama-swap's name, so that is the recipe's; what the engine itself was called is no alias there."""
    one.data.pop("served_model_name", None)
    one.data.pop("aliases", None)
    if ID_PATTERN.match(name):
        one.data["id"] = name
    else:
        one.data |= {"id": slug(name), "served_model_name": name}
    ids = [alias.get("id") if isinstance(alias, Mapping) else alias for alias in model.get("aliases") or ()]
    if aliases := [str(alias) for alias in ids if alias]:
        one.data["aliases"] = aliases
    one.data |= {key: str(model[key]) for key in ("name", "description") if model.get(key)}


def _life(one: Found, model: Mapping[str, Any], data: Mapping[str, Any], macros: Mapping[str, str]) -> None:
    ttl = model.get("ttl", -1)
    ttl = data.get("globalTTL", 0) if ttl == -1 else ttl
    if isinstance(ttl, int | float) and ttl > 0:
        one.data["idle_ttl_s"] = float(ttl)
    if stop := model.get("cmdStop"):
        _stop(one, expanded(str(stop), macros))
    if model.get("unlisted"):
        one.data["tags"] = [*one.data.get("tags", ()), "unlisted"]
        one.note("unlisted: Studio lists every recipe, the tag says that llama-swap did not")
    if limit := model.get("concurrencyLimit"):
        keep(one, f"llama-swap concurrencyLimit: {limit}")


def _stop(one: Found, command: str) -> None:
    """What ends it in place of SIGTERM; a container is its runtime's to stop."""
    words = [word.replace("${PID}", "{pid}").replace(_PORT, "{port}") for word in shlex.split(command)]
    if "runtime" in one.data or not words:
        keep(one, f"llama-swap cmdStop: {command}")
    else:
        one.data["stop_command"] = words


def _filters(one: Found, model: Mapping[str, Any], macros: Mapping[str, str]) -> None:
    """What it changes in requests, Studio's gateway changes too; by what that finds its way it is not changed."""
    given = model.get("filters")
    given = dict(given) if isinstance(given, Mapping) else {}
    words = str(given.pop("stripParams", given.pop("strip_params", "")) or "").split(",")
    values = given.pop("setParams", None)
    filters = {
        "strip": [word.strip() for word in words if word.strip() and word.strip() not in ROUTING],
        "set": {str(name): value for name, value in values.items() if name not in ROUTING} if isinstance(values, Mapping) else {},
    }
    filters["strip"] = [name for name in filters["strip"] if name not in filters["set"]]
    if kept := {name: value for name, value in filters.items() if value}:
        one.data["filters"] = kept
    if given:
        keep(one, f"llama-swap filters: {expanded(json.dumps(given, default=str), macros)}")


def _groups(data: Mapping[str, Any], found: Harvest) -> None:
    """Which models may run together is no recipe's matter: each says in its tags and notes what it was part of."""
    groups = data.get("groups")
    for name, group in groups.items() if isinstance(groups, Mapping) else ():
        group = group if isinstance(group, Mapping) else {}
        meaning = "; ".join((
            "one of its members at a time" if group.get("swap", True) else "its members run together",
            "loading one unloads other groups" if group.get("exclusive", True) else "other groups stay",
            *(["other groups do not unload it"] if group.get("persistent") else []),
        ))
        for one in found.recipes:
            if one.data.get("served_model_name", one.data["id"]) in map(str, group.get("members") or ()):
                one.data["tags"] = [*one.data.get("tags", ()), f"group:{name}"]
                keep(one, f"llama-swap group {name}: {meaning}")
                if group.get("persistent"):
                    one.data["pin"] = True


def _globals(data: Mapping[str, Any], found: Harvest) -> None:
    what = {
        "matrix": "which models may run together", "apiKeys": "secrets are never taken over, clients use Studio's keys",
        "peers": "models of other servers", "hooks": "what is loaded at its start", "profiles": "sets of models",
        "selectors": "names by rule",
    }
    found.notes += [f"{key}: {says}; not imported" for key, says in what.items() if data.get(key)]
