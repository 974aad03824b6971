"""The Recipe: how one model is run. vLLM Studio's fields, aliases and defaults, and ours beside them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from studio_core.errors import BadRecipe
from studio_core.recipes import inner
from studio_core.recipes.backend import named
from studio_core.recipes.filters import Filters

ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
# Sent back by vLLM Studio's recipe page, or by who read GET /recipes, although they are not part of a recipe.
TRANSIENT = frozenset({
    "status", "crash_loop", "version", "recipe", "instance_id", "state", "hold", "problems", "last_used_at", "last_load_s",
    "parsers", "last_used_age_s", "size_bytes", "memory_bytes", "tokens_per_s",
})
# What a person reads and no engine hears of.
WORDS = frozenset({"name", "description", "notes", "tags"})
# What only the gateway goes by: it holds for an instance that runs too.
FRONT = frozenset({"filters"})


def _environment(value: Any) -> Any:
    """Values to text, nulls dropped, as vLLM Studio did."""
    if not isinstance(value, Mapping):
        return value
    return {str(name): str(text) for name, text in value.items() if text is not None}


Environment = Annotated[dict[str, str], BeforeValidator(lambda value: _environment(value) or {})]


class Runtime(BaseModel):
    """What runs the engine. `ref` is a folder (managed_venv), an interpreter (system), a program (binary) or an image (docker).

    The rest is of an image only, as `docker run` has it: volumes `source:target[:mode]`, `shm_size` (32g), `ipc` (host),
    ulimits `name=soft[:hard]`, and `args`, further options word by word. Without a `ref` the engine's official image is meant.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Annotated[
        Literal["managed_venv", "system", "binary", "docker"],
        BeforeValidator(lambda kind: "managed_venv" if kind == "venv" else kind),
    ]
    ref: str = ""
    label: str = ""
    volumes: list[Annotated[str, Field(pattern=r"^[^:]+:/[^:]*(:[\w,]+)?$")]] = Field(default_factory=list)
    shm_size: str | None = Field(default=None, pattern=r"^\d+[bkmgBKMG]?[bB]?$")
    ipc: str | None = Field(default=None, pattern=r"^[\w:./-]+$")
    ulimits: list[Annotated[str, Field(pattern=r"^\w+=-?\d+(:-?\d+)?$")]] = Field(default_factory=list)
    args: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _of_images(self) -> Runtime:
        extra = [name for name in ("volumes", "shm_size", "ipc", "ulimits", "args") if getattr(self, name)]
        if extra and self.kind != "docker":
            raise ValueError(f"{', '.join(extra)} belong to an image: kind docker")
        return self


class Adapter(BaseModel):
    """A LoRA adapter: the name that clients ask for, and its folder, file or hub id; of llama.cpp and TabbyAPI also its scale."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    path: str = Field(min_length=1)
    scale: float | None = Field(None, allow_inf_nan=False)


def _adapters(value: Any) -> Any:
    """Also `name: path` pairs, and vLLM's own `name=path`."""
    if isinstance(value, Mapping):
        return [{"name": name, "path": path} for name, path in value.items()]
    if isinstance(value, list):
        pairs = [one.partition("=") if isinstance(one, str) else None for one in value]
        return [{"name": pair[0], "path": pair[2]} if pair else one for pair, one in zip(pairs, value, strict=True)]
    return value


Adapters = Annotated[list[Adapter], BeforeValidator(_adapters)]


# Engines that are asked for an adapter by its name; the others apply theirs to every request.
ADAPTERS_BY_NAME = frozenset({"vllm", "sglang"})


