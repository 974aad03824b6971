"""What a running engine can be asked to do, as data: sleep, wake, adapters, slots, load. One table per engine.

Read in the sources of vLLM 0.33.0, SGLang 0.5.23, llama.cpp b11434 and TabbyAPI e632af41. llama.cpp's were run; what needs a
GPU was not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from studio_core import loopback
from studio_core.errors import Conflict, Unavailable

# Weights of hundreds of gigabytes go to host memory and back.
PATIENCE_S = 600.0
LINE_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Step:
    """One request. `{name}` in path and body is filled in; a text that is nothing else becomes the value itself.

    An `events` answer streams progress, and tells an error under status 200.
    """

    method: str
    path: str
    body: Any = None
    events: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """Requests in their order, and what the engine must have been started with: flags of its command, variables."""

    steps: tuple[Step, ...]
    flags: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    remedy: str = ""


_SLEEP = "set sleep_level in the recipe and launch it again"
_LORA = "name an adapter in lora_adapters, or set extra_args.enable_lora, and launch it again"
_SLOTS = "set extra_args.slot_save_path to a folder and launch it again"
_VLLM = (("--enable-sleep-mode",), ("VLLM_SERVER_DEV_MODE",), _SLEEP)
_VLLM_LORA = (("--enable-lora",), ("VLLM_ALLOW_RUNTIME_LORA_UPDATING",), _LORA)
_SGLANG = "--enable-memory-saver"
_LOAD = Step("POST", "/v1/model/load", "{model}", events=True)
_UNLOAD = Step("POST", "/v1/model/unload")
_ADAPTER = {"lora_name": "{name}", "lora_path": "{path}"}

# `sleep` and `wake` by level: 1 keeps the weights in host memory, 2 drops them, so that waking reads them from disk.
TABLE: Mapping[str, Mapping[str, Action]] = {
    "vllm": {
        "sleep 1": Action((Step("POST", "/sleep?level=1"),), *_VLLM),
        "wake 1": Action((Step("POST", "/wake_up"),), *_VLLM),
        "sleep 2": Action((Step("POST", "/sleep?level=2"),), *_VLLM),
        "wake 2": Action((
            Step("POST", "/wake_up?tags=weights"), Step("POST", "/collective_rpc", {"method": "reload_weights"}),
            Step("POST", "/wake_up?tags=kv_cache"),
        ), *_VLLM),
        "is asleep": Action((Step("GET", "/is_sleeping"),), *_VLLM),
        "load adapter": Action((Step("POST", "/v1/load_lora_adapter", _ADAPTER),), *_VLLM_LORA),
        "unload adapter": Action((Step("POST", "/v1/unload_lora_adapter", {"lora_name": "{name}"}),), *_VLLM_LORA),
    },
    "sglang": {
        "sleep 1": Action((Step("POST", "/release_memory_occupation", {}),), (_SGLANG, "--enable-weights-cpu-backup"), (), _SLEEP),
        "wake 1": Action((Step("POST", "/resume_memory_occupation", {}),), (_SGLANG,), (), _SLEEP),
        "sleep 2": Action((Step("POST", "/release_memory_occupation", {}),), (_SGLANG,), (), _SLEEP),
        "wake 2": Action((
            Step("POST", "/resume_memory_occupation", {}),
            Step("POST", "/update_weights_from_disk", {"model_path": "{model_path}"}),
        ), (_SGLANG,), (), _SLEEP),
        "load adapter": Action((Step("POST", "/load_lora_adapter", _ADAPTER),), ("--enable-lora",), (), _LORA),
        "unload adapter": Action((Step("POST", "/unload_lora_adapter", {"lora_name": "{name}"}),), ("--enable-lora",), (), _LORA),
    },
    "tabbyapi": {
        "sleep 1": Action((_UNLOAD,)), "wake 1": Action((_LOAD,)), "sleep 2": Action((_UNLOAD,)), "wake 2": Action((_LOAD,)),
    },
    "llamacpp": {
        "adapters": Action((Step("GET", "/lora-adapters"),)),
        "scale adapters": Action((Step("POST", "/lora-adapters", "{scales}"),)),
        "slots": Action((Step("GET", "/slots"),)),
        "save slot": Action(
            (Step("POST", "/slots/{slot}?action=save", {"filename": "{file}"}),), ("--slot-save-path",), (), _SLOTS
        ),
        "restore slot": Action(
            (Step("POST", "/slots/{slot}?action=restore", {"filename": "{file}"}),), ("--slot-save-path",), (), _SLOTS
        ),
        "erase slot": Action((Step("POST", "/slots/{slot}?action=erase", {}),), ("--slot-save-path",), (), _SLOTS),
    },
}


def find(engine: str, name: str, argv: Collection[str], env: Collection[str]) -> Action:
    """The action of an engine that was started with this command and environment.

    Raises:
        Conflict: the engine has no such action, or was started without what it needs.
    """
    action = TABLE.get(engine, {}).get(name)
    if action is None:
        raise Conflict(f"{engine} cannot {name.rstrip(' 12')}", "", "stop it instead" if name.startswith("sleep") else "")
    given = {word.partition("=")[0] for word in argv}
    missing = [*(flag for flag in action.flags if flag not in given), *(one for one in action.variables if one not in env)]
    if missing:
        raise Conflict(f"{engine} was started without {', '.join(missing)}", f"it cannot {name.rstrip(' 12')}", action.remedy)
    return action


def possible(engine: str, argv: Collection[str], env: Collection[str]) -> list[str]:
    """The names of the actions that an engine so started has."""
    given = {word.partition("=")[0] for word in argv}
    table = TABLE.get(engine, {}).items()
    return [name for name, one in table if given.issuperset(one.flags) and set(env).issuperset(one.variables)]


async def perform(
    action: Action, address: tuple[str, int], key: str, values: Mapping[str, Any], progress: Callable[[Any], None] = lambda _: None
) -> Any:
    """Do it; the last answer's JSON, None for an empty one. `progress` is told of each streamed event.

    Raises:
        Unavailable: the engine refused, or went away; what it had done until then stays done.
    """
    headers = {"authorization": f"Bearer {key}", "x-admin-key": key} if key else {}
    found: Any = None
    base = f"http://{address[0]}:{address[1]}"
    async with loopback.client(PATIENCE_S, base_url=base, headers=headers) as client:
        for step in action.steps:
            try:
                found = await _do(client, step, values, progress)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise Unavailable("the engine did not answer", f"{step.path}: {error}", "see: studio logs") from error
    return found


async def _do(client: httpx.AsyncClient, step: Step, values: Mapping[str, Any], progress: Callable[[Any], None]) -> Any:
    body = filled(step.body, values)
    async with client.stream(step.method, filled(step.path, values), json=body) as answer:
        if answer.status_code >= 400 or not step.events:
            text = (await answer.aread()).decode("utf-8", "replace")
            if answer.status_code >= 400:
                raise Unavailable(f"the engine refused with {answer.status_code}", _reason(text), "see: studio logs")
            return _json(text)
        async for line in answer.aiter_lines():
            if line.startswith("data:") and len(line) < LINE_LIMIT:
                event = _json(line.removeprefix("data:").strip())
                if isinstance(event, dict) and event.get("error"):
                    raise Unavailable("the engine could not load its model", _reason(json.dumps(event)), "see: studio logs")
                progress(event)
    return None


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its places filled in; a whole `{name}` becomes the value, whatever its type."""
    if isinstance(template, Mapping):
        return {name: filled(value, values) for name, value in template.items()}
    if isinstance(template, str):
        for name, value in values.items():
            if template == f"{{{name}}}":
                return value
            template = template.replace(f"{{{name}}}", str(value))
    return template


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        # vLLM answers some of these with a word.
        return text or None


def _reason(text: str) -> str:
    """What an engine says of its refusal, in whichever shape."""
    found = _json(text)
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(name):
            found = found[name]
    return str(found)[:500]
