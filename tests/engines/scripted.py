#!/usr/bin/env python3
"""A scripted engine for faults and scale: OpenAI's API and llama.cpp's log lines, misbehaving as its switches say.

Takes the flags of llama-server that Studio emits, ignores others it knows, and reads switches from `SCRIPT` in its
environment (JSON) so that a recipe can give them without touching the command line:

load_s, silent, hang, exit_after_s, exit_code, ignore_term, children, children_env, lines, no_newline_bytes,
token_s, tokens, die_after_tokens, healthy.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FLAGS = ("--model", "--host", "--port", "--alias", "--ctx-size", "--parallel", "--metrics", "--api-key", "-lv")
DEFAULTS: dict[str, Any] = {
    "load_s": 0.0, "silent": False, "hang": False, "exit_after_s": None, "exit_code": 0, "ignore_term": False, "children": 0,
    "lines": 0, "no_newline_bytes": 0, "token_s": 0.0, "tokens": 8, "die_after_tokens": None, "healthy": True,
}
# A child in a session of its own that renames itself, which wipes its environment, and ignores what can be ignored.
CHILD = (
    "import os, signal, time\n"
    "os.setsid()\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "try:\n"
    "    import setproctitle; setproctitle.setproctitle('VLLM::EngineCore')\n"
    "except ImportError:\n"
    "    pass\n"
    "time.sleep(600)\n"
)


class Engine:
    """What the handlers share."""

    def __init__(self, switches: dict[str, Any], alias: str, key: str) -> None:
        self.switches = {**DEFAULTS, **switches}
        self.alias = alias
        self.key = key
        self.ready = False
        self.running = 0
        self.served = 0
        self.lock = threading.Lock()


def say(text: str) -> None:
    sys.stderr.write(f"0.00.000.000 I {text}\n")
    sys.stderr.flush()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine: Engine

    def log_message(self, *args: Any) -> None:
        return

    def reply(self, status: int, body: Any, kind: str = "application/json") -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def allowed(self) -> bool:
        return not self.engine.key or self.headers.get("Authorization") == f"Bearer {self.engine.key}"

    def do_GET(self) -> None:
        engine = self.engine
        if self.path == "/health":
            healthy = engine.ready and engine.switches["healthy"]
            error = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
            self.reply(200 if healthy else 503, {"status": "ok"} if healthy else error)
        elif self.path == "/metrics":
            text = f"llamacpp:requests_processing {engine.running}\nllamacpp:requests_deferred 0\n"
            self.reply(200, text, "text/plain")
        elif not self.allowed():
            self.reply(401, {"error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}})
        elif self.path == "/v1/models":
            self.reply(200, {"object": "list", "data": [{"id": engine.alias, "object": "model"}]})
        else:
            self.reply(404, {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.allowed():
            self.reply(401, {"error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}})
            return
        try:
            request = json.loads(body)
        except ValueError:
            self.reply(400, {"error": {"message": "parse error", "type": "invalid_request_error", "code": 400}})
            return
        with self.engine.lock:
            self.engine.running += 1
        try:
            self.generate(request)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.engine.lock:
                self.engine.running -= 1
                self.engine.served += 1

    def generate(self, request: dict[str, Any]) -> None:
        count = min(int(request.get("max_tokens") or self.engine.switches["tokens"]), 100_000)
        usage = {"prompt_tokens": 7, "completion_tokens": count, "total_tokens": 7 + count}
        head = {"id": "chatcmpl-1", "created": int(time.time()), "model": self.engine.alias}
        if not request.get("stream"):
            time.sleep(self.engine.switches["token_s"] * count)
            message = {"role": "assistant", "content": " ".join(f"t{n}" for n in range(count))}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.reply(200, {**head, "object": "chat.completion", "choices": [choice], "usage": usage})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        head["object"] = "chat.completion.chunk"
        for number in range(count):
            self.token(head, number)
        self.event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if (request.get("stream_options") or {}).get("include_usage"):
            self.event({**head, "choices": [], "usage": usage})
        self.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def token(self, head: dict[str, Any], number: int) -> None:
        switches = self.engine.switches
        if switches["die_after_tokens"] is not None and number >= switches["die_after_tokens"]:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(switches["token_s"])
        delta = {"role": "assistant", "content": f"t{number} "}
        self.event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})

    def event(self, data: Any) -> None:
        line = f"data: {json.dumps(data)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))


def load(engine: Engine) -> None:
    switches = engine.switches
    if switches["hang"]:
        return
    if not switches["silent"]:
        say("srv    load_model: loading model 'scripted'")
    for number in range(switches["lines"]):
        say(f"line {number}")
    if switches["no_newline_bytes"]:
        sys.stderr.write("x" * switches["no_newline_bytes"])
    time.sleep(switches["load_s"])
    if not switches["silent"]:
        say("srv    load_model: initializing, n_slots = 1, n_ctx_slot = 2048, kv_unified = 'true'")
        say("llama_server: model loaded")
    engine.ready = True
    if switches["exit_after_s"] is not None:
        time.sleep(switches["exit_after_s"])
        sys.stderr.flush()
        os._exit(switches["exit_code"])


def main() -> None:
    if "--help" in sys.argv:
        sys.stdout.write("\n".join(FLAGS) + "\n")
        return
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--alias", default="scripted")
    parser.add_argument("--api-key", default=os.environ.get("LLAMA_API_KEY", ""))
    options, _ = parser.parse_known_args()
    engine = Engine(json.loads(os.environ.get("SCRIPT", "{}")), options.alias.split(",")[0], options.api_key)
    if engine.switches["ignore_term"]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    for _ in range(engine.switches["children"]):
        subprocess.Popen([sys.executable, "-c", CHILD])
    Handler.engine = engine
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer.request_queue_size = 256
    server = ThreadingHTTPServer((options.host, options.port), Handler)
    threading.Thread(target=load, args=(engine,), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
