"""What models do, and what they did."""

from __future__ import annotations

from studio_core.wire.model import Model


class ModelMetrics(Model):
    """What an engine says of itself. Rates are of the time since the look before; None: it does not tell, or not yet.

    `kv_usage` is 0 to 1. `ttft_ms` is the mean of the requests that ended their wait since the look before, else the last known.
    """

    instance_id: str
    recipe_id: str
    tokens_in_s: float | None = None
    tokens_out_s: float | None = None
    kv_usage: float | None = None
    ttft_ms: float | None = None
    running: float | None = None
    waiting: float | None = None


class Metrics(Model):
    """The event `metrics`: sums over all models under vLLM Studio's names, and each model."""

    running_requests: int = 0
    pending_requests: int = 0
    kv_cache_usage: float | None = None
    prompt_tokens_total: float = 0.0
    generation_tokens_total: float = 0.0
    prompt_throughput: float | None = None
    generation_throughput: float | None = None
    avg_ttft_ms: float | None = None
    current_power_watts: float | None = None
    models: list[ModelMetrics] = []


class Samples(Model):
    """GET /samples: series of equally long steps, the newest value last; None where nothing was recorded.

    `end` is Unix time at the end of the last step. Names: cpu, memory, gpu, gpu_memory, kv (percent), power (W),
    tokens_in, tokens_out (a second), running, waiting (requests), ttft (ms), and `gpu:<uuid>` for each GPU.
    """

    step_s: float
    end: float
    series: dict[str, list[float | None]] = {}
