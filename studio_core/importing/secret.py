"""What must never be stored with a recipe: keys, tokens, passwords, by the name under which they come."""

from __future__ import annotations

import re

_VARIABLE = re.compile(
    r"(?:^|_)(?:API_?KEYS?|ADMIN_?KEY|ACCESS_KEY|PRIVATE_KEY|SECRET(?:_KEY)?|TOKENS?|PASSWORD|PASSWD|PASSPHRASE)$", re.IGNORECASE
)
# Of flags fewer words will do: `--reasoning-start-token` is none.
_FLAG = re.compile(r"(?:^|_)(?:api_keys?|admin_key|hf_token|hft|auth_token|access_token|secret|password)$")


def variable(name: str) -> bool:
    """Whether an environment variable of this name holds a secret."""
    return _VARIABLE.search(name) is not None


def flag(name: str) -> bool:
    """Whether a flag of this name is given a secret."""
    return _FLAG.search(name.lstrip("-").replace("-", "_").lower()) is not None
