#!/usr/bin/env python3
"""A scripted engine for faults and scale: OpenAI's API and llama.cpp's log lines, misbehaving as its switches say.

Takes the flags of llama-server that Studio emits, ignores others it knows, and reads switches from `SCRIPT` in its
environment (JSON) so that a recipe can give them without touching the command line. The switches are in DEFAULTS. A
request may give `max_tokens` and `token_s` for itself, and in `until` a file: its stream goes on until that is there.
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
from socketserver import TCPServer
from typing import Any

FLAGS = ("--model", "--host", "--port", "--alias", "--ctx-size", "--parallel", "--metrics", "--api-key", "-lv")
DEFAULTS: dict[str, Any] = {
    # The start.
    "start_s": 0.0,  # before it listens
    "load_s": 0.0,  # from then to ready; the milestones are spread over it
    "silent": False,  # no log line at all
    "grow_mib": 0,  # memory it takes while it loads
    "hang": False,  # never ready, says nothing
    "refuse": "",  # a flag it says it does not know, and exits 1
    "port_offset": 0,  # listens on another port than it was told
    "healthy": True,
    "health_s": 0.0,  # until /health answers
    # The end.
    "exit_after_s": None,  # after it was ready
    "exit_code": 0,
    "ignore_term": False,
    "record_signals": "",  # a file in which every signal that can be caught leaves its number
    # The family.
    "title": "",  # renames itself, which wipes its environment
    "children": 0,  # each in a session of its own, renamed, ignoring SIGTERM
    "daemons": 0,  # the same, but orphaned by a double fork and with an empty environment and no output
    "spawn": [],  # more children, as argv lists
    "shared": "",  # name of a block of shared memory, which its children keep from being cleaned up as long as they live
    # The log.
    "lines": 0,
    "no_newline_bytes": 0,
    "flood_s": 0.0,  # as many lines as it can write
    "leak": False,  # prints the key it was given
    # Tokens.
    "token_s": 0.0,
    "tokens": 8,
    "die_after_tokens": None,
    "stall_after_tokens": None,  # healthy, but no token comes any more
    "refuse_path": "",  # answers 500 on a path that begins so
}
MIB = 1024 * 1024
# Between two tokens of a stream that is held.
PAUSE_S = 0.05
# Path → what it changes, and to what.
CONTROLS: dict[str, tuple[str, Any]] = {
    "/sleep": ("asleep", True), "/wake_up": ("asleep", False), "/collective_rpc": ("", None),
    "/release_memory_occupation": ("asleep", True), "/resume_memory_occupation": ("asleep", False),
    "/update_weights_from_disk": ("", None), "/v1/load_lora_adapter": ("adapter", True), "/load_lora_adapter": ("adapter", True),
    "/v1/unload_lora_adapter": ("adapter", False), "/unload_lora_adapter": ("adapter", False),
}
MILESTONES = (
    "srv    load_model: loading model 'scripted'",
    "llama_model_loader: loaded meta data with 33 key-value pairs and 272 tensors from scripted",
    "load: token to piece cache size = 0.3182 MB",
    "load_tensors: loading model tensors, this can take a while... (mmap = true)",
    "load_tensors:   CPU_Mapped model buffer size =    85.82 MiB",
    "llama_kv_cache:        CPU KV buffer size =    22.50 MiB",
    "sched_reserve:        CPU compute buffer size =    98.25 MiB",
    "srv    load_model: initializing, n_slots = 1, n_ctx_slot = 2048, kv_unified = 'true'",
    "llama_server: model loaded",
)
# A child in a session of its own that renames itself, which wipes its environment, and ignores what can be ignored.
CHILD = """
import os, signal, sys, time
if sys.argv[1] == "daemon" and os.fork():
    os._exit(0)
os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
try:
    import setproctitle
    setproctitle.setproctitle("VLLM::EngineCore")
except ImportError:
    pass
