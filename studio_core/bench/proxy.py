"""The gateway's data plane beside nginx and no proxy at all: the same stub, the same client, in one run, interleaved.

The gateway is Studio's own, started as `studio up` does, with a key, the journal on, and one recipe whose engine is the stub.
It and nginx have core 0 to themselves; stub and client share core 1.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

from studio_core.bench.figure import Row
from studio_core.bench.premises import Premises, premises, until
from studio_core.bench.tool import build
from studio_core.errors import StudioError
from studio_core.supervisor import port

ROUNDS = 5
OPEN = 1000
MODEL = "stub"
PROXY_CORE, LOAD_CORE = "0", "1"
# What llama-server would print: the flags that a recipe's own fields use.
HELP = "--model F\\n--host H\\n--port N\\n--alias A\\n--ctx-size N\\n--metrics\\n"
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


@dataclass(frozen=True, slots=True)
class Way:
    """One way to the stub: its port, and who is measured (0: nobody)."""

    port: int
    pid: int = 0


# Mode and options of the load client.
LOADS: Mapping[str, tuple[str, ...]] = {
    "small": ("rps", "-c", "64", "-d", "2"),
    "random": ("stream", "-c", "100", "-t", "100", "-n", "160", "-r", "50"),
    "step": ("stream", "-c", "100", "-t", "100", "-n", "160", "-r", "100050"),
    "many": ("stream", "-c", "800", "-t", "800", "-n", "100", "-r", "50"),
    "first": ("stream", "-c", "1", "-t", "200", "-n", "5", "-r", "0"),
    "big": ("rps", "-c", "1", "-b", "8000000", "-d", "2"),
}
Runs = dict[str, dict[str, dict[str, float]]]


def measure() -> list[Row]:
    """Ratios of medians over ROUNDS rounds; then what needs no comparison: memory per open stream, and leaving."""
    with tempfile.TemporaryDirectory() as folder, premises() as home, ways(home, Path(folder)) as (found, key):
        asked = Counter[str]()
        runs = {load: _rounds(found, key, arguments, asked) for load, arguments in LOADS.items()}
        rows = [*_small(runs), *_chunks(runs), *_rest(runs), *_alone(found, key, asked)]
        return [*rows, _journal(home, asked["gateway"])]


def _rounds(found: Mapping[str, Way], key: str, arguments: tuple[str, ...], asked: Counter[str]) -> dict[str, dict[str, float]]:
    """Way → the median of each figure of the client."""
    told: dict[str, list[dict[str, float]]] = {name: [] for name in found}
    for _ in range(ROUNDS):
        for name, way in found.items():
            told[name].append(_load(way, key, arguments))
            asked[name] += int(told[name][-1]["started"])
    return {name: {one: median(each[one] for each in rounds) for one in rounds[0]} for name, rounds in told.items()}


def _load(way: Way, key: str, arguments: tuple[str, ...]) -> dict[str, float]:
    """What the client measured, flat: `chunk.p50` in microseconds, and so on. Raises StudioError."""
    argv = ["taskset", "-c", LOAD_CORE, str(build("sse_load")), *arguments, "-p", str(way.port), "-k", key, "-m", MODEL]
    argv += ["-P", str(way.pid)] if way.pid else []
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    try:
        found = json.loads(done.stdout)
    except ValueError:
        raise StudioError("the load client failed", done.stderr[-300:]) from None
    if found["errors"]:
        raise StudioError("requests failed", f"{found['errors']} of {found['started']}: {' '.join(arguments)}")
    flat = {name: value for name, value in found.items() if isinstance(value, int | float)}
    return flat | {f"{name}.{one}": value for name, many in found.items() if isinstance(many, dict) for one, value in many.items()}


# The figures.


def _small(runs: Runs) -> Iterator[Row]:
    rps = {name: one["rps"] for name, one in runs["small"].items()}
    note = ", ".join(f"{name} {value:.0f}/s" for name, value in rps.items())
    yield Row("proxy: small requests at 64 connections, per second", rps["gateway"], "1/s", note=note)
    if "nginx" in rps:
        yield Row("proxy: small requests over nginx's", rps["gateway"] / rps["nginx"], "times", 0.4, note, least=True)


def _chunks(runs: Runs) -> Iterator[Row]:
    for load, aim in (("random", 1.2), ("step", None)):
        added = _added(runs[load], "chunk.p50")
        note = ", ".join(f"{name} {value:.0f} us" for name, value in added.items())
        yield Row(f"proxy: added per chunk, {load}", added["gateway"], "us", note=note)
        if "nginx" in added:
            yield Row(f"proxy: added per chunk over nginx's, {load}", added["gateway"] / added["nginx"], "times", aim, note)
    cost = {name: one["cpu_s_per_Mchunk"] for name, one in runs["random"].items() if "cpu_s_per_Mchunk" in one}
    note = ", ".join(f"{name} {value:.0f} us" for name, value in cost.items())
    if "nginx" in cost:
        yield Row("proxy: processor per chunk over nginx's", cost["gateway"] / cost["nginx"], "times", 1.3, note)


def _rest(runs: Runs) -> Iterator[Row]:
    added = _added(runs["first"], "ttft.p50")
    note = ", ".join(f"{name} {value:.0f} us" for name, value in added.items())
    if "nginx" in added:
        yield Row("proxy: added first token over nginx's", added["gateway"] / added["nginx"], "times", 1.4, note)
    many = {name: one["chunks_s"] for name, one in runs["many"].items()}
    note = ", ".join(f"{name} {value:.0f}/s" for name, value in many.items())
    yield Row("proxy: 800 streams x 50/s over direct", many["gateway"] / many["direct"], "times", 0.97, note, least=True)
    big = {name: one["req.p50"] for name, one in runs["big"].items()}
    note = ", ".join(f"{name} {value / 1000:.1f} ms" for name, value in big.items())
    if "nginx" in big:
        yield Row("proxy: 8 MB prompt over nginx's", big["gateway"] / big["nginx"], "times", 2.2, note)


def _added(way: Mapping[str, Mapping[str, float]], figure: str) -> dict[str, float]:
    return {name: one[figure] - way["direct"][figure] for name, one in way.items() if name != "direct"}


def _alone(found: Mapping[str, Way], key: str, asked: Counter[str]) -> Iterator[Row]:
    gateway, stub = found["gateway"], found["direct"].port
    left = _load(gateway, key, ("cancel", "-s", str(stub), "-t", "100", "-r", "50"))
    silent = _load(gateway, key, ("cancel", "-s", str(stub), "-t", "100", "-r", "-1"))
    for name, one in (("", left), (", silent", silent)):
        count = f"{one['cancel.n']:.0f} of 100, longest {one['cancel.max'] / 1000:.1f} ms"
        yield Row(f"proxy: client gone to upstream closed{name}", one["cancel.p50"] / 1000, "ms", 1.0, count)
    held = _load(gateway, key, ("hold", "-c", str(OPEN), "-d", "15"))
    each = (held["rss1_mb"] - held["rss0_mb"]) * 1e3 / OPEN
    yield Row("proxy: memory of an idle stream", each, "kB", 10.0, f"{OPEN} open, {held['errors']:.0f} cut")
    asked["gateway"] += sum(int(one["started"]) for one in (left, silent, held))


def _journal(home: Premises, asked: int) -> Row:
    """Every request has its row."""
    def rows() -> int:
        return int(home.client.usage()["totals"]["total_requests"])

    with contextlib.suppress(StudioError):
        until(lambda: rows() >= asked, "the journal is taken in")
    return Row("proxy: requests without a row", abs(asked - rows()), "rows", 0.0, f"{asked} requests")


@contextlib.contextmanager
def ways(home: Premises, folder: Path) -> Iterator[tuple[dict[str, Way], str]]:
    """Direct, nginx where it is installed, and the gateway; and the key that all are called with."""
    instance = _engine(home, folder)
    gateway = home.client.status().gateway.pid or 0
    for task in os.listdir(f"/proc/{gateway}/task"):
        os.sched_setaffinity(int(task), {int(PROXY_CORE)})
    found = {"direct": Way(instance), "gateway": Way(home.settings.port, gateway)}
    with contextlib.ExitStack() as stack:
        if shutil.which("nginx"):
            found["nginx"] = stack.enter_context(_nginx(folder, instance))
        yield found, home.places.admin_key.read_text(encoding="ascii").strip()


def _engine(home: Premises, folder: Path) -> int:
    """The stub as a recipe's engine; its port."""
    binary, model = folder / "stub", folder / "model.gguf"
    binary.write_text(
        f"#!/bin/sh\nif [ \"$1\" = --help ]; then printf -- '{HELP}'; exit; fi\n"
        'while [ "$1" != --port ]; do shift; done\n'
        f'exec taskset -c {LOAD_CORE} {build("sse_stub")} -p "$2"\n', encoding="utf-8",
    )
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    model.write_bytes(b"GGUF and nothing else")
    home.client.put_recipe({"id": MODEL, "backend": "llamacpp", "model_path": str(model), "binary": str(binary)})
    return home.launch(MODEL).port


@contextlib.contextmanager
def _nginx(folder: Path, stub: int) -> Iterator[Way]:
    """nginx with one worker, on the proxy's core. Raises StudioError when it does not come up."""
    number = port.pick(stub + 1)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, stub=stub, port=number), encoding="utf-8")
    argv = ["taskset", "-c", PROXY_CORE, "nginx", "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as master:
        try:
            until(lambda: master.poll() is not None or port.accepts("127.0.0.1", number), "nginx listens")
            worker = next((one.pid for one in psutil.Process(master.pid).children()), master.pid)
            yield Way(number, worker)
        finally:
            master.terminate()
