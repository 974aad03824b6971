"""Stars in place of what is secret, in what is shown and copied: by its name, by the flag before it, or by its look."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

STARS = "***"
NAMED = re.compile(r"(?:^|[_-])(?:key|token|secret|password|passwd)$|api_?key$", re.IGNORECASE)
FLAG = re.compile(r"--(?:[\w-]*-)?(?:key|token|secret|password)$", re.IGNORECASE)
# In a text: what follows a flag or a variable of such a name, and what looks like a key.
WITHIN = re.compile(
    r"(--(?:[\w-]*-)?(?:key|token|secret|password)[ =]+|\b\w*(?:KEY|TOKEN|SECRET|PASSWORD)=|\bBearer +)[^\s\"']+"
    r"|\b(?:sk-|nvapi-)[\w-]{16,}|\bhf_[A-Za-z0-9]{16,}",
)


def without_secrets(value: Any) -> Any:
    """A body with stars in place of what its names or its look say to be secret."""
    if isinstance(value, dict):
        return {name: STARS if isinstance(each, str) and each and NAMED.search(str(name)) else without_secrets(each)
                for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [STARS if hides else without_secrets(each) for each, hides in zip(value, _after_flags(value), strict=True)]
    return WITHIN.sub(lambda found: (found[1] or "") + STARS, value) if isinstance(value, str) else value


def _after_flags(words: list[Any] | tuple[Any, ...]) -> Iterator[bool]:
    before: Any = None
    for word in words:
        yield isinstance(word, str) and isinstance(before, str) and FLAG.match(before) is not None
        before = word
