"""Whether a recipe fits: measured memory, an engine's share, weights; on GPUs and without."""

from __future__ import annotations

from pathlib import Path

import pytest

from studio_core import wire
from studio_core.models import weight
from studio_core.recipes.recipe import Recipe, parse
from studio_core.supervisor import fit

GIB = 1024**3


def gpu(index: int, free: float, *held: tuple[str, float]) -> wire.Gpu:
    processes = [wire.GpuProcess(pid=at, memory_bytes=int(size * GIB), instance_id=name) for at, (name, size) in enumerate(held)]
    free_bytes = int(free * GIB)
    return wire.Gpu(
        index=index, uuid=f"GPU-{index}", name="G", memory_total=80 * GIB, memory_free=free_bytes, processes=processes
    )


def recipe(**fields: object) -> Recipe:
    return parse({"id": "r", "model_path": "/m", "backend": "vllm", **fields})


def test_the_gpus_of_a_recipe_are_those_it_names_or_as_many_as_it_spreads_over() -> None:
    gpus = [gpu(at, 80.0) for at in range(4)]
    gpus[0].lost = True
    assert [one.index for one in fit.chosen(recipe(tp=2), gpus)] == [1, 2]
    assert [one.index for one in fit.chosen(recipe(gpus=["3", "GPU-1"]), gpus)] == [1, 3]
    assert len(fit.chosen(recipe(backend="llamacpp"), gpus)) == 3


@pytest.mark.parametrize(("backend", "learned", "weights", "gpus", "found"), [
    ("vllm", 30 * GIB, 20 * GIB, 1, fit.Need(30 * GIB, "measured")),
    ("vllm", None, 20 * GIB, 1, fit.Need(72 * GIB, "share")),
    ("vllm", None, 20 * GIB, 0, fit.Need(20 * GIB, "files")),
    ("llamacpp", None, 20 * GIB, 1, fit.Need(20 * GIB, "files")),
    ("llamacpp", None, None, 1, fit.Need()),
])
def test_what_a_recipe_needs(backend: str, learned: int | None, weights: int | None, gpus: int, found: fit.Need) -> None:
    assert fit.need(recipe(backend=backend), [gpu(at, 80.0) for at in range(gpus)], learned, weights) == found


def test_what_leaves_gives_its_memory_back() -> None:
    gpus = [gpu(0, 10.0, ("old", 60.0), ("other", 10.0)), gpu(1, 70.0, ("old", 5.0))]
    assert fit.space(gpus, wire.Host(), ["old"], 1) == fit.Space(145 * GIB, fit.GPU)
    assert fit.space([], wire.Host(memory_available=7 * GIB), ["old"], 2 * GIB) == fit.Space(9 * GIB, fit.HOST)
    gpus[0].memory_free = None
    assert fit.space(gpus, wire.Host(), [], 0) == fit.Space(None, fit.GPU)


@pytest.mark.parametrize(("need", "free", "told"), [
    (fit.Need(4 * GIB, "measured"), 4, True), (fit.Need(5 * GIB, "share"), 4, False), (fit.Need(5 * GIB, "files"), 4, False),
    (fit.Need(4 * GIB, "files"), 4, None), (fit.Need(3 * GIB, "files"), 4, True), (fit.Need(), 4, None),
])
def test_fits(need: fit.Need, free: int, told: bool | None) -> None:
    assert fit.fits(need, fit.Space(free * GIB, fit.GPU)) is told
    assert fit.fits(need, fit.Space(None, fit.GPU)) is None


def test_the_weight_of_a_model(tmp_path: Path) -> None:
    lone = tmp_path / "one.gguf"
    lone.write_bytes(b"1" * 7)
    for part in (1, 2):
        (tmp_path / f"big-0000{part}-of-00002.gguf").write_bytes(b"1" * 10)
    folder = tmp_path / "hf"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert weight.size(str(folder)) is None
    (folder / "model-1.safetensors").write_bytes(b"1" * 5)
    (folder / "pytorch_model.bin").write_bytes(b"1" * 500)
    assert weight.size(str(lone)) == 7
    assert weight.size(str(tmp_path / "big-00001-of-00002.gguf")) == 20
    assert weight.size(str(folder)) == 5, "the same weights in a second format do not count"
    assert weight.size("/nowhere/x.gguf") is None and weight.size("org/unknown", {"HOME": str(tmp_path)}) is None
    lone.write_bytes(b"1" * 9)
    assert weight.size(str(lone)) == 9
