"""What a real vLLM is made to do: every way to fail that Studio diagnoses, and the good start, as a table."""

from __future__ import annotations

import json
import shutil
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.engines.vllm_run import END_S, READY, START_S, Act, Run, comm_of

# The folder to serve, made from the real model's in a scratch folder.
Make = Callable[[Path, Path], Path]


def served(scratch: Path, model: Path) -> Path:
    """The real model as it is."""
    return model


def missing(scratch: Path, model: Path) -> Path:
    return scratch / "no-such-model"


def on_the_hub(scratch: Path, model: Path) -> Path:
    return Path("no-such-owner/no-such-model")


def changed(config: Mapping[str, Any], without: tuple[str, ...] = (), files: Mapping[str, str] | None = None) -> Make:
    """The real model with other keys in its config.json, keys taken away, and more files; the weights are a link."""
    def make(scratch: Path, model: Path) -> Path:
        folder = linked(scratch, model)
        told = {**json.loads((model / "config.json").read_text("utf-8")), **config}
        (folder / "config.json").unlink()
        (folder / "config.json").write_text(json.dumps({key: told[key] for key in told if key not in without}), "utf-8")
        for name, text in (files or {}).items():
            (folder / name).write_text(text, "utf-8")
        return folder

    return make


def linked(scratch: Path, model: Path) -> Path:
    """A folder of links to the real model's files."""
    folder = scratch / "model"
    folder.mkdir()
    for path in model.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


def no_weights(scratch: Path, model: Path) -> Path:
    folder = linked(scratch, model)
    (folder / "model.safetensors").unlink()
    return folder


def half_weights(scratch: Path, model: Path) -> Path:
    """As an interrupted download leaves it."""
    folder = no_weights(scratch, model)
    shutil.copyfile(model / "model.safetensors", folder / "model.safetensors")
    with (folder / "model.safetensors").open("r+b") as stream:
        stream.truncate(100_000_000)
    return folder


def no_tokenizer(scratch: Path, model: Path) -> Path:
    folder = linked(scratch, model)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    return folder


def until_end(run: Run) -> None:
    run.process.wait(START_S)


def stopped(run: Run) -> None:
    run.until(READY)
    run.end(signal.SIGTERM)


def told_to_end(number: int, words: str, group: bool = False) -> Act:
    """A signal when it has said these words, to the front process or to its group, and END_S for it to end."""
    def act(run: Run) -> None:
        run.until(words)
        run.end(number, group)

    return act


def killed(comm: str, words: str) -> Act:
    """SIGKILL to one of its processes when it has said these words: what the kernel does when memory is short."""
    def act(run: Run) -> None:
        run.until(words)
        run.named(comm).send_signal(signal.SIGKILL)
        run.process.wait(END_S)

    return act


