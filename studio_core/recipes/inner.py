"""Keys of `extra_args` that speak to Studio (or spoke to vLLM Studio), never to an engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

KEYS = frozenset({
    "venv_path", "env_vars", "cuda_visible_devices", "visible_devices", "hip_visible_devices", "rocr_visible_devices",
    "description", "tags", "status", "metadata", "llama_bin", "mlx_python", "launch_command", "custom_command",
    "docker_container", "docker_image", "docker_entrypoint",
})
# They choose the GPUs, which is a field; where there is none it is a variable of the engine's.
_DEVICES: Mapping[str, str] = {
    "cuda_visible_devices": "CUDA_VISIBLE_DEVICES", "visible_devices": "CUDA_VISIBLE_DEVICES",
    "hip_visible_devices": "HIP_VISIBLE_DEVICES", "rocr_visible_devices": "ROCR_VISIBLE_DEVICES",
}
_DEVICE = re.compile(r"\d+|(?:GPU|MIG)-[0-9A-Za-z/-]+")


def is_inner(key: str) -> bool:
    """Whether a key is none of the engine's. Written as a flag, with dashes before it, it is."""
    return not key.startswith("-") and key.replace("-", "_") in KEYS


def spelled(extra: Mapping[str, Any]) -> dict[str, Any]:
    """With the one spelling under which each is looked for: `docker-image` is `docker_image`."""
    return {_plain(key): value for key, value in extra.items()}


def _plain(key: Any) -> Any:
    if not isinstance(key, str):
        return key
    return "env_vars" if key == "envVars" else key.replace("-", "_") if is_inner(key) else key


def fields(extra: dict[str, Any]) -> dict[str, Any]:
    """What they say of the fields `gpus` and `env_vars`, taken out of `extra`; what says neither stays there."""
    told: dict[str, Any] = {}
    if isinstance(extra.get("env_vars"), Mapping):
        told["env_vars"] = dict(extra.pop("env_vars"))
    for key, variable in _DEVICES.items():
        if (names := _devices(extra.get(key))) is None:
            continue
        del extra[key]
        if names and variable == "CUDA_VISIBLE_DEVICES":
            told.setdefault("gpus", names)
        else:
            told.setdefault("env_vars", {}).setdefault(variable, ",".join(names))
    return told


def _devices(value: Any) -> list[str] | None:
    """GPUs by number or UUID, as a list or with commas; None where it is something else."""
    if value is None or isinstance(value, bool | float | Mapping):
        return None
    words = [str(one).strip() for one in (value if isinstance(value, list | tuple) else str(value).split(","))]
    words = [] if words == [""] else words
    return words if all(_DEVICE.fullmatch(word) for word in words) else None
