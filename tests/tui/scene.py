"""Contents for the stage: a machine with a GPU or without, models in every state."""

from __future__ import annotations

import math
from pathlib import Path

from studio_core import wire
from studio_tui.view import Link, View
from tests.tui import scene_house
from tests.tui.stage import Stage

GIB = 1024 ** 3


def recipe(recipe_id: str, name: str, **fields: object) -> wire.RecipeView:
    view = wire.RecipeView(
        id=recipe_id, name=name, backend="llamacpp", model_path=f"/models/{recipe_id}.gguf", version=1, status="stopped",
        recipe={"max_model_len": 8192, "gpu_memory_utilization": 0.9, "port": 8000}, last_used_at="2026-11-23T18:04:11+00:00",
        last_load_s=3.2,
    )
    for field, value in fields.items():
        setattr(view, field, value)
    return view


def instance(recipe_id: str, name: str, state: str, **fields: object) -> wire.Instance:
    one = wire.Instance(
        id=f"{recipe_id}-1", recipe_id=recipe_id, name=name, engine="llamacpp", state=state, port=8000, engine_pid=41233,
        shim_pid=41230, age_s=3725.0, served_names=[recipe_id], model_path=f"/models/{recipe_id}.gguf",
    )
    for field, value in fields.items():
        setattr(one, field, value)
    return one


def host(cpu: float = 38.0) -> wire.Host:
    return wire.Host(cpu_percent=cpu, cpu_count=2, load_1m=0.7, memory_total=24 * GIB, memory_used=int(4.1 * GIB),
                     memory_available=int(19.4 * GIB))


def gpu(index: int, used: float, busy: float | None) -> wire.Gpu:
    return wire.Gpu(
        index=index, uuid=f"GPU-{index}", name="NVIDIA H100 80GB HBM3", memory_total=80 * GIB, memory_used=int(used * GIB),
        utilization=busy, temperature=61.0, power_draw=412.0, power_limit=700.0,
    )


FAILURE = wire.Failure(
    title="the model does not fit", detail="llama.cpp could not allocate 9.3 GiB for the key-value cache",
    hint="lower max_model_len to 4096, or quantise the cache: --cache-type-k q8_0",
    lines=["llama_kv_cache_init: failed to allocate buffer for kv cache", "error: failed to create context"],
)


def busy(stage: Stage) -> None:
    """Models in most states, no GPU."""
    stage.gpus = wire.Gpus(reason="the NVIDIA driver is not loaded", host=host())
    stage.recipes = [
        recipe("smollm2", "SmolLM2 135M"), recipe("qwen3-8b", "Qwen3 8B"),
        recipe("llama-70b", "Llama 3.3 70B", backend="vllm", last_load_s=182.0),
        recipe("mistral", "Mistral Small"), recipe("old", "Old one", hold=True, last_used_at=None, last_load_s=None),
        recipe("torn", "Torn", problems=["tp: 3 is no power of two"], last_load_s=None),
    ]
    figures = ((0.3, 92.0), (4.7, 41.0), (140.0, 18.5), (13.2, None), (7.5, None), (None, None))
    for at, (one, (size, rate)) in enumerate(zip(stage.recipes, figures, strict=True)):
        one.size_bytes = None if size is None else int(size * GIB)
        one.tokens_per_s, one.last_used_age_s = rate, None if one.id == "old" else 7200.0 * (at + 1)
    progress = wire.Progress(stage="loading", percent=41.0, message="loading weights", eta_s=38.0)
    stage.status = wire.Status(
        running=True, process=None, inference_port=8000, launching=None, state_dir="/var/lib/studio",
        controller=wire.Daemon(pid=901, version="0.1.0", age_s=86500.0),
        gateway=wire.Gateway(pid=902, version="0.1.0", age_s=86499.0, host="127.0.0.1", port=8080, connected=True),
        probe=wire.Daemon(pid=905, version="0.1.0", age_s=86400.0),
        instances=[
            instance("smollm2", "SmolLM2 135M", "ready", running=2),
            instance("qwen3-8b", "Qwen3 8B", "loading", port=8001, progress=progress, age_s=22.0),
            instance("llama-70b", "Llama 3.3 70B", "starting", port=8002, age_s=14.0, engine="vllm"),
            instance("mistral", "Mistral Small", "failed", failure=FAILURE, port=8003, engine_pid=None, age_s=75.0),
        ],
        notices=["a logout ends Studio and its engines: run loginctl enable-linger"],
    )
    stage.files = [
        wire.LogFile(id="smollm2-1", recipe_id="smollm2", name="SmolLM2 135M", size=48211, live=True, backend="llamacpp"),
        wire.LogFile(id="controller", name="controller", size=9120, live=True),
        wire.LogFile(id="gateway", name="gateway", size=777, live=True),
    ]
    stage.logs = {one.id: [] for one in stage.files}
    stage.logs["smollm2-1"] = log_lines(400)
    stage.logs["controller"] = ["INFO studio: adopted smollm2-1", "WARNING studio: the gateway was restarted"]
    _talk(stage)
    _sums(stage)


def log_lines(count: int) -> list[str]:
    """A log as llama.cpp writes it."""
    lines = [
        "load_model: loading model '/models/smollm2.gguf'", "llama_model_loader: loaded meta data with 37 key-value pairs",
        "print_info: n_ctx_train = 8192", "warning: the tokenizer has no bos token", "srv  update_slots: all slots are idle",
        "slot launch_slot_: id 0 | task 12 | processing task", "error: request 7 was cancelled by its client",
    ]
    return [f"{at:6d} {lines[at % len(lines)]}" for at in range(count)]


