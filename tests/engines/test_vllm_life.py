"""The real vLLM through a whole Studio: it starts, serves, is stopped and is killed in every way, and leaves nothing.

`python -m tests.engines.vllm_environment && python -m pytest -m engines tests/engines`
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator

import pytest

from studio_core import wire
from studio_core.engines import readiness
from studio_core.engines.registry import find
from studio_core.supervisor import spec as specs
from studio_core.supervisor.shim_link import ShimLink
from tests.engines.vllm import hf_model as hf_model
from tests.engines.vllm import vllm as vllm
from tests.engines.vllm_house import LOADING, NAME, answer, begin, family, instance, over, ready, store, traceless, vllm_home
from tests.engines.vllm_run import END_S, START_S, TEST_S
from tests.engines.vllm_traffic import CAPITAL, TOOL, WEATHER
from tests.house import House
from tests.instance import living
from tests.wait import wait_until

pytestmark = [pytest.mark.engines, pytest.mark.timeout(TEST_S), pytest.mark.usefixtures("hf_model")]


@pytest.fixture(scope="module")
def home(hf_model: object) -> Iterator[House]:
    with vllm_home() as found:
        store(found, tool_call_parser="hermes")
        yield found


# One start serves these, in any order.


def test_the_start_is_followed_by_its_milestones(home: House) -> None:
    launch = begin(home)
    percents, stages = [0.0], set()
    for seen in home.client.launch_states(launch.id):
        percents.append(seen.progress.percent or 0.0)
        stages.add(seen.progress.stage)
    assert seen.state == "ready", seen.failure
    assert percents == sorted(percents) and percents[-1] == 100.0
    assert len(set(percents)) > 5, percents
    assert "ready" in stages and len(stages) > 2, stages


def test_chat(home: House) -> None:
    ready(home)
    told = answer(home, messages=[{"role": "user", "content": CAPITAL}], max_tokens=32)
    assert "Paris" in told["choices"][0]["message"]["content"]
    assert told["usage"]["completion_tokens"] > 0


def test_a_stream_ends_with_its_usage(home: House) -> None:
    ready(home)
    asked = {"messages": [{"role": "user", "content": CAPITAL}], "max_tokens": 32, "temperature": 0}
    with home.ask(NAME, stream=True, stream_options={"include_usage": True}, **asked) as reply:
        events = [line[6:].decode().strip() for line in reply if line.startswith(b"data: ")]
    assert events[-1] == "[DONE]"
    pieces = [json.loads(event) for event in events[:-1]]
    assert "Paris" in "".join(piece["choices"][0]["delta"].get("content") or "" for piece in pieces if piece["choices"])
    assert pieces[-1]["choices"] == [] and pieces[-1]["usage"]["completion_tokens"] > 0


def test_a_tool_call(home: House) -> None:
    ready(home)
    asked = {"messages": [{"role": "user", "content": WEATHER}], "tools": [TOOL], "tool_choice": "required"}
    call = answer(home, max_tokens=64, **asked)["choices"][0]["message"]["tool_calls"][0]["function"]
    assert call["name"] == "get_weather"
    assert set(json.loads(call["arguments"])) == {"city"}


async def test_its_figures_come_under_our_names(home: House) -> None:
    one = ready(home)
    before = await gauges(home, one)
    answer(home, messages=[{"role": "user", "content": CAPITAL}], max_tokens=8, ignore_eos=True)
    after = await gauges(home, one)
    assert after["generated_tokens"] - before.get("generated_tokens", 0) == 8
    assert after["prompt_tokens"] > before.get("prompt_tokens", 0)
    assert (after["running"], after["waiting"]) == (0, 0)
    assert set(after) == set(find("vllm").series), "no series of ours is missing"


async def gauges(home: House, one: wire.Instance) -> dict[str, float]:
    key = specs.read(home.places.instance(one.id)).api_key
    return await readiness.gauges(find("vllm"), one.host, one.port, key)


def test_its_recipe_can_be_changed_meanwhile(home: House) -> None:
    one = ready(home)
    try:
        store(home, tool_call_parser="hermes", max_num_seqs=8)
        assert instance(home).recipe_changed
    finally:
        store(home, tool_call_parser="hermes")
    assert not instance(home).recipe_changed
    assert instance(home).engine_pid == one.engine_pid


def test_a_worker_that_is_killed_is_a_failure_although_vllm_exits_with_0(home: House) -> None:
    """As the kernel does when memory is short."""
    one = ready(home)
    with traceless(home, one) as members:
        os.kill(members["VLLM::Worker"][0], signal.SIGKILL)
        wait_until(lambda: instance(home).state == "failed", END_S, "it has failed")
    after = instance(home)
    assert after.exit == wire.Exit(code=0)
    assert after.failure is not None and "exit code 0" not in after.failure.title, after.failure
    assert after.failure.hint


# A start each.


def front(home: House, one: wire.Instance) -> None:
    os.kill(one.engine_pid or 0, signal.SIGKILL)


def shim(home: House, one: wire.Instance) -> None:
    os.kill(one.shim_pid or 0, signal.SIGKILL)


def front_and_shim(home: House, one: wire.Instance) -> None:
    shim(home, one)
    front(home, one)


@pytest.mark.parametrize("blow", [front, shim, front_and_shim])
def test_nothing_is_left_whoever_is_killed(home: House, blow: Callable[[House, wire.Instance], None]) -> None:
    one = ready(home)
    with traceless(home, one):
        blow(home, one)
    assert instance(home).state == "failed"


async def test_nothing_is_left_when_all_of_it_is_killed_at_once(home: House) -> None:
    one = ready(home)
    with traceless(home, one):
        await ShimLink(home.places.instance(one.id)).kill()


def test_a_start_outlives_the_controller_and_a_stop_ends_every_process(home: House) -> None:
    launch = begin(home, LOADING)
    before = instance(home)
    killed = home.kill_controller()
    wait_until(lambda: home.status().controller.pid != killed, END_S, "the next controller")
    one = wait_until(lambda: found if (found := instance(home)).state == "ready" else None, START_S, "ready")
    assert one is not None and one.launch_id == launch.id
    assert (one.engine_pid, one.shim_pid) == (before.engine_pid, before.shim_pid)
    with traceless(home, one):
        home.client.evict()
    assert not [left for left in home.status().instances if left.id == one.id]


def test_a_start_that_hears_no_sigterm_is_stopped_all_the_same(home: House) -> None:
    """Its grace is ten minutes: that is for requests in flight, of which a start has none."""
    store(home, grace_s=600)
    try:
        launch = begin(home, LOADING)
        one = instance(home)
        with traceless(home, one):
            home.client.cancel(NAME)
        assert over(home, launch).state == "cancelled"
    finally:
        store(home, tool_call_parser="hermes")


def test_sigkill_of_the_engine_core_while_it_loads(home: House) -> None:
    launch = begin(home, LOADING)
    members = family(instance(home))
    os.kill(members["VLLM::EngineCor"][0], signal.SIGKILL)
    assert over(home, launch).state == "failed"
    wait_until(lambda: not living(list(members.values())), END_S, "its processes end")
