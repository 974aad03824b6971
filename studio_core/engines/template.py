"""Whether a chat template lets a model think, and what it does when nobody says: read from its text, never executed.

The forms are those that SGLang 0.5.23 looks for (srt/parser/template_detection.py).
"""

from __future__ import annotations

import re
from functools import lru_cache

# The first whose variable and default are found. Templates that think without a switch have none of them.
_VARIABLES = (("enable_thinking", "off", "on"), ("thinking", "thinking off", "thinking on"))
_OFF = (
    r"{v} is not defined %}}\{{% set {v} = false", r"not {v} is defined %}}\{{% set {v} = false",
    r"{v} if {v} is defined else false", r"{v} \| d(efault)?\( ?false", r"namespace\([^)]{{0,200}}\b{v} ?= ?false",
)
_ON = (
    r"{v} is not defined %}}\{{% set {v} = true", r"not {v} is defined %}}\{{% set {v} = true",
    r"{v} if {v} is defined else true", r"{v} \| d(efault)?\( ?true", r"namespace\([^)]{{0,200}}\b{v} ?= ?true",
    r"{v} is defined and (not {v}|{v} is false)", r"{v} is not defined or {v}",
)


def _compiled(forms: tuple[str, ...], variable: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.])(?:{'|'.join(form.format(v=variable) for form in forms)})")


_TOGGLES = tuple(
    pair for variable, off, on in _VARIABLES
    for pair in ((off, _compiled(_OFF, variable)), (on, _compiled(_ON, variable)))
)


@lru_cache(maxsize=64)
def toggle(template: str) -> str:
    """`on` or `off` by the variable enable_thinking, `thinking on` or `thinking off` by thinking, else empty."""
    spaced = re.sub(r"\s+", " ", _uncommented(template).lower())
    plain = re.sub(r"\{%-?\s*", "{% ", re.sub(r"\s*-?%\}\s*", " %}", spaced))
    plain = re.sub(r" ?\| ?", " | ", plain).replace("%} {%", "%}{%")
    return next((name for name, pattern in _TOGGLES if pattern.search(plain)), "")


def _uncommented(template: str) -> str:
    """Without what stands between {# and #}; one look at each piece, however often it begins and never ends."""
    kept, at = [], 0
    while (start := template.find("{#", at)) >= 0 and (end := template.find("#}", start)) >= 0:
        kept.append(template[at:start])
        at = end + 2
    return "".join((*kept, template[at:]))
