"""What the gateway is measured against: nginx, the engines' own routers, LiteLLM, and the least that our way of building costs.

nginx is taken where it is installed. The others get a virtual environment of their own in the cache folder, built when they are
asked for: `--peers`, or STUDIO_BENCH_PEERS with their names or `all`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from studio_core.bench.premises import until
from studio_core.bench.way import MODEL, PROXY_CORE, Way
from studio_core.errors import StudioError
from studio_core.paths import cache_dir
from studio_core.supervisor import port

VARIABLE = "STUDIO_BENCH_PEERS"
# LiteLLM imports for 8 s on a quiet machine.
START_S = 180.0
NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder}; client_max_body_size 64m; client_body_buffer_size 16m;
  keepalive_requests 1000000;
  upstream stub {{ server 127.0.0.1:{stub}; keepalive 1024; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port}; tcp_nodelay on;
    location / {{
      proxy_pass http://stub; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
      proxy_request_buffering on; proxy_read_timeout 300s;
    }}
  }}
}}
"""
LITELLM = """
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: "http://127.0.0.1:{stub}/v1", api_key: none}}
general_settings: {{master_key: {key}}}
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a peer is to run, whereto it relays, and the key that it is called with."""

    folder: Path
    stub: int
    port: int
    key: str

    def written(self, name: str, text: str) -> str:
        path = self.folder / name
        known = {"folder": self.folder, "stub": self.stub, "port": self.port, "model": MODEL, "key": self.key}
        path.write_text(text.format(**known), encoding="utf-8")
        return str(path)


@dataclass(frozen=True, slots=True)
class Peer:
    """`argv` from its folder of programs and its place; `package` is what pip installs, "" where nothing is to be built."""

    argv: Callable[[Path, Place], list[str]]
    package: str = ""
    loads: frozenset[str] = frozenset()
    env: Mapping[str, str] = field(default_factory=dict)


def _router(program: Path, place: Place, *more: str) -> list[str]:
    return [str(program), *more, "--host", "127.0.0.1", "--port", str(place.port), "--worker-urls", f"http://127.0.0.1:{place.stub}",
            "--policy", "round_robin", "--prometheus-port", str(port.pick(place.port + 1)), "--log-level", "error"]


PEERS: Mapping[str, Peer] = {
    "nginx": Peer(lambda _, place: ["nginx", "-p", str(place.folder), "-c", place.written("nginx.conf", NGINX),
                                    "-e", str(place.folder / "error.log")]),
    "floor": Peer(lambda _, place: [sys.executable, "-m", "studio_core.bench.floor", str(place.port), str(place.stub)]),
    "vllm-router": Peer(lambda bin_, place: _router(bin_ / "vllm-router", place), "vllm-router==0.1.17"),
    "sglang-router": Peer(lambda bin_, place: _router(bin_ / "sglang-router", place, "launch"), "sglang-router==0.3.2"),
    # Streams of fifty chunks a second are more than it carries.
    "litellm": Peer(
        lambda bin_, place: [str(bin_ / "litellm"), "--config", place.written("litellm.yaml", LITELLM), "--host", "127.0.0.1",
                             "--port", str(place.port), "--num_workers", "1", "--telemetry", "False"],
        # Newer ones want a certifi that pip does not find, and make it download two dozen of them in vain.
        "litellm[proxy]==1.106.2", frozenset({"small", "first", "big"}),
        {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"},
    ),
}


@contextlib.contextmanager
def peers(folder: Path, stub: int, key: str) -> Iterator[tuple[dict[str, Way], dict[str, str]]]:
    """Those that run, and why the others do not."""
    found: dict[str, Way] = {}
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for name, peer in PEERS.items():
            try:
                found[name] = stack.enter_context(_running(name, peer, folder / name, stub, key))
            except (StudioError, OSError, subprocess.SubprocessError) as error:
                missing[name] = " ".join(str(error).split())[:200]
                print(f"  without {name}: {missing[name]}", file=sys.stderr)
        yield found, missing


@contextlib.contextmanager
def _running(name: str, peer: Peer, folder: Path, stub: int, key: str) -> Iterator[Way]:
    programs = _installed(name, peer)
    folder.mkdir()
    place = Place(folder, stub, port.pick(stub + 1), key)
    argv, env = ["taskset", "-c", PROXY_CORE, *peer.argv(programs, place)], {**os.environ, **peer.env}
    with (
        open(folder / "log", "wb") as log,
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env) as process,
    ):
        try:
            until(lambda: process.poll() is not None or _listens(process.pid, place.port), f"{name} listens", START_S)
            if process.poll() is not None:
                raise StudioError(f"{name} ended", (folder / "log").read_text(errors="replace")[-200:])
            yield Way(place.port, _family(process.pid), peer.loads)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()


def _family(pid: int) -> tuple[int, ...]:
    try:
        return pid, *(one.pid for one in psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return (pid,)


def _listens(pid: int, number: int) -> bool:
    """Itself: while one imports for half a minute, another bench on this machine may take the port that was free."""
    return port.listener_belongs(number, set(_family(pid)))


def _installed(name: str, peer: Peer) -> Path:
    """Its folder of programs. Raises StudioError where it was not asked for, or cannot be had."""
    if not peer.package:
        if name == "nginx" and not shutil.which("nginx"):
            raise StudioError("nginx is not installed", "", "apt install nginx-light")
        return Path()
    target = cache_dir() / "bench" / "peers" / peer.package.replace("==", "-")
    if not (target / "whole").exists():
        asked = os.environ.get(VARIABLE, "").split(",")
        if name not in asked and "all" not in asked:
            raise StudioError("it was not asked for", "", f"--peers {name}, or {VARIABLE}={name}")
        _build(peer.package, target)
    return target / "bin"


def _build(package: str, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as log:
        for argv in ([sys.executable, "-m", "venv", str(target)], [str(target / "bin" / "pip"), "install", "--quiet", package]):
            if subprocess.run(argv, stdout=log, stderr=log, check=False).returncode:
                log.seek(0)
                raise StudioError(f"{package} does not install", log.read().decode("utf-8", "replace")[-300:])
    (target / "whole").touch()