time.sleep(600)
"""


class Engine:
    """What the handlers share."""

    def __init__(self, switches: dict[str, Any], alias: str, key: str) -> None:
        self.switches = {**DEFAULTS, **switches}
        self.alias = alias
        self.key = key
        self.ready = False
        self.running = 0
        self.asleep = False
        self.adapters: list[str] = []
        self.asked: list[str] = []  # what it was asked beside generating, in order
        self.served = 0
        self.lock = threading.Lock()


def say(text: str) -> None:
    sys.stderr.write(f"0.00.000.000 I {text}\n")
    sys.stderr.flush()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
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
            time.sleep(engine.switches["health_s"])
            healthy = engine.ready and engine.switches["healthy"]
            error = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
            self.reply(200 if healthy else 503, {"status": "ok"} if healthy else error)
        elif self.path == "/metrics":
            text = f"llamacpp:requests_processing {engine.running}\nllamacpp:requests_deferred 0\n"
            self.reply(200, text, "text/plain")
        elif self.path == "/asked":
            self.reply(200, engine.asked)
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
        if self.path in CONTROLS or "?" in self.path:
            self.control(json.loads(body or b"null"))
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

    def control(self, body: Any) -> None:
        """Sleep, wake and adapters, as vLLM, SGLang and TabbyAPI answer them."""
        engine, path = self.engine, self.path.partition("?")[0]
        engine.asked.append(self.path + (f" {json.dumps(body, sort_keys=True)}" if body else ""))
        if engine.switches["refuse_path"] and self.path.startswith(engine.switches["refuse_path"]):
            self.reply(500, {"error": {"message": "it does not want to", "type": "server_error", "code": 500}})
            return
        what, value = CONTROLS.get(path, ("", None))
        if what == "asleep":
            engine.asleep = bool(value)
        elif what == "adapter" and value:
            engine.adapters.append(body["lora_name"])
        elif what == "adapter":
            engine.adapters.remove(body["lora_name"])
        self.reply(200, {"status": "ok"})

    def generate(self, request: dict[str, Any]) -> None:
        if self.engine.asleep:
            self.reply(500, {"error": {"message": "asked while asleep", "type": "server_error", "code": 500}})
            return
        if request.get("model") in self.engine.adapters:
            self.engine.alias = request["model"]
        count = min(int(request.get("max_tokens") or self.engine.switches["tokens"]), 100_000)
        usage = {"prompt_tokens": 7, "completion_tokens": count, "total_tokens": 7 + count}
        pause = float(request.get("token_s", self.engine.switches["token_s"]))
        head = {"id": "chatcmpl-1", "created": int(time.time()), "model": self.engine.alias}
        if not request.get("stream"):
            time.sleep(pause * count)
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
            self.token(head, number, pause)
        while "until" in request and not os.path.exists(request["until"]):
            self.token(head, count, PAUSE_S)
        self.event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if (request.get("stream_options") or {}).get("include_usage"):
            self.event({**head, "choices": [], "usage": usage})
        self.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")

    def token(self, head: dict[str, Any], number: int, pause: float) -> None:
        switches = self.engine.switches
        if switches["die_after_tokens"] is not None and number >= switches["die_after_tokens"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if number == switches["stall_after_tokens"]:
            time.sleep(600)
        time.sleep(pause)
        delta = {"role": "assistant", "content": f"t{number} "}
        self.event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})

    def event(self, data: Any) -> None:
        line = f"data: {json.dumps(data)}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def server_bind(self) -> None:
        """As the base's, without asking the resolver for our name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who leaves in the middle is no news: a real engine's log has no traceback of it."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def load(engine: Engine) -> None:
    switches = engine.switches
    if switches["hang"]:
        return
    weights: list[bytes] = []
    said = () if switches["silent"] else MILESTONES
    for milestone in MILESTONES:
        weights.append(b"x" * (switches["grow_mib"] * MIB // len(MILESTONES)))
        time.sleep(switches["load_s"] / len(MILESTONES))
        if milestone in said:
            say(milestone)
        if milestone == MILESTONES[0]:
            chatter(switches, engine.key)
    engine.ready = True
    flood(switches["flood_s"])
    if switches["exit_after_s"] is not None:
        time.sleep(switches["exit_after_s"])
        sys.stderr.flush()
        os._exit(switches["exit_code"])


def chatter(switches: dict[str, Any], key: str) -> None:
    for number in range(switches["lines"]):
        say(f"line {number}")
    if switches["no_newline_bytes"]:
        sys.stderr.write("x" * switches["no_newline_bytes"])
    if switches["leak"]:
        say(f"the key is {key}")


def flood(seconds: float) -> None:
    """Lines that are numbered from 0, for so long; the last one says how many there were."""
    deadline, number = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        sys.stderr.write("".join(f"flood {number + one:012d}\n" for one in range(1000)))
        number += 1000
    if number:
        say(f"flooded {number} lines")


def family(switches: dict[str, Any]) -> None:
    """Rename, and start the children."""
    if switches["title"]:
        import setproctitle

        setproctitle.setproctitle(switches["title"])
    held = share(switches["shared"]) if switches["shared"] else ()
    for _ in range(switches["children"]):
        subprocess.Popen([sys.executable, "-c", CHILD, "child"], pass_fds=held)
    for _ in range(switches["daemons"]):
        null = subprocess.DEVNULL
        subprocess.Popen([sys.executable, "-c", CHILD, "daemon"], env={}, stdin=null, stdout=null, stderr=null).wait()
    for argv in switches["spawn"]:
        subprocess.Popen(argv)


def share(name: str) -> tuple[int, ...]:
    """Make the block, and with it Python's resource tracker; returns the pipe to that, which children inherit."""
    from multiprocessing import resource_tracker, shared_memory

    shared_memory.SharedMemory(name, create=True, size=MIB)
    pipe = resource_tracker._resource_tracker._fd  # type: ignore[attr-defined]
    return (int(pipe),)


def record_signals(switches: dict[str, Any]) -> None:
    def note(number: int, _: Any) -> None:
        with open(switches["record_signals"], "a", encoding="ascii") as file:
            file.write(f"{number}\n")
        if number == signal.SIGTERM and not switches["ignore_term"]:
            os._exit(0)

    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGPIPE}:
        signal.signal(number, note)


def configured(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read().partition("api-key:")[2].strip().strip("'")


def main() -> None:
    if "--help" in sys.argv:
        sys.stdout.write("\n".join(FLAGS) + "\n")
        return
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--alias", "--served-model-name", default="scripted")
    parser.add_argument("--config", type=configured, default=None)  # SGLang's, with its key
    parser.add_argument("--api-key", default=os.environ.get("LLAMA_API_KEY", os.environ.get("VLLM_API_KEY", "")))
    options, _ = parser.parse_known_args()
    options.api_key = options.config or options.api_key
    engine = Engine(json.loads(os.environ.get("SCRIPT", "{}")), options.alias.split(",")[0], options.api_key)
    if engine.switches["ignore_term"]:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    switches = engine.switches
    if switches["record_signals"]:
        record_signals(switches)
    if switches["refuse"]:
        sys.exit(f"error: invalid argument: {switches['refuse']}")
    family(switches)
    time.sleep(switches["start_s"])
    Handler.engine = engine
    server = Server((options.host, options.port + switches["port_offset"]), Handler)
    threading.Thread(target=load, args=(engine,), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
