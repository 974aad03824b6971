"""LiteLLM's config.yaml. It routes to engines that somebody else starts, so it has names and addresses, no commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from studio_core.errors import BadInput
from studio_core.importing.command import slug
from studio_core.importing.found import Files, Found, Harvest
from studio_core.recipes.recipe import ID_PATTERN
from studio_core.recipes.text import plain

LOCAL = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "host.docker.internal"})
# Fields of OpenAI's requests, and those that engines have beside them.
SAMPLING = frozenset({
    "temperature", "top_p", "top_k", "min_p", "max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty",
    "repetition_penalty", "seed", "stop", "logit_bias", "logprobs", "top_logprobs", "response_format", "reasoning_effort",
    "chat_template_kwargs",
})
# Providers of LiteLLM's that name an engine on this machine → backend.
ENGINES = {"hosted_vllm": "vllm", "vllm": "vllm", "llamafile": "llamacpp", "lm_studio": "llamacpp"}


def harvest(text: str, _: Files) -> Harvest:
    """A recipe for each model that LiteLLM runs by its name on an engine of this machine.

    Raises:
        BadInput: it is no such file.
    """
    data = plain(text)
    listed = data.get("model_list") if isinstance(data, Mapping) else None
    if not isinstance(listed, list):
        raise BadInput("this is not LiteLLM's configuration", "it has no model_list", "give its config.yaml")
    found = Harvest()
    for entry in listed:
        if isinstance(entry, Mapping):
            _entry(entry, found)
    _aliases(data, found)
    return found


def _entry(entry: Mapping[str, Any], found: Harvest) -> None:
    name = str(entry.get("model_name", ""))
    told = entry.get("litellm_params")
    params: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    provider, _, model = str(params.get("model", "")).partition("/")
    base = str(params.get("api_base") or params.get("base_url") or "")
    host = urlsplit(base).hostname or ""
    if "*" in name:
        found.notes.append(f"{name}: a wildcard names no model")
    elif host not in LOCAL:
        where = host or "a provider outside this machine"
        found.notes.append(f"{name}: it is served by {where}; Studio starts engines here, nothing is imported")
    elif provider not in ENGINES or not model:
        found.notes.append(f"{name}: LiteLLM knows only the address {base}, not what is started there; "
                           "import the command that starts that engine, then give it the alias " + name)
    else:
        _recipe(name, provider, model, params, found)


def _recipe(name: str, provider: str, model: str, params: Mapping[str, Any], found: Harvest) -> None:
    """Several entries with one name are one model behind several addresses."""
    ident = name if ID_PATTERN.match(name) else slug(name)
    if any(one.data["id"] == ident for one in found.recipes):
        found.notes.append(f"{name}: stands in the list more than once; one recipe was made")
        return
    one = Found({"id": ident, "model_path": model, "backend": ENGINES[provider]})
    if ident != name:
        one.data["served_model_name"] = name
    one.note("LiteLLM does not know the engine's flags: the recipe has Studio's defaults, compare them with the command in use")
    if usual := {key: value for key, value in params.items() if key in SAMPLING and value is not None}:
        # What LiteLLM puts into requests that do not say it themselves.
        one.data["filters"] = {"default": usual}
    if others := sorted(set(params) - SAMPLING - {"model", "api_base", "base_url", "api_key", "custom_llm_provider"}):
        one.note(f"not imported: {', '.join(others)}; these are LiteLLM's settings of its own requests")
    if params.get("api_key"):
        one.note("api_key is left out: secrets are never stored with a recipe")
    one.recipe()
    found.recipes.append(one)


def _aliases(data: Mapping[str, Any], found: Harvest) -> None:
    for alias, name in _pairs(data):
        target = next((one for one in found.recipes if name in (one.data["id"], one.data.get("served_model_name"))), None)
        if target is None:
            found.notes.append(f"alias {alias} of {name}: that model was not imported")
        else:
            target.data["aliases"] = [*target.data.get("aliases", ()), alias]


def _pairs(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """model_group_alias of router_settings or litellm_settings: alias → name, or → {model: name}."""
    for section in ("router_settings", "litellm_settings"):
        settings = data.get(section)
        given = settings.get("model_group_alias") if isinstance(settings, Mapping) else None
        for alias, target in given.items() if isinstance(given, Mapping) else ():
            yield str(alias), str(target.get("model", "") if isinstance(target, Mapping) else target)
