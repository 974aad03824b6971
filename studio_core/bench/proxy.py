"""The gateway's data plane beside others and no proxy at all: the same engine, the same client, in one run, interleaved.

The gateway is Studio's own, started as `studio up` does, with a key, the journal on, and one recipe whose engine is the stub.
Ratios are taken per round, and the median of the rounds counts.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from studio_core.bench import endurance
from studio_core.bench.figure import ROUNDS, Row
from studio_core.bench.peer import peers
from studio_core.bench.premises import Premises, premises, until
from studio_core.bench.tool import build
from studio_core.bench.way import LOAD_CORE, MODEL, PROXY_CORE, Figures, Way, load
from studio_core.errors import StudioError

# What llama-server would print: the flags that a recipe's own fields use.
HELP = "--model F\\n--host H\\n--port N\\n--alias A\\n--ctx-size N\\n--metrics\\n"
GATEWAY, DIRECT = "gateway", "direct"
# Mode and options of the load client.
LOADS: Mapping[str, tuple[str, ...]] = {
    "small": ("rps", "-c", "64", "-d", "2"),
    "random": ("stream", "-c", "100", "-t", "100", "-n", "160", "-r", "50"),
    "step": ("stream", "-c", "100", "-t", "100", "-n", "160", "-r", "100050"),
    "many": ("stream", "-c", "800", "-t", "800", "-n", "100", "-r", "50"),
    "first": ("stream", "-c", "1", "-t", "200", "-n", "5", "-r", "0"),
    "big": ("rps", "-c", "1", "-b", "8000000", "-d", "2"),
}
# Settings that a reader of the figures asks for.
SHOWN = frozenset({"host", "api_key", "tls_cert", "queue_limit", "body_limit", "allowed_hosts", "exclusive", "log_level"})
# Of one round of a load: way → figures.
Round = Mapping[str, Figures]
# The value of a way in a round.
Value = Callable[[Round, str], float]


def plain(name: str) -> Value:
    return lambda one, way: one[way][name]


def added(name: str) -> Value:
    """To what it is without a proxy."""
    return lambda one, way: one[way][name] - one[DIRECT][name]


@dataclass(frozen=True, slots=True)
class Figure:
    """A value of a load that is compared with every other way; `aims` where there is one."""

    name: str
    load: str
    value: Value
    unit: str
    aims: Mapping[str, float] = field(default_factory=dict)
    least: bool = False
    scale: float = 1.0


FIGURES = (
    Figure("small requests, 64 connections", "small", plain("rps"), "/s", {"nginx": 0.4, "vllm-router": 2.0}, least=True),
    Figure("processor per small request", "small", plain("cpu_us_per_req"), "us"),
    Figure("added per chunk, random phase", "random", added("chunk.p50"), "us", {"nginx": 1.2}),
    Figure("added per chunk, in step", "step", added("chunk.p50"), "us", {"vllm-router": 1.0}),
    Figure("processor per chunk", "random", plain("cpu_s_per_Mchunk"), "us", {"nginx": 1.3}),
    Figure("added first token", "first", added("ttft.p50"), "us", {"nginx": 1.4}),
    Figure("800 streams x 50/s", "many", plain("chunks_s"), "/s", {DIRECT: 0.97}, least=True),
    Figure("8 MB prompt", "big", plain("req.p50"), "ms", {"nginx": 2.2}, scale=1e-3),
)


def measure() -> list[Row]:
    """Every way's figures, then what needs no comparison, each in a Studio that nobody has used yet.

    A part that fails costs its own rows. What is known is told at once: the whole takes twenty minutes.
    """
    rows: list[Row] = []
    for name, part in PARTS.items():
        print(f"  {name} ...", file=sys.stderr)
        try:
            found = part()
        except (StudioError, TimeoutError, OSError, subprocess.SubprocessError) as error:
            found = [Row(f"proxy: {name}, not measured", 1, "parts", 0.0, " ".join(str(error).split())[:300])]
        for one in found:
            print(f"    {one.name}: {one.value:.3g} {one.unit} ({one.note})", file=sys.stderr)
        rows += found
    return rows


def _beside() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, premises() as home, _ways(home, Path(folder)) as (found, missing, key):
        asked = given_up = 0
        runs: dict[str, list[Round]] = {}
        for name, arguments in LOADS.items():
            runs[name] = _rounds(name, arguments, found, key, missing)
            asked += sum(int(one[GATEWAY]["started"]) for one in runs[name])
            given_up += sum(int(one[GATEWAY]["started"] - one[GATEWAY]["finished"]) for one in runs[name])
        gone, more = endurance.gone(found[GATEWAY], found[DIRECT].port, key)
        failed = [Row(f"proxy: {name}, not measured", 1, "loads", 0.0) for name, rounds in runs.items() if len(rounds) < ROUNDS]
        written = endurance.unwritten(home, asked + more, given_up)
        return [_settings(home), *_compared(runs), *gone, *failed, _missing(missing), written]


def _apart(figure: Callable[[Premises, Way, str], Iterator[Row]]) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, premises() as home:
        engine(home, Path(folder))
        return list(figure(home, _gateway(home), _key(home)))


PARTS: Mapping[str, Callable[[], list[Row]]] = {
    "beside others": _beside, "idle streams": partial(_apart, endurance.idle), "churn": partial(_apart, endurance.churn),
    "acquire": partial(_apart, endurance.acquire),
}


def _rounds(
    name: str, arguments: tuple[str, ...], found: dict[str, Way], key: str, missing: dict[str, str]
) -> list[Round]:
    """Whoever fails a load is left out of the rest of it; without the gateway, or no proxy, there is nothing to compare."""
    rounds: list[Round] = []
    carry = {way: one for way, one in found.items() if not one.loads or name in one.loads}
    for _ in range(ROUNDS):
        print(f"    {name}, round {len(rounds) + 1} of {ROUNDS}", file=sys.stderr)
        told: dict[str, Figures] = {}
        for way, one in list(carry.items()):
            try:
                told[way] = load(one, key, arguments)
            except StudioError as error:
                missing[f"{way} ({name})"] = " ".join(str(error).split())[:100]
                if way in (GATEWAY, DIRECT):
                    return rounds
                del carry[way]
        rounds.append(told)
    return rounds


# The figures.


def _compared(runs: Mapping[str, Sequence[Round]]) -> Iterator[Row]:
    for one in FIGURES:
        rounds = [told for told in runs[one.load] if GATEWAY in told]
        values = {way: _median(rounds, one.value, way) for way in _common(rounds)}
        note = ", ".join(f"{way} {value * one.scale:.3g} {one.unit}" for way, value in values.items() if value is not None)
        for way in values:
            yield from _ratio(one, rounds, way, note)


def _ratio(one: Figure, rounds: Sequence[Round], way: str, note: str) -> Iterator[Row]:
    if way == GATEWAY:
        return
    ratios = [
        one.value(told, GATEWAY) / other for told in rounds
        if way in told and (other := _value(told, one.value, way)) is not None and other > 0
    ]
    if ratios:
        span = f"{min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} rounds; {note}"
        yield Row(f"proxy: {one.name}, over {way}'s", median(ratios), "times", one.aims.get(way), span, one.least)


def _median(rounds: Sequence[Round], value: Value, way: str) -> float | None:
    found = [one for told in rounds if way in told and (one := _value(told, value, way)) is not None]
    return median(found) if found else None


def _value(told: Round, value: Value, way: str) -> float | None:
    """None where it was not measured: nobody is watched on the direct way."""
    try:
        return value(told, way)
    except KeyError:
        return None


def _common(rounds: Sequence[Round]) -> list[str]:
    return list(dict.fromkeys(way for told in rounds for way in told))


def _settings(home: Premises) -> Row:
    """What Studio ran with: the shipped values, and what was set otherwise."""
    listed = home.client.config()["settings"]
    changed = [f"{one['name']}={one['value']}" for one in listed if one["origin"] != "default"]
    gateway = [f"{one['name']}={one['value']}" for one in listed if one["origin"] == "default" and one["name"] in SHOWN]
    note = f"set: {', '.join(changed)}; shipped: {', '.join(gateway)}; a key with every scope, journal on"
    return Row("proxy: settings that differ from the shipped", len(changed), "of " + str(len(listed)), note=note)


def _missing(missing: Mapping[str, str]) -> Row:
    return Row("proxy: not measured", len(missing), "peers", note="; ".join(f"{name}: {why}" for name, why in missing.items()))


# The ways.


@contextlib.contextmanager
def _ways(home: Premises, folder: Path) -> Iterator[tuple[dict[str, Way], dict[str, str], str]]:
    """Direct, through the gateway, through its peers; who is missing; and the key that all are called with."""
    stub, key = engine(home, folder), _key(home)
    with peers(folder, stub, key) as (others, missing):
        yield {DIRECT: Way(stub), GATEWAY: _gateway(home), **others}, missing, key


def _gateway(home: Premises) -> Way:
    pid = home.client.status().gateway.pid or 0
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {int(PROXY_CORE)})
    return Way(home.settings.port, (pid,))


def _key(home: Premises) -> str:
    return home.places.admin_key.read_text(encoding="ascii").strip()


def engine(home: Premises, folder: Path) -> int:
    """The stub as a recipe's engine; its port."""
    binary, model = folder / "stub", folder / "model.gguf"
    binary.write_text(
        f"#!/bin/sh\nif [ \"$1\" = --help ]; then printf -- '{HELP}'; exit; fi\n"
        'while [ "$1" != --port ]; do shift; done\n'
        f'exec taskset -c {LOAD_CORE} {build("sse_stub")} -p "$2"\n', encoding="utf-8",
    )
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    model.write_bytes(b"GGUF and nothing else")
    for name in (MODEL, endurance.OTHER):
        home.client.put_recipe({"id": name, "backend": "llamacpp", "model_path": str(model), "binary": str(binary)})
    found = home.launch(MODEL).port
    until(lambda: home.client.status().gateway.connected, "the gateway is linked")
    return found
