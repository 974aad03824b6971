"""The command of an engine that was started, as it may be shown."""

from __future__ import annotations

from studio_core.secrecy import STARS, without_secrets
from studio_core.shim.mask import secrets
from studio_core.supervisor.spec import Spec


def shown(spec: Spec) -> list[str]:
    """Its words, with stars in place of its key, of secrets of its environment, and of what looks like one."""
    hidden = sorted(secrets(spec), key=len, reverse=True)
    words: list[str] = without_secrets(spec.argv)
    return [_covered(word, hidden) for word in words]


def _covered(word: str, hidden: list[str]) -> str:
    for secret in hidden:
        word = word.replace(secret, STARS)
    return word
