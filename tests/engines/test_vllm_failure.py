"""Every failure that Studio diagnoses, provoked in a real vLLM through a whole Studio: the cause in words, with its remedy."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from studio_core.engines import inquiry
from studio_core.errors import BadRecipe, PortTaken, StudioError
from tests.engines import vllm_environment
from tests.engines.vllm import hf_model as hf_model
from tests.engines.vllm import vllm as vllm
from tests.engines.vllm_case import Make, changed, half_weights, linked, no_weights, served
from tests.engines.vllm_house import LOADING, NAME, begin, family, instance, over, shared, store, vllm_home
from tests.engines.vllm_run import END_S, START_S, TEST_S
from tests.house import House
from tests.wait import wait_until

pytestmark = [pytest.mark.engines, pytest.mark.timeout(TEST_S), pytest.mark.usefixtures("hf_model")]

# What depends on the memory that is free.
ANY: Any = mock.ANY
# Done to a start when its process is there and has not yet looked.
Act = Callable[[House, Path, ExitStack], None]


def nothing(home: House, model: Path, after: ExitStack) -> None:
    return


def remove_the_folder(home: House, model: Path, after: ExitStack) -> None:
    shutil.rmtree(model)


def take_the_port(home: House, model: Path, after: ExitStack) -> None:
    """Somebody was quicker: the port was free when Studio looked, and vLLM binds it seconds later."""
    after.enter_context(socket.create_server(("127.0.0.1", instance(home).port)))


def kill_the_worker(home: House, model: Path, after: ExitStack) -> None:
    """As the kernel does when memory is short."""
    wait_until(lambda: "VLLM::Worker" in family(instance(home)), START_S, "a worker")
    os.kill(family(instance(home))["VLLM::Worker"][0], signal.SIGKILL)


@dataclass(frozen=True)
class Case:
    """What is wrong with a start; `title` and `hint` are words of the failure's, `change` what its key does to the recipe."""

    name: str
    title: str
    hint: str
    make: Make = served
    fields: Mapping[str, Any] = field(default_factory=dict)
    act: Act = nothing
    until: str = ""
    change: Mapping[str, Any] = field(default_factory=dict)


CASES = (
    Case("port taken", "the port is taken by another process", "leave `port` out", act=take_the_port),
    Case("missing folder", "is neither a folder here nor a hub id", "correct model_path", make=linked, act=remove_the_folder),
    Case("unknown architecture", "does not know the architecture 'MadeUpForCausalLM'", "choose another",
         make=changed({"architectures": ["MadeUpForCausalLM"]})),
    Case("context longer than the model's", "16384 tokens is more than the model was made for", "lower max_model_len",
         fields={"max_model_len": 16384}, change={"max_model_len": 8192}),
    Case("context longer than the KV cache", "131072 tokens needs", "lower max_model_len",
         make=changed({"max_position_embeddings": 131072}), fields={"max_model_len": 131072}, change={"max_model_len": 46464}),
    Case("KV space larger than the memory", "400.0 GiB of KV cache are asked for", "lower VLLM_CPU_KVCACHE_SPACE",
         fields={"env_vars": {"VLLM_CPU_KVCACHE_SPACE": "400"}}, change={"env_vars": ANY}),
    Case("killed as by the OOM killer", "was killed", "lack of memory", act=kill_the_worker, until=LOADING),
    Case("wrong parser", "the reasoning parser DeepSeekR1ReasoningParser does not fit", "choose another, or none",
         fields={"reasoning_parser": "deepseek_r1"}, change={"reasoning_parser": "none"}),
    Case("no weights", "the model's folder has no weights", "finish the download", make=no_weights),
    Case("half of the weights", "the weights are damaged or incomplete", "fetch them again", make=half_weights),
)


@pytest.fixture(scope="module")
def home(hf_model: object) -> Iterator[House]:
    with vllm_home() as found:
        yield found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_a_failed_start_names_its_cause_and_the_remedy(home: House, hf_model: Path, tmp_path: Path, case: Case) -> None:
    before, model = shared(), case.make(tmp_path, hf_model)
    store(home, model, **case.fields)
    with ExitStack() as after:
        after.callback(home.client.evict, force=True)
        launch = begin(home, case.until)
        case.act(home, model, after)
        ended = over(home, launch)
    failure = ended.failure
    assert ended.state == "failed" and failure is not None
    assert case.title in failure.title and case.hint in failure.hint, failure
    assert (failure.fix.change if failure.fix else {}) == case.change, failure.fix
    assert failure.evidence
    wait_until(lambda: shared() <= before, END_S, "no shared memory is left")


def test_a_remedy_that_is_applied_by_one_key_works(home: House, hf_model: Path, tmp_path: Path) -> None:
    """The length that the engine itself printed is one with which it starts."""
    model = changed({"max_position_embeddings": 131072})(tmp_path, hf_model)
    store(home, model, max_model_len=131072)
    failure = over(home, begin(home)).failure
    assert failure is not None and failure.fix is not None
    home.client.put_recipe({**home.client.recipe(NAME).recipe, **failure.fix.change})
    assert home.launch(NAME).state == "ready"
    home.client.evict()


REFUSED: tuple[tuple[str, Mapping[str, Any], type[StudioError], str], ...] = (
    ("bad flag", {"extra_args": {"max_num_sequences": 4}}, BadRecipe, "--max-num-seqs"),
    ("wrong type", {"extra_args": {"max_num_batched_tokens": "plenty"}}, BadRecipe, "max_num_batched_tokens"),
    ("wrong choice", {"dtype": "float99"}, BadRecipe, "dtype"),
    ("unknown tool parser", {"tool_call_parser": "no_such_parser"}, BadRecipe, "no_such_parser"),
    ("unknown reasoning parser", {"reasoning_parser": "no_such_parser"}, BadRecipe, "no_such_parser"),
    ("missing folder", {"model_path": "/no/such/model"}, BadRecipe, "model_path"),
)


@pytest.mark.parametrize(("name", "fields", "kind", "words"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_what_the_installed_engine_told_is_refused_before_a_start(
    home: House, vllm: Path, name: str, fields: Mapping[str, Any], kind: type[StudioError], words: str
) -> None:
    inquiry.package(vllm / "bin" / "python", "vllm")
    model = Path(fields.get("model_path", vllm_environment.model_place()))
    store(home, model, **{key: value for key, value in fields.items() if key != "model_path"})
    with ExitStack() as after, pytest.raises(kind) as caught:
        after.callback(home.client.evict, force=True)
        home.client.launch(NAME)
    assert words in caught.value.line() + caught.value.hint


def test_a_port_that_is_held_is_refused_before_a_start(home: House) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        store(home, port=holder.getsockname()[1])
        ended = home.client.launch(NAME, wait=True)
    assert ended.state == "failed" and ended.failure is not None and ended.instance_id is None
    assert ended.failure.code == PortTaken.code
