#!/usr/bin/env python3
"""A stand-in for TabbyAPI: its folder, its keys, its paths, its answers and its move to the next port. It loads nothing.

Without a model it does what `recorded/tabbyapi/contract.json` says, which tests compare. With one it goes by TabbyAPI's source
(e632af41): that was never seen here. `unsafe_launch` means, as there, that nothing is installed that could load a model.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

NOT_LOADED = (503, {"detail": "No models are currently loaded."})
CALL = {
    ("GET", "/health"): "", ("GET", "/openapi.json"): "", ("GET", "/v1/models"): "api", ("GET", "/v1/model"): "api",
    ("GET", "/props"): "api", ("GET", "/v1/auth/permission"): "api", ("GET", "/v1/lora"): "api",
    ("POST", "/v1/model/load"): "admin", ("POST", "/v1/model/unload"): "admin", ("POST", "/v1/chat/completions"): "api",
}
Answer = tuple[int, Any]


class Tabby:
    """What the handlers share: configuration, keys, the loaded model."""

    def __init__(self) -> None:
        self.options = options()
        self.keys = keys()
        self.model: dict[str, Any] | None = None

    def load(self, name: str) -> list[dict[str, Any]]:
        """The events of a load."""
        if self.options.get("unsafe_launch"):
            return [{"error": {"message": "No module named 'exllamav3'", "trace": None}}]
        self.model = {"id": name, "object": "model", "created": 0, "owned_by": "tabbyAPI", "logging": None,
                      "parameters": {"max_seq_len": self.options.get("max_seq_len")}}
        steps = [{"model_type": "model", "module": done, "modules": 2, "status": "processing"} for done in (1, 2)]
        return [*steps, {"model_type": "model", "module": 2, "modules": 2, "status": "finished"}]

    def folder(self, name: str) -> Path:
        return Path(str(self.options.get("model_dir", "models"))) / name

    def listed(self) -> list[dict[str, Any]]:
        """The folders of models, as an admin sees them."""
        found = sorted(path.name for path in self.folder("").iterdir() if path.is_dir())
        return [{"id": name, "object": "model", "created": 0, "owned_by": "tabbyAPI", "logging": None, "parameters": None}
                for name in found]


def options() -> dict[str, Any]:
    """config.yml of the working directory, its sections as one; every argument takes a value and wins."""
    path = Path("config.yml")
    sections = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}
    found = {key: value for section in sections.values() for key, value in (section or {}).items()}
    words = sys.argv[1:]
    for name, value in zip(words[::2], words[1::2], strict=True):
        found[name.removeprefix("--").replace("-", "_")] = yaml.safe_load(value)
    return {"host": "127.0.0.1", "port": 5000, **found}


def keys() -> dict[str, str]:
    """api_tokens.yml of the working directory, made with random keys if it is not there; printed, as the real one does."""
    path = Path("api_tokens.yml")
    if not path.is_file():
        made = {"api_key": secrets.token_hex(16), "admin_key": secrets.token_hex(16)}
        path.write_text(yaml.safe_dump(made, sort_keys=False), encoding="utf-8")
    found: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))
    say(f"Your API key is: {found['api_key']}")
    say(f"Your admin key is: {found['admin_key']}")
    return found


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tabby: Tabby

    def log_message(self, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        self.serve({})

    def do_POST(self) -> None:
        self.serve(json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"))

    def serve(self, body: dict[str, Any]) -> None:
        call = (self.command, self.path.partition("?")[0])
        if call not in CALL:
            self.reply(404, {"detail": "Not Found"})
            return
        refused = self.refused(CALL[call])
        if refused is not None:
            self.reply(401, {"detail": refused})
            return
        name = f"{call[0]} {call[1]}"
        status, answer = getattr(self, WAYS[name])(body)
        self.reply(status, answer, stream=isinstance(answer, list))

    def permission(self) -> str:
        """What the key that was sent allows: admin, api or nothing."""
        sent = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        own = self.tabby.keys
        return "admin" if sent == own["admin_key"] else "api" if sent == own["api_key"] else ""

    def refused(self, needed: str) -> str | None:
        found = self.permission()
        if not needed or found == "admin" or found == needed:
            return None
        if not self.headers.get("Authorization"):
            return f"Please provide an {'API' if needed == 'api' else 'admin'} key"
        return f"Invalid {'API' if needed == 'api' else 'admin'} key"

    def reply(self, status: int, answer: Any, stream: bool = False) -> None:
        text = "".join(f"data: {json.dumps(event)}\n\n" for event in answer) if stream else json.dumps(answer)
        self.send_response(status)
        self.send_header("Content-Type", "text/event-stream" if stream else "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    # The paths.

    def health(self, _: dict[str, Any]) -> Answer:
        return 200, {"status": "healthy", "issues": []}

    def described(self, _: dict[str, Any]) -> Answer:
        paths: dict[str, dict[str, Any]] = {}
        for method, path in CALL:
            paths.setdefault(path, {})[method.lower()] = {}
        return 200, {"openapi": "3.1.0", "paths": {path: paths[path] for path in paths if path != "/openapi.json"}}

    def models(self, _: dict[str, Any]) -> Answer:
        """With the admin key the whole directory, else only what is loaded."""
        loaded = [self.tabby.model] if self.tabby.model else []
        return 200, {"object": "list", "data": self.tabby.listed() if self.permission() == "admin" else loaded}

    def model(self, _: dict[str, Any]) -> Answer:
        return (200, self.tabby.model) if self.tabby.model else NOT_LOADED

    def allowed(self, _: dict[str, Any]) -> Answer:
        return 200, {"permission": self.permission()}

    def loras(self, _: dict[str, Any]) -> Answer:
        return (200, {"object": "list", "data": []}) if self.tabby.model else NOT_LOADED

    def load(self, body: dict[str, Any]) -> Answer:
        name = str(body["model_name"])
        if not self.tabby.folder(name).is_dir():
            return 400, {"detail": "Could not find the model path for load. Check model name or config.yml?"}
        return 200, self.tabby.load(name)

    def unload(self, _: dict[str, Any]) -> Answer:
        if self.tabby.model is None:
            return NOT_LOADED
        self.tabby.model = None
        return 200, None

    def chat(self, _: dict[str, Any]) -> Answer:
        if self.tabby.model is None:
            return NOT_LOADED
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "as a stand-in says"}}
        usage = {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6}
        return 200, {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": self.tabby.model["id"],
                     "choices": [choice], "usage": usage}


WAYS = {
    "GET /health": "health", "GET /openapi.json": "described", "GET /v1/models": "models", "GET /v1/model": "model",
    "GET /props": "model", "GET /v1/auth/permission": "allowed", "GET /v1/lora": "loras", "POST /v1/model/load": "load",
    "POST /v1/model/unload": "unload", "POST /v1/chat/completions": "chat",
}


def say(text: str) -> None:
    sys.stdout.write(f"2026-08-13 12:00:00.000 INFO:     {text}\n")
    sys.stdout.flush()


def free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    tabby = Handler.tabby = Tabby()
    port = int(tabby.options["port"])
    if not free(port):
        say(f"Port {port} is currently in use. Switching to {port + 1}.")
        port += 1
    if tabby.options.get("model_name"):
        say(f"Loading model: {tabby.folder(tabby.options['model_name'])}")
        tabby.load(tabby.options["model_name"])
        say("Model successfully loaded.")
    say("Starting OAI API")
    server = ThreadingHTTPServer((str(tabby.options["host"]), port), Handler)
    say("Application startup complete.")
    say(f"Uvicorn running on http://{tabby.options['host']}:{port} (Press CTRL+C to quit)")
    server.serve_forever()


if __name__ == "__main__":
    main()
