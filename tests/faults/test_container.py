"""An engine in a container, under a scripted runtime: whoever is killed, nothing is left, and claims end with the container.

The container is no child of its client, as with a real daemon. That a real one does as this one is not proven here.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio_core import wire
from studio_core.supervisor import identity, tree
from tests.harbour import IMAGE, Harbour, harbour
from tests.house import House, house
from tests.wait import wait_until


@pytest.fixture
def port_of_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harbour]:
    with harbour(tmp_path) as one:
        monkeypatch.setenv("DOCKER_HOST", one.host)
        yield one


@pytest.fixture
def home(state_dir: Path, port_of_call: Harbour) -> Iterator[House]:
    with house(state_dir, container_runtime=str(port_of_call.program)) as found:
        yield found


def boxed(home: House, name: str = "boxed", grace_s: float = 2.0, **switches: Any) -> None:
    model = home.root / "model.gguf"
    model.write_bytes(b"GGUF and nothing else")
    home.client.put_recipe({
        "id": name, "backend": "llamacpp", "model_path": str(model), "runtime": {"kind": "docker", "ref": IMAGE},
        "grace_s": grace_s, "env_vars": {"SCRIPT": json.dumps({"record_signals": str(home.root / "signals"), **switches})},
    })


def signals(home: House) -> list[int]:
    path = home.root / "signals"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def inside(port_of_call: Harbour) -> list[tuple[int, int]]:
    """(pid, ticks) of what runs in the container."""
    table = tree.processes()
    first = port_of_call.containers()[0]["Pid"]
    found = {first, *(pid for pid, one in table.items() if one.parent == first)}
    return [(pid, table[pid].ticks) for pid in found if pid in table]


def all_dead(found: list[tuple[int, int]]) -> bool:
    return not any(identity.alive(*one) for one in found)


def state(home: House, name: str = "boxed") -> wire.Instance | None:
    return next((one for one in home.status().instances if one.recipe_id == name), None)


def test_it_runs_is_served_and_is_stopped_by_the_runtime(home: House, port_of_call: Harbour) -> None:
    boxed(home, children=1)
    found = home.launch("boxed")
    with home.ask("boxed", max_tokens=2) as answer:
        assert json.load(answer)["usage"]["completion_tokens"] == 2
    [container] = port_of_call.containers()
    assert container["labels"] == {"studio.instance": found.id} and container["name"] == f"studio-{found.id}"
    assert container["ports"] == {f"{found.port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(found.port)}]}
    assert container["argv"][container["argv"].index("--host") + 1] == "0.0.0.0"
    key = container["env"]["LLAMA_API_KEY"]
    assert len(key) == 64 and key not in json.dumps([port_of_call.calls(verb) for verb in ("run", "ps", "inspect")])
    assert (home.places.instance(found.id) / "container.env").stat().st_mode & 0o777 == 0o600
    assert "STUDIO_INSTANCE" not in container["env"] and "CUDA_VISIBLE_DEVICES" not in container["env"]
    members = inside(port_of_call)
    assert len(members) == 2 and not any(one.pid == found.engine_pid for one in home.status().foreign)
    home.client.evict(found.id)
    assert port_of_call.calls("stop") == [["-t", "2", f"studio-{found.id}"]] and signals(home) == [signal.SIGTERM]
    assert all_dead(members) and port_of_call.containers() == [] and state(home) is None
    assert not (home.places.history / found.id / "container.env").exists()


def kill_client(found: wire.Instance, home: House) -> None:
    os.kill(found.engine_pid or 0, signal.SIGKILL)


def kill_shim(found: wire.Instance, home: House) -> None:
    os.kill(found.shim_pid or 0, signal.SIGKILL)


def kill_both(found: wire.Instance, home: House) -> None:
    kill_shim(found, home)
    kill_client(found, home)


def kill_shim_and_controller(found: wire.Instance, home: House) -> None:
    home.kill_controller()
    kill_shim(found, home)


@pytest.mark.parametrize("blow", [kill_client, kill_shim, kill_both, kill_shim_and_controller])
def test_nothing_is_left(home: House, port_of_call: Harbour, blow: Any) -> None:
    boxed(home, ignore_term=True, children=2)
    found = home.launch("boxed")
    members = inside(port_of_call)
    assert len(members) == 3
    blow(found, home)
    wait_until(lambda: port_of_call.containers() == [] and all_dead(members), what="the container is gone")
    wait_until(lambda: (one := state(home)) is None or one.state == "failed", what="its claims are released")
    home.launch("boxed")


def test_an_ignored_stop_ends_with_the_runtime_s_kill(home: House, port_of_call: Harbour) -> None:
    boxed(home, grace_s=1.0, ignore_term=True)
    found = home.launch("boxed")
    members = inside(port_of_call)
    home.client.evict(found.id)
    assert signals(home) == [signal.SIGTERM] and all_dead(members) and port_of_call.containers() == []


def test_a_killed_controller_does_not_matter(home: House, port_of_call: Harbour) -> None:
    boxed(home)
    before = home.launch("boxed")
    killed = home.kill_controller()
    wait_until(lambda: home.status().controller.pid != killed)
    wait_until(lambda: (one := state(home)) is not None and one.state == "ready", what="it is adopted and proven again")
    after = state(home)
    assert after is not None and (after.id, after.engine_pid) == (before.id, before.engine_pid)
    with home.ask("boxed", max_tokens=1) as answer:
        assert answer.status == 200
    assert len(port_of_call.calls("run")) == 1


@pytest.mark.parametrize("blow", [kill_client, kill_shim])
def test_claims_are_kept_until_the_runtime_says_that_it_is_gone(home: House, port_of_call: Harbour, blow: Any) -> None:
    boxed(home)
    found = home.launch("boxed")
    members = inside(port_of_call)
    port_of_call.down()
    blow(found, home)
    stuck = wait_until(lambda: one if (one := state(home)) is not None and one.state == "stuck" else None)
    assert stuck is not None and stuck.failure is not None and f"studio-{found.id}" in stuck.failure.detail
    assert not all_dead(members)
    port_of_call.up()
    wait_until(lambda: port_of_call.containers() == [] and all_dead(members), what="the container is gone")
    wait_until(lambda: (one := state(home)) is None or one.state == "failed" or one.state == "gone")


def test_a_container_that_cannot_be_removed_is_stuck(home: House, port_of_call: Harbour) -> None:
    boxed(home)
    found = home.launch("boxed")
    (port_of_call.home / "deaf").touch()
    kill_shim(found, home)
    wait_until(lambda: (one := state(home)) is not None and one.state == "stuck")
    (port_of_call.home / "deaf").unlink()
    wait_until(lambda: port_of_call.containers() == [])


def test_a_launch_that_the_daemon_refuses_fails_with_its_words_and_claims_nothing(home: House, port_of_call: Harbour) -> None:
    boxed(home)
    port_of_call.down()
    launch = home.client.launch("boxed", wait=True)
    assert launch.state == "failed" and launch.failure is not None
    assert any("Cannot connect to the Docker daemon" in line for line in launch.failure.lines)
    wait_until(lambda: (one := state(home)) is None or one.state == "failed")
    port_of_call.up()
    home.launch("boxed")


# What the engine does → how its end is told.
ENDS: dict[str, tuple[dict[str, Any], wire.Exit]] = {
    "by itself": ({"exit_after_s": 0.2, "exit_code": 3}, wire.Exit(code=3)),
    "killed inside": ({}, wire.Exit(signal=signal.SIGKILL)),
}


@pytest.mark.parametrize("how", ENDS)
def test_how_it_ended_is_told(home: House, port_of_call: Harbour, how: str) -> None:
    switches, exit_of = ENDS[how]
    boxed(home, **switches)
    launch = home.client.launch("boxed")
    wait_until(lambda: home.client.launch_state(launch.id).state in ("ready", "failed"))
    if how == "killed inside":
        os.kill(port_of_call.containers()[0]["Pid"], signal.SIGKILL)
    wait_until(lambda: (one := state(home)) is not None and one.state == "failed" and one.exit is not None, what="it has failed")
    found = state(home)
    assert found is not None and found.exit == exit_of
    wait_until(lambda: port_of_call.containers() == [])


def test_stop_while_the_image_is_pulled(home: House, port_of_call: Harbour) -> None:
    """There is nothing that the runtime could stop: its client is told."""
    boxed(home, grace_s=60.0)
    (port_of_call.home / "pulling").touch()
    home.client.launch("boxed")
    wait_until(lambda: port_of_call.calls("run"), what="the client runs")
    wait_until(lambda: (one := state(home)) is not None and one.engine_pid)
    home.client.evict()
    assert len(port_of_call.calls("stop")) == 1 and port_of_call.containers() == [] and state(home) is None


def test_stop_before_it_is_ready(home: House, port_of_call: Harbour) -> None:
    boxed(home, load_s=60.0)
    home.client.launch("boxed")
    wait_until(lambda: [one for one in port_of_call.containers() if one["Running"]], what="the container runs")
    home.client.evict()
    assert port_of_call.containers() == [] and state(home) is None
