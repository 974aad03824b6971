"""The Prometheus text: vLLM Studio's names, true values, bounded labels."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from studio_core import wire
from studio_core.metrics.exporter import LABEL_LIMIT, Exporter

EVENTS = {"total_subscribers": 2, "total_events_published": 9}


def instance(name: str, state: str = "ready") -> wire.Instance:
    return wire.Instance(
        id=f"{name}-1", recipe_id=name, name=name, engine="llamacpp", state=state, model_path="/m", served_names=[name], running=3
    )


Samples = dict[tuple[str, tuple[str, ...]], float]


def samples(exporter: Exporter, *instances: wire.Instance, gpus: wire.Gpus | None = None) -> Samples:
    """(series, values of its labels in the order of their names) → value."""
    status = wire.Status(running=True, process=None, inference_port=8000, launching=None, instances=list(instances))
    text = exporter.text(status, gpus or wire.Gpus(), EVENTS).decode()
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text) for sample in family.samples
    }


def test_launches_are_counted_and_timed() -> None:
    exporter = Exporter()
    exporter.switched("a", "llamacpp", True, 12.0)
    exporter.switched("a", "llamacpp", False, 1.0)
    found = samples(exporter)
    assert found["vllm_studio_model_switches_total", ("llamacpp", "a")] == 1
    assert found["vllm_studio_model_launch_failures_total", ("llamacpp", "a")] == 1
    assert found["vllm_studio_model_switch_duration_seconds_sum", ()] == 12.0
    assert found["vllm_studio_model_switch_duration_seconds_bucket", ("10.0",)] == 0


def test_what_runs_is_shown_and_what_ended_is_forgotten() -> None:
    exporter = Exporter()
    found = samples(exporter, instance("a"), instance("b", "loading"))
    assert found["vllm_studio_active_model_info", ("llamacpp", "/m", "a")] == 1
    assert found["vllm_studio_inference_server_up", ()] == 1
    assert found["vllm_studio_requests_in_flight", ("a",)] == 3
    assert found["vllm_studio_instances", ("loading",)] == 1
    assert found["vllm_studio_sse_active_connections", ("default",)] == 2
    found = samples(exporter)
    assert found["vllm_studio_inference_server_up", ()] == 0
    assert not [name for name, _ in found if name.endswith(("active_model_info", "requests_in_flight"))]


def test_a_figure_that_the_driver_does_not_give_has_no_sample() -> None:
    gpu = wire.Gpu(index=0, uuid="GPU-1", name="H100", memory_total=100, memory_used=40)
    found = samples(Exporter(), gpus=wire.Gpus(gpus=[gpu], count=1))
    assert found["vllm_studio_gpu_memory_used_bytes", ("0", "H100")] == 40
    assert found["vllm_studio_gpu_memory_total_bytes", ("0", "H100")] == 100
    assert not [name for name, _ in found if "temperature" in name or "utilization" in name]


def test_any_number_of_recipes_makes_a_bounded_number_of_series() -> None:
    exporter = Exporter()
    for number in range(3 * LABEL_LIMIT):
        exporter.switched(f"recipe-{number}", "llamacpp", True, 1.0)
    series = {labels for name, labels in samples(exporter) if name == "vllm_studio_model_switches_total"}
    assert len(series) == LABEL_LIMIT + 1 and ("llamacpp", "other") in series