def _talk(stage: Stage) -> None:
    code = "Yes:\n\n```python\nfor n in (2, 3, 5):\n    print(n)\n```\n\n- it prints **three** primes\n- and nothing else"
    stage.chats["c1"] = wire.Chat(
        session=wire.ChatSession(id="c1", title="Primes in Python", model="smollm2", message_count=4),
        messages=[
            message("c1", "user", "What is a prime?"),
            message("c1", "assistant", "A number above 1 that only 1 and itself divide.", request_completion_tokens=14),
            message("c1", "user", "Show me some in Python."),
            message("c1", "assistant", code, request_completion_tokens=58),
        ],
    )
    stage.chats["c2"] = wire.Chat(session=wire.ChatSession(id="c2", title="A letter to the landlord", message_count=0))
    stage.turn = [
        ("message", {}), *(("delta", {"content": word}) for word in ("Two", ", three", ", **five**", ".")),
        ("usage", {"prompt_tokens": 9, "completion_tokens": 7}),
        ("done", wire.to_builtins(message("c1", "assistant", "Two, three, **five**."))),
    ]


def message(chat_id: str, role: str, content: str, **fields: object) -> wire.ChatMessage:
    one = wire.ChatMessage(id=f"{role}-{len(content)}", session_id=chat_id, role=role, content=content)
    one.model = "smollm2" if role == "assistant" else None
    for field, value in fields.items():
        setattr(one, field, value)
    return one


def _sums(stage: Stage) -> None:
    stage.usage = {
        "totals": {"total_requests": 12407, "prompt_tokens": 8120443, "completion_tokens": 1933210, "failed_requests": 31},
        "recent_activity": {"last_24h_requests": 1804, "last_24h_tokens": 1210332},
        "week_over_week": {"this_week": {"requests": 7311, "tokens": 5402118}, "last_week": {"requests": 5096, "tokens": 4651535}},
        "ttft": {"p50_ms": 74.0, "p95_ms": 391.0, "p99_ms": 1204.0},
        "latency": {"p50_ms": 1820.0, "p95_ms": 11040.0, "p99_ms": 31900.0},
        "daily": [
            {"date": f"2026-11-{11 + at}", "requests": 300 + 137 * at % 900, "total_tokens": 200_000 + 53_100 * at}
            for at in range(14)
        ],
        "hourly_pattern": [{"hour": at, "requests": max(0, 400 - (at - 14) ** 2 * 5)} for at in range(24)],
        "by_model": [
            {"model": "smollm2", "requests": 9120, "prompt_tokens": 5120443, "completion_tokens": 933210, "avg_ttft_ms": 81.0,
             "tokens_per_sec": 61.7, "success_rate": 99.8},
            {"model": "llama-70b", "requests": 3287, "prompt_tokens": 3000000, "completion_tokens": 1000000,
             "avg_ttft_ms": 412.0, "tokens_per_sec": 38.2, "success_rate": 88.4},
        ],
    }
    scene_house.furnish(stage)
    stage.config = {"settings": [
        {"name": "host", "value": "127.0.0.1", "origin": "default", "doc": "address on which the gateway listens"},
        {"name": "port", "value": 8081, "origin": "environment VLLM_STUDIO_PORT", "doc": "port on which the gateway listens"},
        {"name": "api_key", "value": "***", "origin": "/home/ada/studio.yaml", "doc": "a key with every scope"},
        {"name": "exclusive", "value": True, "origin": "default", "doc": "one model at a time: a launch stops what runs"},
    ]}


def large(stage: Stage) -> None:
    """A machine with eight GPUs."""
    busy(stage)
    stage.gpus = wire.Gpus(
        gpus=[gpu(at, 9.0 * at + 4, (12 * at + 7) % 101 if at != 3 else None) for at in range(8)], count=8, host=host(21.0)
    )
    stage.gpus.gpus[7].lost = True


def machine(gpus: int = 8) -> View:
    """What the app knows of a busy machine: models in most states, `gpus` GPUs with twenty processes on eight, histories."""
    stage = Sketch()
    busy(stage)
    names = ["cpu", "memory", "tokens_out", "tokens_in", "running", "ttft", *(["gpu", "gpu_memory", "power"] if gpus else [])]
    series = {name: _wave(at) for at, name in enumerate([*names, *(f"gpu:GPU-{index}" for index in range(gpus))])}
    if gpus:
        stage.gpus = wire.Gpus(gpus=[_working(at) for at in range(gpus)], count=gpus, host=host(21.0))
    metrics = wire.ModelMetrics(instance_id="smollm2-1", recipe_id="smollm2", tokens_in_s=1200.4, tokens_out_s=61.2, ttft_ms=81.0)
    return View(
        link=Link("live", "gpu1"), status=stage.status, gpus=stage.gpus, recipes=tuple(stage.recipes),
        metrics=wire.Metrics(models=[metrics]), samples=wire.Samples(step_s=10.0, end=900.0, series=series),
    )


class Sketch(Stage):
    """A stage that nobody connects to."""

    def __init__(self) -> None:
        super().__init__(Path("/nonexistent"))


def _working(index: int) -> wire.Gpu:
    one = gpu(index, 9.0 * (index % 8) + 4, (12 * index + 7) % 101)
    one.fan, one.clock, one.pcie_sent, one.pcie_received, one.throttle = 45.0, 1410.0, 3.4e6 * index, 120e6, []
    one.processes = [
        wire.GpuProcess(
            pid=4100 + 10 * index + at, memory_bytes=(index + 3 - at) * GIB, name=("VLLM::Worker_TP0", "python", "comfy")[at],
            owner=("ada", "grace", "eve")[at], instance_id="smollm2-1" if at == 0 else None,
        )
        for at in range(3 if index < 4 else 2)
    ]
    return one


def _wave(phase: int) -> list[float | None]:
    return [50.0 + 40.0 * math.sin(at / 9 + phase) for at in range(90)]
