"""Prometheus text: vLLM Studio's series under their names, and ours. Labels are bounded by recipes, GPUs and states."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from studio_core import wire

BUCKETS = (10, 30, 60, 120, 300, 600)
# A metric whose label comes from a person's names keeps this many; the rest is counted together.
LABEL_LIMIT = 200
OTHER = "other"


class Exporter:
    """Its own registry, so that nothing of the process leaks in and tests do not meet. `switched` counts launches."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._recipes: set[str] = set()
        self._switches = self._counter("model_switches", "launches that became ready", "recipe_id", "backend")
        self._failures = self._counter("model_launch_failures", "launches that failed", "recipe_id", "backend")
        self._duration = Histogram(
            "vllm_studio_model_switch_duration_seconds", "from the request to ready", registry=self._registry, buckets=BUCKETS
        )
        self._active = self._gauge("active_model_info", "1 for a model that is ready", "model_path", "backend", "served_name")
        self._up = self._gauge("inference_server_up", "1 while a model is ready")
        self._gpu = {
            "memory_used": self._gauge("gpu_memory_used_bytes", "memory in use", "gpu_id", "gpu_name"),
            "memory_total": self._gauge("gpu_memory_total_bytes", "memory of the GPU", "gpu_id", "gpu_name"),
            "utilization": self._gauge("gpu_utilization_percent", "share of time with a kernel running", "gpu_id", "gpu_name"),
            "temperature": self._gauge("gpu_temperature_celsius", "temperature", "gpu_id", "gpu_name"),
            "power_draw": self._gauge("gpu_power_watts", "power drawn", "gpu_id", "gpu_name"),
        }
        self._listeners = self._gauge("sse_active_connections", "listeners of the event stream", "channel")
        self._events = self._gauge("sse_events_published_total", "events published")
        self._instances = self._gauge("instances", "instances by state", "state")
        self._inflight = self._gauge("requests_in_flight", "requests that an engine answers now", "recipe_id")
        self._waiting = self._gauge("requests_waiting", "requests that wait for a model", "recipe_id")
        self._foreign = self._gauge("foreign_engine_requests", "what an attached engine says of itself", "name", "state")
        self._gateway = self._gauge("gateway_connected", "1 while a gateway holds its link")
        self._uptime = self._gauge("controller_uptime_seconds", "age of the controller")

    def _counter(self, name: str, doc: str, *labels: str) -> Counter:
        return Counter(f"vllm_studio_{name}", doc, labels, registry=self._registry)

    def _gauge(self, name: str, doc: str, *labels: str) -> Gauge:
        return Gauge(f"vllm_studio_{name}", doc, labels, registry=self._registry)

    def switched(self, recipe_id: str, backend: str, success: bool, seconds: float) -> None:
        """A launch is over."""
        if recipe_id not in self._recipes and len(self._recipes) >= LABEL_LIMIT:
            recipe_id = OTHER
        self._recipes.add(recipe_id)
        (self._switches if success else self._failures).labels(recipe_id, backend).inc()
        if success:
            self._duration.observe(seconds)

    def text(self, status: wire.Status, gpus: wire.Gpus, events: Mapping[str, Any]) -> bytes:
        """The exposition of this moment."""
        self._set_models(status)
        self._set_gpus(gpus)
        self._set_foreign(status)
        self._listeners.labels("default").set(events["total_subscribers"])
        self._events.set(events["total_events_published"])
        self._gateway.set(status.gateway.connected)
        self._uptime.set(status.controller.age_s)
        return generate_latest(self._registry)

    def _set_models(self, status: wire.Status) -> None:
        for gauge in (self._active, self._instances, self._inflight, self._waiting):
            gauge.clear()
        ready = [one for one in status.instances if one.state == "ready"]
        self._up.set(bool(ready))
        for one in ready:
            self._active.labels(one.model_path, one.engine, next(iter(one.served_names), "")).set(1)
        for state, count in Tally(one.state for one in status.instances).items():
            self._instances.labels(state).set(count)
        for one in status.instances[:LABEL_LIMIT]:
            self._inflight.labels(one.recipe_id).set(one.running)
            self._waiting.labels(one.recipe_id).set(one.waiting)

    def _set_foreign(self, status: wire.Status) -> None:
        """Attached engines only, and what they do not tell has no sample."""
        self._foreign.clear()
        for one in status.foreign[:LABEL_LIMIT]:
            for state, count in (("running", one.running), ("waiting", one.waiting)):
                if one.attached and count is not None:
                    self._foreign.labels(one.attached, state).set(count)

    def _set_gpus(self, gpus: wire.Gpus) -> None:
        """What the driver does not give has no sample."""
        for field, gauge in self._gpu.items():
            gauge.clear()
            for gpu in gpus.gpus:
                value = getattr(gpu, field)
                if value is not None:
                    gauge.labels(str(gpu.index), gpu.name).set(value)
