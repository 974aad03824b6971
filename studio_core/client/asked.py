"""What a client asks of Studio, for whoever wants to see it; without keys and other secrets, and as a line for a shell."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

from msgspec import Struct, field

from studio_core.secrecy import without_secrets

# A body is kept up to so many characters: a chat may send pictures.
LONGEST = 4096
# The variable that the key comes from.
VARIABLE = "VLLM_STUDIO_API_KEY"


class Asked(Struct):
    """`status` is None, and `took_s` too, while it is under way; a `problem` without a status: nobody answered.

    `body` is JSON without secrets; `is_cut`: there was more of it. `at` is Unix time in seconds.
    """

    method: str
    path: str
    body: str = ""
    is_cut: bool = False
    streams: bool = False
    at: float = field(default_factory=time.time)
    status: int | None = None
    took_s: float | None = None
    problem: str = ""


def asked(method: str, path: str, body: Any, streams: bool) -> Asked:
    """A request that begins now."""
    text = "" if body is None else json.dumps(without_secrets(body))
    return Asked(method, path, text[:LONGEST], len(text) > LONGEST, streams)


def question(base: str, model: str) -> str:
    """A line for a shell that asks a model something, at the gateway's address."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    return curl(asked("POST", "/v1/chat/completions", body, streams=False), base, has_key=True)


def curl(one: Asked, base: str, socket: str = "", has_key: bool = False, headers: tuple[str, ...] = ()) -> str:
    """The request for a shell. In place of the key stands the variable that it comes from; a body that was cut is a file's."""
    words = ["curl", "-sS", *(["-N"] if one.streams else []), *(["--unix-socket", socket] if socket else [])]
    words += ["-X", one.method] if one.method != ("POST" if one.body else "GET") else []
    words += [word for header in headers for word in ("-H", header)]
    if one.body:
        words += ["-H", "Content-Type: application/json", "-d", "@body.json" if one.is_cut else one.body]
    key = f' -H "Authorization: Bearer ${VARIABLE}"' if has_key else ""
    return f"{shlex.join(words)}{key} {shlex.quote(base.rstrip('/') + one.path)}"
