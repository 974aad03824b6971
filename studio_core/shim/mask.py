"""Takes an engine's secrets out of what it prints: TabbyAPI, for one, prints its keys at every start. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable

from studio_core.supervisor.spec import Spec

# Variables whose values are secrets, by the end of their names; shorter values are words.
NAMED = re.compile(r"(?i)(?:KEY|TOKEN|SECRET|PASSWORD)\Z")
SHORTEST = 8


def secrets(spec: Spec) -> set[str]:
    """The key of this start, and the secrets in the environment that the engine is given."""
    given = (value for name, value in spec.env.items() if NAMED.search(name))
    return {value for value in (spec.api_key, *given) if len(value) >= SHORTEST}


class Mask:
    """Each secret becomes as many stars, so that what is counted in bytes stays true.

    What may be the beginning of a secret at the end of a piece is held back until the next one tells.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted((one.encode() for one in secrets), key=len, reverse=True)
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What of it may be shown."""
        data = self._covered(self._held + data)
        held = max((self._overlap(data, secret) for secret in self._secrets), default=0)
        self._held = data[len(data) - held :]
        return data[: len(data) - held]

    def rest(self) -> bytes:
        """What was held back and turned out to be the end."""
        held, self._held = self._held, b""
        return held

    def _covered(self, data: bytes) -> bytes:
        for secret in self._secrets:
            data = data.replace(secret, b"*" * len(secret))
        return data

    @staticmethod
    def _overlap(data: bytes, secret: bytes) -> int:
        """How many bytes at the end of `data` begin `secret`."""
        for count in range(min(len(secret) - 1, len(data)), 0, -1):
            if data.endswith(secret[:count]):
                return count
        return 0
