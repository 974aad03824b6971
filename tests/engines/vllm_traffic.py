"""What a ready vLLM answers, and what of it is left when its front process is killed, stored beside the recordings.

`exchange.json` tells for each file which request it answers.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.engines.vllm_run import END_S, READY, Run

NAME = "smollm2"
TOOL = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather in a city.", "strict": True,
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
                   "additionalProperties": False},
}}
# Looks at what is left, in seconds after the front process was killed.
LOOKS_S = (1.0, 10.0, 30.0)


def chat(question: str, **more: Any) -> dict[str, Any]:
    return {"model": NAME, "messages": [{"role": "user", "content": question}], "temperature": 0, "max_tokens": 32, **more}


CAPITAL, WEATHER = "What is the capital of France?", "What is the weather in Paris?"
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
FORCED = {"tools": [TOOL], "tool_choice": "required", "max_tokens": 64}


@dataclass(frozen=True)
class Exchange:
    """One request, and the file that its answer goes to."""

    file: str
    path: str
    body: dict[str, Any] | None = None


EXCHANGES = (
    Exchange("version.json", "/version"),
    Exchange("models.json", "/v1/models"),
    Exchange("chat.json", "/v1/chat/completions", chat(CAPITAL)),
    Exchange("chat_stream.txt", "/v1/chat/completions", chat(CAPITAL, **STREAM)),
    Exchange("tool_call.json", "/v1/chat/completions", chat(WEATHER, **FORCED)),
    Exchange("tool_stream.txt", "/v1/chat/completions", chat(WEATHER, **FORCED, **STREAM)),
    Exchange("tool_auto.json", "/v1/chat/completions", chat(WEATHER, tools=[TOOL], tool_choice="auto")),
    Exchange("unknown_model.json", "/v1/chat/completions", chat(CAPITAL) | {"model": "no-such-model"}),
    Exchange("too_long.json", "/v1/chat/completions", chat("word " * 1000)),
    Exchange("tokenize.json", "/tokenize", {"model": NAME, "prompt": CAPITAL}),
    Exchange("load.json", "/load"),
    Exchange("metrics.txt", "/metrics"),
)


def talk(port: int, folder: Path, neutral: Callable[[str], str]) -> None:
    """Ask a ready server everything, in order, and store what it answers, without this machine's places."""
    index = {}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        for one in EXCHANGES:
            method = "GET" if one.body is None else "POST"
            answer = client.request(method, one.path, json=one.body)
            (folder / one.file).write_text(neutral(answer.text), "utf-8")
            index[one.file] = {"method": method, "path": one.path, "body": one.body, "status": answer.status_code,
                               "type": answer.headers.get("content-type")}
    (folder / "exchange.json").write_text(json.dumps(index, indent=1) + "\n", "utf-8")


def orphaned(run: Run) -> dict[str, Any]:
    """The family when ready, what is left after SIGKILL of the front process, then after SIGTERM to the rest."""
    run.until(READY)
    found: dict[str, Any] = {"ready": run.tree()}
    run.process.kill()
    run.process.wait(END_S)
    killed = time.monotonic()
    for look in LOOKS_S:
        time.sleep(max(0.0, killed + look - time.monotonic()))
        found[f"{look:g} s after SIGKILL of the front process"] = run.tree()
    if run.family():
        os.killpg(run.process.pid, signal.SIGTERM)
    time.sleep(5.0)
    found["5 s after SIGTERM to the group"] = run.tree()
    return found
