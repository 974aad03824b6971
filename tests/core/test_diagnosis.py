"""Causes from recorded output. Where nothing else is said: xllamacpp 2026.10.11549 (llama.cpp b11549), 2026-11-24."""

from __future__ import annotations

import signal

import pytest

from studio_core.engines.diagnosis import diagnose
from studio_core.engines.registry import find
from studio_core.wire import Exit

MISSING = """\
0.00.004.671 I srv    load_model: loading model '/models/nope.gguf'
0.00.004.917 E gguf_init_from_file: failed to open GGUF file '/models/nope.gguf' (No such file or directory)
0.00.005.045 E llama_model_load: error loading model: llama_model_loader: failed to load model from /models/nope.gguf
0.00.005.083 E common_fit_params: encountered an error while trying to fit params to free device memory: failed to load model
0.00.005.104 E srv    load_model: failed to load model, '/models/nope.gguf'
0.00.005.393 E srv          init: exiting due to model loading error"""
CUT = """\
0.00.005.032 E gguf_init_from_reader: failed to read key-value pairs
0.00.005.062 E llama_model_load: error loading model: llama_model_loader: failed to load model from cut.gguf
0.00.005.113 E srv    load_model: failed to load model, 'cut.gguf'
0.00.005.348 E srv          init: exiting due to model loading error"""
PORT = """\
0.00.003.386 E srv         start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 45811
0.00.003.387 I srv    operator(): operator(): cleaning up before exit...
0.00.003.464 E srv          init: exiting due to HTTP server error"""
# Built from the formats in llama.cpp b11434's source, not recorded here.
ARCH = "llama_model_load: error loading model: unknown model architecture: 'newllama'\nexiting due to model loading error"
GPU = "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 8192.00 MiB on device 0: cudaMalloc failed: out of memory"


@pytest.mark.parametrize(("output", "title", "evidence"), [
    (MISSING, "the model file /models/nope.gguf is not there", "No such file or directory"),
    (CUT, "the model file is damaged or incomplete", "failed to read key-value pairs"),
    (PORT, "port 45811 on 127.0.0.1 cannot be bound", "couldn't bind HTTP server socket"),
    ("error: invalid argument: --nope", "llama-server does not know --nope", "--nope"),
    (ARCH, "this llama.cpp does not know the architecture newllama", "unknown model architecture"),
    (GPU, "the GPU has too little free memory", "cudaMalloc failed"),
    ("exiting due to model loading error", "the model could not be loaded", "exiting due to"),
    ("./llama-server: error while loading shared libraries: libcuda.so.1: cannot open",
     "the shared library libcuda.so.1 is missing", "libcuda"),
    ("write error: No space left on device", "the disk is full", "No space left"),
    ("cannot execute /opt/llama: Permission denied", "cannot execute /opt/llama: Permission denied", "cannot execute"),
    ("ModuleNotFoundError: No module named 'xllamacpp'", "xllamacpp is not installed", "xllamacpp"),
])
def test_a_known_cause(output: str, title: str, evidence: str) -> None:
    failure = diagnose(find("llamacpp"), output.splitlines(), Exit(code=1))
    assert failure.title == title
    assert evidence in failure.detail
    assert failure.hint
    assert failure.lines == output.splitlines()


@pytest.mark.parametrize(("end", "title"), [
    (Exit(code=3), "the engine ended with exit code 3"),
    (Exit(), "the engine ended, its exit status is unknown"),
    (None, "the engine ended, its exit status is unknown"),
    (Exit(signal=signal.SIGKILL), "the engine was killed (SIGKILL)"),
    (Exit(signal=signal.SIGILL), "the engine uses instructions that this CPU lacks (SIGILL)"),
    (Exit(signal=signal.SIGHUP), "the engine was ended by signal 1"),
])
def test_without_a_known_line_the_exit_speaks(end: Exit | None, title: str) -> None:
    failure = diagnose(find("llamacpp"), ["something", "else"], end)
    assert failure.title == title
    assert failure.lines == ["something", "else"]


def test_a_cause_comes_before_its_signal_and_a_signal_before_a_consequence() -> None:
    assert diagnose(find("llamacpp"), [GPU], Exit(signal=signal.SIGABRT)).title == "the GPU has too little free memory"
    lines = ["exiting due to model loading error"]
    assert diagnose(find("llamacpp"), lines, Exit(signal=signal.SIGKILL)).title == "the engine was killed (SIGKILL)"


def test_lines_are_bounded_and_without_control_characters() -> None:
    lines = [f"\x1b[2J{number}\x07" + "x" * 10_000 for number in range(100)]
    failure = diagnose(find("llamacpp"), lines, Exit(code=1))
    assert len(failure.lines) == 20
    assert failure.lines[-1].startswith("99x")
    assert all(line.isprintable() and len(line) <= 500 for line in failure.lines)


def test_braces_in_a_name_stay_as_they_are() -> None:
    failure = diagnose(find("llamacpp"), ["error: invalid argument: --{0.__class__}"], None)
    assert failure.title == "llama-server does not know --{0.__class__}"
