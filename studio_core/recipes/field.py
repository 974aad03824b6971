"""The fields of a recipe as a person changes them: kind, choices, words. Light enough for the app's first frame.

The table follows `Recipe`, field for field; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from studio_core.errors import BadValue

TEXT, WHOLE, NUMBER, FLAG, CHOICE, LIST, TREE = "text", "whole number", "number", "yes or no", "choice", "list", "YAML"


@dataclass(frozen=True, slots=True)
class Field:
    """`default` is what the recipe has without it; `common` ones come first. `choices` are all that there are."""

    name: str
    kind: str
    doc: str
    default: Any = None
    choices: tuple[str, ...] = ()
    common: bool = False


def _common(name: str, kind: str, doc: str, default: Any = None, choices: tuple[str, ...] = ()) -> Field:
    return Field(name, kind, doc, default, choices, common=True)


TABLE: tuple[Field, ...] = (
    _common("id", TEXT, "its key: letters, digits, dot, dash and underscore; cannot be changed later"),
    _common("name", TEXT, "what people see; without one the id", ""),
    _common("model_path", TEXT, "a file, a folder, or a model id of the hub"),
    _common("backend", CHOICE, "the engine that runs it", "vllm", ("vllm", "sglang", "llamacpp", "tabbyapi")),
    _common("served_model_name", TEXT, "the name by which clients ask for it; without one the id"),
    _common("max_model_len", WHOLE, "context in tokens: prompt and answer together", 32768),
    _common("tensor_parallel_size", WHOLE, "GPUs over which each layer is split", 1),
    _common("gpus", LIST, "the GPUs it may use, by index or UUID; none: the engine's choice"),
    _common("gpu_memory_utilization", NUMBER, "share of each GPU's memory that vLLM and SGLang take", 0.9),
    _common("extra_args", TREE, "any other argument of the engine, by its name", {}),
    _common("env_vars", TREE, "variables for the engine's environment", {}),
    _common("pin", FLAG, "above in the list, and no request for another model sends it away", False),
    Field("aliases", LIST, "further names by which clients may ask for it", []),
    Field("pipeline_parallel_size", WHOLE, "groups of layers, one after the other on GPUs of their own", 1),
    Field("max_num_seqs", WHOLE, "requests that are worked on at a time", 256),
    Field("kv_cache_dtype", TEXT, "number format of the cache: auto, fp8, q8_0 and others, as the engine has them", "auto"),
    Field("dtype", TEXT, "number format of the weights as they are computed with"),
    Field("quantization", TEXT, "how the weights are quantised, where the model does not say it"),
    Field("trust_remote_code", FLAG, "run Python code that lies beside the model: only for models that you trust", False),
    Field("tool_call_parser", TEXT, "what reads tool calls; without one it is found by the model's family"),
    Field("reasoning_parser", TEXT, "what reads thoughts; without one it is found by the model's family"),
    Field("enable_auto_tool_choice", FLAG, "let the model decide when to call a tool", False),
    Field("vision", FLAG, "whether it takes pictures; without a word the model says it"),
    Field("filters", TREE, "what the gateway changes in requests for it: strip, default, set, clamp"),
    Field("lora_adapters", TREE, "adapters as a list of name and path", []),
    Field("max_thinking_tokens", WHOLE, "tokens that it may think"),
    Field("thinking_mode", CHOICE, "share of the tokens that its family may think", "conservative",
          ("conservative", "balanced", "auto", "aggressive", "disabled")),
    Field("reasoning_effort", TEXT, "how much it thinks, for models that know the word"),
    Field("sleep_level", CHOICE, "sleep when idle instead of ending: 1 keeps the weights, 2 drops them", None, ("1", "2")),
    Field("idle_ttl_s", NUMBER, "seconds without a request after which it sleeps or ends"),
    Field("restart", CHOICE, "whether a crashed engine is started again", "never", ("never", "on-failure", "always")),
    Field("restart_limit", WHOLE, "restarts in a row at most", 3),
    Field("grace_s", NUMBER, "seconds it gets to stop before it is killed"),
    Field("no_progress_s", NUMBER, "seconds without progress after which a start has failed"),
    Field("start_ceiling_s", NUMBER, "seconds after which a start has failed in any case"),
    Field("stop_command", LIST, "run in place of SIGTERM, word by word"),
    Field("port", WHOLE, "its port; without one the next that is free"),
    Field("host", TEXT, "of vLLM Studio's recipes: engines listen on loopback, the gateway is their address", "127.0.0.1"),
    Field("runtime", TREE, "what runs the engine: kind (managed_venv, system, binary, docker) and ref"),
    Field("python_path", TEXT, "interpreter of the engine's installation"),
    Field("binary", TEXT, "program of the engine"),
    Field("nodes", LIST, "hosts of an engine over several machines, the head first", []),
    Field("description", TEXT, "for people", ""),
    Field("notes", TEXT, "for people", ""),
    Field("tags", LIST, "words to find it by", []),
)


def written(field: Field, value: Any) -> str:
    """A value on one line, as a person writes it; empty for none."""
    if value is None or value in ([], {}):
        return ""
    if field.kind == FLAG:
        return "yes" if value else "no"
    if field.kind == LIST:
        return ", ".join(map(str, value))
    if field.kind == TREE:
        return ", ".join(map(str, value)) if isinstance(value, dict) else f"{len(value)} of them"
    return str(value)


def read(field: Field, text: str) -> Any:
    """The value of a line; of none the default.

    Raises:
        BadValue: it is none of this kind.
    """
    text = text.strip()
    if not text:
        return field.default
    if field.kind == WHOLE or (field.kind == CHOICE and field.choices[0].isdigit()):
        return _number(field, text, int)
    if field.kind == NUMBER:
        return _number(field, text, float)
    if field.kind == LIST:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _number(field: Field, text: str, kind: type) -> Any:
    try:
        return kind(text.replace(" ", "").replace("_", ""))
    except ValueError:
        raise BadValue(f"{field.name}: {text[:40]!r} is no {field.kind}", "", "write digits") from None


def following(field: Field, value: Any) -> Any:
    """The value after this one, of a field that has only a few. What may be left open is so between the last and the first."""
    values: list[Any] = [False, True] if field.kind == FLAG else [read(field, choice) for choice in field.choices]
    if field.default is None:
        values.insert(0, None)
    return values[(values.index(value) + 1) % len(values)] if value in values else values[0]
