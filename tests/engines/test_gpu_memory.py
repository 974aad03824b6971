"""GPU memory that comes back: when Studio says that an engine is gone, the driver counts nothing for it any more."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from studio_core import wire
from studio_core.supervisor import identity, tree
from tests import free
from tests.engines.gpu import GIB, MIB, NAME, counted, falls_below, model, pids, python, store, used
from tests.engines.gpu import gpu as gpu
from tests.engines.gpu import home as home
from tests.engines.vllm_house import claims
from tests.house import House
from tests.wait import wait_until

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(900), pytest.mark.usefixtures("gpu")]
START_S, END_S = 300.0, 60.0
# The driver's own tables, and what a desktop does meanwhile.
NOISE = 256 * MIB


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_a_stop_ends_when_the_memory_is_back(home: House, engine: str) -> None:
    nothing = used()
    store(home, engine)
    home.launch(NAME)
    members = pids(home)
    if not members & set(counted()):
        pytest.skip("the driver counts no process of ours: it tells the pids of another namespace")
    assert used() - nothing > GIB
    home.client.evict()
    # At this very moment, without waiting: that is what "gone" says.
    assert not members & set(counted())
    assert home.status().instances == []
    falls_below(nothing + NOISE, "stopped")


def front(one: wire.Instance) -> None:
    os.kill(one.engine_pid or 0, signal.SIGKILL)


def shim(one: wire.Instance) -> None:
    os.kill(one.shim_pid or 0, signal.SIGKILL)


@pytest.mark.parametrize("blow", [front, shim])
@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_a_killed_engine_claims_its_place_until_the_memory_is_back(
    home: House, engine: str, blow: Callable[[wire.Instance], None]
) -> None:
    nothing = used()
    store(home, engine)
    one = home.launch(NAME)
    members = pids(home)
    blow(one)
    wait_until(lambda: not claims(home, one.id), END_S, "its claims are released")
    assert not members & set(counted())
    falls_below(nothing + NOISE, "killed")
    assert home.launch(NAME).id != one.id, "the next start finds its room"


def test_memory_of_our_engine_is_shown_as_its_own(home: House) -> None:
    store(home, "vllm")
    one = home.launch(NAME)
    wait_until(lambda: owners(home, one.id), END_S, "a process of the GPU is known to be of this instance")
    told = sum(each.memory_bytes or 0 for each in owners(home, one.id))
    assert told == pytest.approx(sum(counted().get(each.pid) or 0 for each in owners(home, one.id)), rel=0.1)


def owners(home: House, instance_id: str) -> list[wire.GpuProcess]:
    return [each for one in home.client.gpus().gpus for each in one.processes if each.instance_id == instance_id]


@contextmanager
def by_hand(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A vLLM that a person started."""
    argv = [str(Path(python("vllm")).with_name("vllm")), "serve", model(), "--host", "127.0.0.1", "--port", str(port),
            "--served-model-name", "byhand", "--enforce-eager", "--max-model-len", "2048", "--gpu-memory-utilization", "0.3"]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=folder,
                                   env={**os.environ, "HF_HUB_OFFLINE": "1"})
    try:
        yield process
    finally:
        ticks = identity.ticks(process.pid)
        if ticks is not None:
            tree.end(tree.Traits(f"hand-{process.pid}", session=(process.pid, ticks), seen=[(process.pid, ticks)]))
        process.wait()


def test_a_foreign_engine_is_shown_with_its_memory_and_left_alone(home: House, tmp_path: Path) -> None:
    port = free.port()
    with by_hand(port, tmp_path) as process:
        def shown() -> wire.Foreign | None:
            assert process.poll() is None, (tmp_path / "output").read_text("utf-8", "replace")[-3000:]
            return next((one for one in home.status().foreign if (one.pid, one.state) == (process.pid, "ready")), None)

        found = wait_until(shown, START_S, "it is found")
        assert found is not None and (found.port, found.proof, found.name) == (port, "tree", "byhand")
        if found.memory_bytes is None:
            pytest.skip("the driver counts no process of ours: it tells the pids of another namespace")
        assert found.memory_bytes > GIB
        assert found.memory_bytes == pytest.approx(sum(filter(None, counted().values())), rel=0.1), "nothing else uses the GPU"
        home.client.attach(found.pid, "guest", ticks=found.ticks)
        with home.ask("guest", max_tokens=4) as reply:
            assert reply.status == 200
        home.client.evict(force=True)
        assert process.poll() is None