class Recipe(BaseModel):
    """One model and how to run it.

    Unknown top-level keys are folded into `extra_args`, so nothing that was typed is lost. `trust_remote_code`
    is off and `host` is loopback by default: deliberate changes against vLLM Studio.

    `nodes` are the hosts of an engine over several machines, the head first. `sleep_level` lets an engine that can sleep
    do so after `idle_ttl_s` seconds without a request instead of ending; `pin` keeps it from being sent away for another.
    `restart` starts a crashed engine again, at most `restart_limit` times with growing pauses. `stop_command` is run,
    as an argv list, in place of SIGTERM. `filters` change requests before the engine sees them.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True, protected_namespaces=(), frozen=True)

    id: str
    name: str = ""
    model_path: str
    backend: str = Field("vllm", validation_alias=AliasChoices("backend", "engine"))
    env_vars: Environment = Field(
        default_factory=dict, validation_alias=AliasChoices("env_vars", "env-vars", "envVars")
    )
    tensor_parallel_size: int = Field(1, ge=1, validation_alias=AliasChoices("tp", "tensor_parallel_size"))
    pipeline_parallel_size: int = Field(1, ge=1, validation_alias=AliasChoices("pp", "pipeline_parallel_size"))
    max_model_len: int = Field(32768, ge=1)
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    kv_cache_dtype: str = "auto"
    max_num_seqs: int = Field(256, ge=1)
    trust_remote_code: bool = Field(False, strict=True)
    tool_call_parser: str | None = None
    reasoning_parser: str | None = None
    enable_auto_tool_choice: bool = Field(False, strict=True)
    quantization: str | None = None
    dtype: str | None = None
    host: str = "127.0.0.1"
    port: int | None = Field(None, ge=1, le=65535)
    served_model_name: str | None = None
    aliases: list[str] = Field(default_factory=list)
    python_path: str | None = None
    binary: str | None = None
    extra_args: dict[str, Any] = Field(default_factory=dict)
    max_thinking_tokens: int | None = None
    thinking_mode: str = "conservative"
    reasoning_effort: str | None = None
    vision: bool | None = None
    gpus: list[str] | None = None
    runtime: Runtime | None = None
    lora_adapters: Adapters = Field(default_factory=list)
    nodes: list[str] = Field(default_factory=list)
    sleep_level: int | None = Field(None, ge=1, le=2)
    idle_ttl_s: float | None = Field(None, gt=0)
    pin: bool = Field(False, strict=True)
    restart: Literal["never", "on-failure", "always"] = "never"
    restart_limit: int = Field(3, ge=0)
    grace_s: float | None = Field(None, gt=0)
    no_progress_s: float | None = Field(None, gt=0)
    start_ceiling_s: float | None = Field(None, gt=0)
    stop_command: list[str] | None = None
    filters: Filters | None = None
    description: str = ""
    notes: str = ""
    tags: list[str] = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _fold(cls, data: Any) -> Any:
        """Both long and short names: the short one wins (vLLM Studio's page sends a stale long one beside it)."""
        if not isinstance(data, Mapping):
            return data
        kept = {key: value for key, value in data.items() if key not in TRANSIENT}
        for short, long in (("tp", "tensor_parallel_size"), ("pp", "pipeline_parallel_size"), ("backend", "engine")):
            if short in kept:
                kept.pop(long, None)
        given = kept.get("extra_args") or {}
        if not isinstance(given, Mapping):
            return kept
        known = _known()
        extra = inner.spelled({**given, **{key: kept.pop(key) for key in [key for key in kept if key not in known]}})
        told = inner.fields(extra)
        spelling = next((name for name in ("env_vars", "env-vars", "envVars") if name in kept), "env_vars")
        if "env_vars" in told and isinstance(own := kept.get(spelling) or {}, Mapping):
            # The field's own go before those among the arguments.
            kept[spelling] = {**_environment(told["env_vars"]), **_environment(own)}
        if kept.get("gpus") is None and "gpus" in told:
            kept["gpus"] = told["gpus"]
        return {**kept, "extra_args": extra}

    @field_validator("id")
    @classmethod
    def _id(cls, value: str) -> str:
        if not ID_PATTERN.match(value):
            raise ValueError("use letters, digits, dot, dash and underscore, at most 100, beginning with a letter or digit")
        return value

    @field_validator("backend")
    @classmethod
    def _backend(cls, value: str) -> str:
        return named(value)

    @field_validator("model_path")
    @classmethod
    def _model(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("name a file, a folder or a model id")
        return value

    @property
    def title(self) -> str:
        """The name that a person sees."""
        return self.name or self.id

    @property
    def public_names(self) -> tuple[str, ...]:
        """The names under which clients ask for it: served name first, then the id and the aliases."""
        names = [self.served_model_name or self.id, self.id, *self.aliases]
        return tuple(dict.fromkeys(name for name in names if name))

    @property
    def adapter_names(self) -> tuple[str, ...]:
        """The adapters that clients may ask for."""
        return tuple(one.name for one in self.lora_adapters) if self.backend in ADAPTERS_BY_NAME else ()

    def stored(self) -> dict[str, Any]:
        """All fields, JSON-ready, as they are kept in the database and in an instance's snapshot."""
        return self.model_dump(mode="json")


def starts_alike(snapshot: Mapping[str, Any], recipe: Recipe) -> bool:
    """Whether what an instance was started from would be started so again; older snapshots lack newer fields."""
    try:
        before = Recipe.model_validate(snapshot).model_dump(exclude={*WORDS, *FRONT})
    except ValidationError:
        return False
    return before == recipe.model_dump(exclude={*WORDS, *FRONT})


def _known() -> frozenset[str]:
    names = set(Recipe.model_fields)
    return frozenset(names | {"engine", "tp", "pp", "env-vars", "envVars"})


def parse(data: Any) -> Recipe:
    """A recipe from plain data.

    Raises:
        BadRecipe: with every field that is wrong and why.
    """
    if not isinstance(data, Mapping):
        raise BadRecipe("a recipe is a mapping", f"got {type(data).__name__}", "write lines like `id: my-model`")
    try:
        return Recipe.model_validate(dict(data))
    except ValidationError as error:
        raise BadRecipe("the recipe is not valid", describe(error), "correct these fields and try again") from error


def parse_json(text: str) -> Recipe:
    """A recipe from the JSON text of a database row."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadRecipe("the stored recipe is not JSON", str(error), "export it, correct it, import it again") from error
    return parse(data)


def describe(error: ValidationError) -> str:
    """What is wrong, as `field: reason; field: reason`."""
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'recipe'}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors()
    )