def swept(spare: str = "") -> Act:
    """SIGKILL to the whole family when ready, but for processes of this name."""
    def act(run: Run) -> None:
        run.until(READY)
        for one in run.family():
            if comm_of(one.pid) != spare:
                one.kill()
        run.process.wait(END_S)

    return act


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Somebody else listens on the port."""
    with socket.create_server(("127.0.0.1", port)):
        yield


@dataclass(frozen=True)
class Case:
    """One recording. `flags` follow the ordinary ones."""

    name: str
    about: str
    flags: tuple[str, ...] = ()
    make: Make = served
    env: Mapping[str, str] = field(default_factory=dict)
    act: Act = until_end
    port_taken: bool = False
    eager: bool = True


FIRST, LOADING = "non-default args", "Starting to load model"
COMPILING = "Warming up model for the compilation"
# Relative to the run's own folder, so that nothing is there yet.
COLD = {"VLLM_CACHE_ROOT": "cache", "TORCHINDUCTOR_CACHE_DIR": "inductor"}
AUTO_MAP = {"AutoConfig": "configuration_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}
CASES = (
    Case("good", "ready, then SIGTERM", act=stopped),
    Case("good_compiled", "ready with torch.compile, its cache empty; then SIGTERM", env=COLD, act=stopped, eager=False),
    Case("port_taken", "another process listens on the port", port_taken=True),
    Case("missing_folder", "the model's folder does not exist", make=missing, env={"HF_HUB_OFFLINE": "0"}),
    Case("missing_folder_offline", "the model's folder does not exist, and the hub is off", make=missing),
    Case("hub_offline", "a hub's model that is not in the cache, and the hub is off", make=on_the_hub),
    Case("bad_flag", "a flag that it does not have", ("--no-such-flag",)),
    Case("bad_flag_value", "a flag that it does not have, with a value", ("--max-num-sequences", "4")),
    Case("wrong_type", "text for a whole number", ("--max-model-len", "plenty")),
    Case("wrong_type_float", "text for a fraction", ("--gpu-memory-utilization", "half")),
    Case("wrong_range", "a fraction above one", ("--gpu-memory-utilization", "1.5")),
    Case("wrong_choice", "a value that is not among the choices", ("--dtype", "float99")),
    Case("wrong_json", "no JSON for a flag that takes it", ("--compilation-config", "{level")),
    Case("value_missing", "a flag without its value", ("--max-num-seqs",)),
    Case("unknown_architecture", "config.json names an architecture that it does not have",
         make=changed({"architectures": ["MadeUpForCausalLM"]})),
    Case("unknown_model_type", "config.json names a model_type that transformers does not have",
         make=changed({"architectures": ["MadeUpForCausalLM"], "model_type": "made_up"})),
    Case("trust_remote_code", "config.json names code of the model's own",
         make=changed({"architectures": ["OwnForCausalLM"], "model_type": "own", "auto_map": AUTO_MAP},
                      files={"configuration_own.py": "", "modeling_own.py": ""})),
    Case("context_too_long", "a context longer than the model's", ("--max-model-len", "16384")),
    Case("kv_space_too_large", "a KV cache larger than the memory", env={"VLLM_CPU_KVCACHE_SPACE": "400"}),
    Case("kv_cache_too_small", "a context that the model allows and the KV cache does not hold", ("--max-model-len", "131072"),
         make=changed({"max_position_embeddings": 131072})),
    Case("killed_worker_loading", "SIGKILL of the worker while it loads", act=killed("VLLM::Worker", LOADING)),
    Case("killed_worker_ready", "SIGKILL of the worker when ready", act=killed("VLLM::Worker", READY)),
    Case("killed_core_loading", "SIGKILL of the engine core while it loads", act=killed("VLLM::EngineCore", LOADING)),
    Case("killed_whole", "SIGKILL of all its processes when ready", act=swept()),
    Case("killed_but_tracker", "SIGKILL of all its processes when ready, but the resource tracker", act=swept("python")),
    Case("stopped_early", "SIGTERM before it has an engine process", act=told_to_end(signal.SIGTERM, FIRST)),
    Case("stopped_loading", "SIGTERM while it loads", act=told_to_end(signal.SIGTERM, LOADING)),
    Case("interrupted_loading", "SIGINT while it loads", act=told_to_end(signal.SIGINT, LOADING)),
    Case("interrupted_compiling", "SIGINT while it compiles for the first time", env=COLD, eager=False,
         act=told_to_end(signal.SIGINT, COMPILING)),
    Case("group_stopped_loading", "SIGTERM to the process group while it loads", act=told_to_end(signal.SIGTERM, LOADING, True)),
    Case("group_stopped_ready", "SIGTERM to the process group when ready", act=told_to_end(signal.SIGTERM, READY, True)),
    Case("unknown_tool_parser", "a tool call parser that it does not have",
         ("--enable-auto-tool-choice", "--tool-call-parser", "no_such_parser")),
    Case("unknown_reasoning_parser", "a reasoning parser that it does not have", ("--reasoning-parser", "no_such_parser")),
    Case("wrong_reasoning_parser", "a reasoning parser that does not fit the tokenizer", ("--reasoning-parser", "deepseek_r1")),
    Case("tool_parser_missing", "automatic tool choice without a parser", ("--enable-auto-tool-choice",)),
    Case("no_weights", "a folder without weights", make=no_weights),
    Case("half_weights", "weights cut off in the middle", make=half_weights),
    Case("no_tokenizer", "a folder without a tokenizer", make=no_tokenizer),
    Case("wrong_quantization", "a quantization that the weights do not have", ("--quantization", "awq")),
    Case("heads_not_divisible", "more parts than the attention heads can be split into", ("--tensor-parallel-size", "2")),
)
