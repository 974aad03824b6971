"""Sleep, wake and adapters with a scripted engine that poses as vLLM or SGLang: simulated, only a GPU shows the memory."""

from __future__ import annotations

import json
import tempfile
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from studio_core.errors import Conflict, Unavailable
from tests.house import House, house
from tests.wait import wait_until

VLLM = {"backend": "vllm", "model_path": "org/model", "sleep_level": 1}
SGLANG = {**VLLM, "backend": "sglang"}


@pytest.fixture(scope="module")
def home() -> Iterator[House]:
    with tempfile.TemporaryDirectory(prefix="st-") as folder, house(Path(folder)) as found:
        yield found


@pytest.fixture
def one(home: House) -> Iterator[House]:
    """A house in which nothing runs."""
    yield home
    for each in home.client.instances():
        home.client.evict(each.id, force=True)


def asked(one: House, name: str) -> Any:
    """What its engine was asked beside generating."""
    with urllib.request.urlopen(f"http://127.0.0.1:{one.instance(name).port}/asked", timeout=10) as answer:
        return json.load(answer)


def answer(one: House, model: str, **fields: Any) -> Any:
    return json.loads(one.ask(model, **fields).read())


@pytest.mark.parametrize(("fields", "steps"), [
    (VLLM, ["/sleep?level=1", "/wake_up"]),
    ({**VLLM, "sleep_level": 2}, [
        "/sleep?level=2", "/wake_up?tags=weights", '/collective_rpc {"method": "reload_weights"}', "/wake_up?tags=kv_cache",
    ]),
    (SGLANG, ["/release_memory_occupation", "/resume_memory_occupation"]),
    ({**SGLANG, "sleep_level": 2}, [
        "/release_memory_occupation", "/resume_memory_occupation", '/update_weights_from_disk {"model_path": "org/model"}',
    ]),
])
def test_a_request_wakes_what_was_sent_to_sleep(one: House, fields: dict[str, Any], steps: list[str]) -> None:
    one.recipe("one", fields)
    first = one.launch("one")
    slept = one.client.sleep("one")
    assert (slept.state, slept.sleep_level) == ("sleeping", fields["sleep_level"])
    assert one.client.sleep("one").state == "sleeping"
    assert answer(one, "one")["choices"]
    now = one.instance("one")
    assert (now.id, now.state, now.sleep_level, now.engine_pid) == (first.id, "ready", None, first.engine_pid)
    assert asked(one, "one") == steps


def test_it_sleeps_when_idle_instead_of_ending(one: House) -> None:
    one.recipe("one", {**VLLM, "idle_ttl_s": 0.3})
    first = one.launch("one").id
    wait_until(lambda: one.instance("one").state == "sleeping", what="it sleeps")
    assert answer(one, "one")["choices"]
    assert one.instance("one").id == first


def test_a_sleeping_one_is_found_asleep_by_the_next_controller(one: House) -> None:
    one.recipe("one", VLLM)
    first = one.launch("one").id
    one.client.sleep("one")
    pid = one.kill_controller()
    wait_until(lambda: one.status().controller.pid != pid)
    wait_until(lambda: one.instance("one").state == "sleeping", what="it is known to sleep")
    assert one.client.wake("one").state == "ready" and one.instance("one").id == first
    assert answer(one, "one")["choices"]


def test_sleep_waits_for_the_answer_in_flight(one: House) -> None:
    one.recipe("one", VLLM)
    one.launch("one")
    over = one.root / "over"
    stream = one.ask("one", stream=True, until=str(over))
    assert stream.readline().startswith(b"data: ")
    with ThreadPoolExecutor() as beside:
        sleeping = beside.submit(one.client.sleep, "one")
        wait_until(lambda: one.instance("one").state == "draining", what="it waits for the answer")
        over.touch()
        assert sleeping.result().state == "sleeping"
    assert stream.read().endswith(b"data: [DONE]\n\n")


def test_an_engine_that_will_not_sleep_serves_on_and_one_that_will_not_wake_is_ended(one: House) -> None:
    one.recipe("one", VLLM, refuse_path="/sleep")
    one.launch("one")
    with pytest.raises(Unavailable, match="500"):
        one.client.sleep("one")
    assert one.instance("one").state == "ready" and answer(one, "one")["choices"]
    one.recipe("two", VLLM, refuse_path="/wake_up")
    one.launch("two")
    one.client.sleep("two")
    with pytest.raises(HTTPError) as refused:
        one.ask("two")
    assert refused.value.code == 503 and "it does not want to" in refused.value.read().decode()
    wait_until(lambda: not one.status().instances, what="it is gone")


def test_what_cannot_sleep_says_what_it_lacks(one: House) -> None:
    one.recipe("plain")
    one.launch("plain")
    with pytest.raises(Conflict, match="llamacpp cannot sleep"):
        one.client.sleep("plain")
    one.recipe("one", {"backend": "vllm", "model_path": "org/model"})
    one.client.over(one.client.launch("one").id)
    with pytest.raises(Conflict, match="started without --enable-sleep-mode, VLLM_SERVER_DEV_MODE") as refused:
        one.client.sleep("one")
    assert "sleep_level" in refused.value.hint


@pytest.mark.parametrize(("backend", "path"), [("vllm", "/v1/"), ("sglang", "/")])
def test_an_adapter_is_a_model_as_long_as_it_is_loaded(one: House, backend: str, path: str) -> None:
    one.recipe("one", {"backend": backend, "model_path": "org/model", "extra_args": {"enable_lora": True}})
    one.launch("one")
    found = one.client.load_adapter("one", "Poet", "/adapters/poet")
    assert [(each.name, each.path, each.origin) for each in found] == [("Poet", "/adapters/poet", "loaded")]
    assert answer(one, "poet")["model"] == "Poet", "the engine gets the adapter's own name"
    with pytest.raises(Conflict, match="taken"):
        one.client.load_adapter("one", "poet", "/elsewhere")
    assert one.client.unload_adapter("one", "Poet") == []
    with pytest.raises(HTTPError) as unknown:
        one.ask("poet")
    assert unknown.value.code == 404
    assert asked(one, "one") == [
        f'{path}load_lora_adapter {{"lora_name": "Poet", "lora_path": "/adapters/poet"}}',
        f'{path}unload_lora_adapter {{"lora_name": "Poet"}}',
    ]
