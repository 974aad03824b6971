"""Sleep and wake on a real GPU: memory as the driver counts it falls, comes back, and the answers are the same.

`STUDIO_TEST_GPU_VLLM=PYTHON STUDIO_TEST_GPU_SGLANG=PYTHON python -m pytest -m gpu tests/engines`
"""

from __future__ import annotations

import pytest

from tests.engines.gpu import GIB, NAME, falls_below, rises_above, said, store, used
from tests.engines.gpu import gpu as gpu
from tests.engines.gpu import home as home
from tests.house import House
from tests.wait import wait_until

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900), pytest.mark.usefixtures("gpu")]
# Of what the engine took, so much is given back at least: weights and cache; context and kernels stay.
GIVEN, BACK = 0.6, 0.85


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_a_sleeping_engine_gives_its_memory_back_until_a_request_wakes_it(home: House, engine: str, level: int) -> None:
    """SGLang sleeps by release_memory_occupation and resume_memory_occupation; level 2 reads the weights anew from disk."""
    nothing = used()
    store(home, engine, sleep_level=level)
    first = home.launch(NAME)
    before, words = used() - nothing, said(home)
    assert before > GIB, "the driver counts what it took"
    slept = home.client.sleep(NAME)
    assert (slept.state, slept.sleep_level) == ("sleeping", level)
    falls_below(nothing + (1 - GIVEN) * before, "asleep")
    assert said(home) == words, "the request woke it, with the same weights"
    rises_above(nothing + BACK * before, "awake")
    now = home.instance(NAME)
    assert (now.id, now.engine_pid, now.state, now.sleep_level) == (first.id, first.engine_pid, "ready", None)


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_it_sleeps_and_wakes_again_and_again_without_a_leak(home: House, engine: str) -> None:
    nothing = used()
    store(home, engine, sleep_level=1)
    home.launch(NAME)
    took, words, levels = used() - nothing, said(home), []
    for _ in range(3):
        home.client.sleep(NAME)
        assert home.client.wake(NAME).state == "ready"
        assert said(home) == words
        rises_above(nothing + BACK * took, "awake")
        levels.append(used())
    assert levels[-1] <= 1.05 * levels[0], [f"{one / GIB:.2f} GiB" for one in levels]


def test_it_sleeps_when_idle(home: House) -> None:
    store(home, "vllm", sleep_level=1, idle_ttl_s=2.0)
    nothing = used()
    home.launch(NAME)
    took = used() - nothing
    wait_until(lambda: home.instance(NAME).state == "sleeping", 60.0, "it sleeps")
    falls_below(nothing + (1 - GIVEN) * took, "asleep")
    assert said(home)
