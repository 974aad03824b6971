"""What of TabbyAPI Studio relies on: recorded from the real server, and asked of the stand-in by the same requests.

`contract.json` was recorded without a model: `STUDIO_TEST_TABBY=CHECKOUT python -m tests.engines.record_tabby`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.wait import wait_until

FILE = Path(__file__).parent / "recorded" / "tabbyapi" / "contract.json"
HOST = "127.0.0.1"
START_S, END_S = 60.0, 20.0
MOVED = "is currently in use. Switching to"
LISTENING = "Uvicorn running on"
KEYS = ("Your API key is:", "Your admin key is:")
CHAT = {"messages": [{"role": "user", "content": "hello"}]}


@dataclass(frozen=True)
class Exchange:
    """One request; `key` is that of the user, of the admin, a wrong one, or none."""

    method: str
    path: str
    key: str = ""
    body: dict[str, Any] | None = None


EXCHANGES = (
    Exchange("GET", "/health"),
    Exchange("GET", "/v1/models"),
    Exchange("GET", "/v1/models", "wrong"),
    Exchange("GET", "/v1/models", "api"),
    Exchange("GET", "/v1/models", "admin"),
    Exchange("GET", "/v1/model", "api"),
    Exchange("GET", "/props", "api"),
    Exchange("GET", "/v1/auth/permission", "api"),
    Exchange("GET", "/v1/auth/permission", "admin"),
    Exchange("GET", "/v1/lora", "api"),
    Exchange("POST", "/v1/model/load", "api", {"model_name": "tiny"}),
    Exchange("POST", "/v1/model/load", "admin", {"model_name": "no-such-model"}),
    Exchange("POST", "/v1/model/load", "admin", {"model_name": "tiny"}),
    Exchange("POST", "/v1/model/unload", "api"),
    Exchange("POST", "/v1/model/unload", "admin"),
    Exchange("POST", "/v1/chat/completions", "", CHAT),
    Exchange("POST", "/v1/chat/completions", "api", CHAT),
    Exchange("GET", "/metrics", "api"),
)


def contract() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return told


def observed(argv: Sequence[str], folder: Path) -> dict[str, Any]:
    """What a server does, started as `argv` in `folder`: every exchange, a second one on its port, keys, stop."""
    (folder / "models" / "tiny").mkdir(parents=True)
    (folder / "models" / "tiny" / "config.json").write_text("{}", encoding="utf-8")
    port = free_pair()
    with server(argv, folder, port, "first") as (process, log):
        keys = yaml.safe_load((folder / "api_tokens.yml").read_text(encoding="utf-8"))
        with server(argv, folder, port, "second") as (_, second):
            moved = MOVED in second.read_text(encoding="utf-8") and answers(port + 1)
        found = {
            "paths": paths(port),
            "exchanges": [answered(one, port, keys) for one in EXCHANGES],
            "port_taken": {"moves_to_the_next": moved},
            "keys_in_the_log": all(word in log.read_text(encoding="utf-8") for word in KEYS),
            "names_of_keys": sorted(keys),
        }
        process.send_signal(signal.SIGTERM)
        return {**found, "exit_of_sigterm": process.wait(END_S)}


def free_pair() -> int:
    """A port that is free and whose next one is."""
    def found() -> int:
        with socket.socket() as one, socket.socket() as two:
            one.bind((HOST, 0))
            number = int(one.getsockname()[1])
            try:
                two.bind((HOST, number + 1))
            except (OSError, OverflowError):
                return 0
            return number

    return wait_until(found, what="two free ports")


@contextmanager
def server(argv: Sequence[str], folder: Path, port: int, name: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """One that listens, and its log."""
    log = folder / f"{name}.txt"
    words = ("--host", HOST, "--port", str(port), "--unsafe-launch", "true", "--model-dir", str(folder / "models"))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*argv, *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "500"},
        )
    try:
        wait_until(lambda: LISTENING in log.read_text(encoding="utf-8") or process.poll() is not None, START_S, LISTENING)
        assert process.poll() is None, log.read_text(encoding="utf-8")
        yield process, log
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    return httpx.get(f"http://{HOST}:{port}/health", trust_env=False).status_code == 200


def paths(port: int) -> dict[str, list[str]]:
    """Each path with its methods, by the server's own description."""
    told = httpx.get(f"http://{HOST}:{port}/openapi.json", trust_env=False, timeout=30).json()["paths"]
    return {path: sorted(method.upper() for method in told[path]) for path in sorted(told)}


def answered(one: Exchange, port: int, keys: dict[str, str]) -> dict[str, Any]:
    """The request with its status, kind and answer; what differs from run to run is 0 or "..."."""
    key = keys.get(f"{one.key}_key", "a-wrong-key")
    headers = {"authorization": f"Bearer {key}"} if one.key else {}
    address = f"http://{HOST}:{port}{one.path}"
    reply = httpx.request(one.method, address, json=one.body, headers=headers, trust_env=False, timeout=30)
    kind = reply.headers["content-type"].split(";")[0]
    events = [line.removeprefix("data: ") for line in reply.text.splitlines() if line.startswith("data: ")]
    answer = [neutral(json.loads(event)) for event in events] if kind == "text/event-stream" else neutral(reply.json())
    return {"method": one.method, "path": one.path, "key": one.key, "body": one.body,
            "status": reply.status_code, "kind": kind, "answer": answer}


def neutral(value: Any) -> Any:
    if isinstance(value, list):
        return [neutral(one) for one in value]
    if not isinstance(value, dict):
        return value
    volatile = {"created": 0, "message": "...", "trace": None}
    return {key: volatile.get(key, neutral(each)) for key, each in value.items()}
