"""The environment of an engine: a short allow-list, the settings', the recipe's and ours; nothing else."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping

ALLOWED = (
    "HOME", "PATH", "LANG", "LC_ALL", "LC_CTYPE", "USER", "LOGNAME", "TZ", "CUDA_HOME", "LD_LIBRARY_PATH", "HF_*",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)


def compose(
    inherited: Mapping[str, str], engine_env: Mapping[str, str], recipe: Mapping[str, str], ours: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Name → (value, origin). A later source beats an earlier one."""
    layers = (
        ("inherited", {name: value for name, value in inherited.items() if _allowed(name)}),
        ("engine_env", engine_env),
        ("recipe", recipe),
        ("studio", ours),
    )
    return {name: (value, origin) for origin, layer in layers for name, value in layer.items()}


def _allowed(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in ALLOWED)
