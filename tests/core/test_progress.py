"""Milestones from bytes, in whatever pieces they come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from studio_core.engines.engine import Engine, Milestone
from studio_core.engines.progress import MilestoneReader
from studio_core.engines.registry import find

# Printed by xllamacpp 2026.10.11549 (llama.cpp b11549) with --verbosity 4 on 2026-11-24; in between lines left out.
RECORDED = b"""\
0.00.000.367 I srv          init: initializing ...
0.00.005.056 I srv    load_model: loading model '/models/SmolLM2-135M-Instruct.Q4_1.gguf'
0.00.220.972 I common_fit_params: successfully fit params to free device memory
0.00.235.035 I llama_model_loader: loaded meta data with 33 key-value pairs and 272 tensors from /models/S.gguf
0.00.369.326 I load: token to piece cache size = 0.3170 MB
0.00.369.426 I load_tensors: loading model tensors, this can take a while... (load_mode = mmap)
0.00.377.939 I load_tensors:   CPU_Mapped model buffer size =    92.10 MiB
0.00.381.159 I llama_kv_cache:        CPU KV buffer size =    45.00 MiB
0.00.471.257 I sched_reserve:        CPU compute buffer size =    16.64 MiB
0.00.471.310 I cmn  common_init_: warming up the model with an empty run - please wait ... (--no-warmup to disable)
0.00.501.640 I srv    load_model: initializing, n_slots = 1, n_ctx_slot = 2048, kv_unified = 'false'
0.00.505.123 I srv          init: model loaded
0.00.505.129 I srv          init: listening on http://127.0.0.1:36365
"""
PERCENTS = [2, 5, 10, 15, 25, 30, 72, 82, 88, 90, 95, 99, 100]


@dataclass
class Bars:
    """Only what the reader looks at: the shape of an engine whose loader draws bars (vLLM)."""

    signatures = ()
    milestones = (
        Milestone("start", re.compile(r"Starting to load model"), 12, "loading"),
        Milestone("shards", re.compile(r"Loading shards: +(?P<pct>\d+)% Completed"), 12, "loading shards", 60),
    )


def read(engine: Engine, data: bytes, cuts: list[int]) -> list[float | None]:
    reader, found, start = MilestoneReader(engine), [], 0
    for cut in [*sorted(cuts), len(data)]:
        if (progress := reader.feed(data[start:cut])) is not None:
            found.append(progress.percent)
        start = cut
    return found


def test_every_recorded_line_moves_it() -> None:
    ends = [at + 1 for at, byte in enumerate(RECORDED) if byte == 10]
    assert read(find("llamacpp"), RECORDED, ends) == PERCENTS


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, len(RECORDED)), max_size=200))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    found = read(find("llamacpp"), RECORDED, cuts)
    assert found[-1] == 100
    assert found == [percent for percent in PERCENTS if percent in found]


def test_one_byte_at_a_time() -> None:
    assert read(find("llamacpp"), RECORDED, list(range(len(RECORDED)))) == PERCENTS


def test_a_bar_redrawn_with_carriage_returns() -> None:
    bars = cast("Engine", cast("Any", Bars()))
    data = b"Starting to load model x\n" + b"".join(b"\rLoading shards: %3d%% Completed | " % part for part in (0, 25, 100)) + b"\n"
    assert read(bars, data, list(range(len(data)))) == [12, 24, 60]


def test_it_never_goes_back() -> None:
    reader = MilestoneReader(find("llamacpp"))
    reader.feed(b"srv x: KV buffer\nx CPU KV buffer size = 1 MiB\n")
    assert reader.feed(b"load_model: loading model 'x'\n") is None
    assert reader.progress.percent == 82


def test_no_milestone_is_no_percent() -> None:
    reader = MilestoneReader(find("llamacpp"))
    assert reader.feed(b"hello\nworld\n") is None
    assert reader.progress.percent is None


def test_terminal_sequences_are_left_out_of_the_message() -> None:
    reader = MilestoneReader(find("llamacpp"))
    progress = reader.feed(b"\x1b[31mload_model: \x1b]0;owned\x07loading model '\x9b2J[red]evil'\n")
    assert progress is not None
    assert progress.message.isprintable()
    assert progress.message.startswith("load_model: loading model '")


def test_a_line_without_end_takes_no_memory() -> None:
    reader = MilestoneReader(find("llamacpp"))
    for _ in range(1000):
        reader.feed(b"x" * 10_000)
    assert len(reader._rest) <= 4096
    assert reader.feed(b"\nsrv init: model loaded\n") is not None
