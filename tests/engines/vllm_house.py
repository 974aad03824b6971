"""A whole Studio with the real vLLM: what the tests of its life and of its failures share."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from studio_core import wire
from studio_core.client import OVER
from studio_core.logs.reader import LogFolder
from studio_core.supervisor import identity
from tests.engines import vllm_environment
from tests.engines.vllm_run import END_S, ENVIRONMENT, START_S
from tests.house import House, house
from tests.instance import living
from tests.wait import wait_until

NAME = "smol"
SHM = Path("/dev/shm")
LOADING = "Starting to load model"
FAMILY = {"vllm", "python", "VLLM::EngineCor", "VLLM::Worker"}


@contextmanager
def vllm_home() -> Iterator[House]:
    """Without it nothing of the house or of shared memory is left."""
    root = Path(tempfile.mkdtemp(prefix="st-"))
    try:
        with house(root) as found:
            yield found
    finally:
        shutil.rmtree(root, ignore_errors=True)


def store(home: House, model: Path | None = None, **fields: Any) -> None:
    """The recipe of the real model; `extra_args` and `env_vars` are added to what every start has."""
    more, env = fields.pop("extra_args", {}), fields.pop("env_vars", {})
    home.client.put_recipe({
        "id": NAME, "backend": "vllm", "model_path": str(model or vllm_environment.model_place()),
        "python_path": str(vllm_environment.place() / "bin" / "python"), "max_model_len": 512,
        "env_vars": {**ENVIRONMENT, **env}, "extra_args": {"enforce_eager": True, **more}, **fields,
    })


def begin(home: House, until: str = "") -> wire.Launch:
    """Launch it; returns when there is an engine, or when that has said these words."""
    launch = home.client.launch(NAME)
    wait_until(lambda: started(home, launch.id), END_S, "an engine process")
    if until:
        wait_until(lambda: started(home, launch.id) and until in output(home), START_S, until)
    return home.client.launch_state(launch.id)


def started(home: House, launch_id: str) -> bool:
    launch = home.client.launch_state(launch_id)
    assert launch.state not in OVER, launch.failure
    mine = [one for one in home.status().instances if one.id == launch.instance_id]
    return any(one.engine_pid is not None for one in mine)


def over(home: House, launch: wire.Launch) -> wire.Launch:
    """The launch when it is over; a controller may be killed meanwhile."""
    return wait_until(
        lambda: found if (found := home.client.launch_state(launch.id)).state in OVER else None, START_S, "the launch is over"
    )  # type: ignore[return-value]


def ready(home: House) -> wire.Instance:
    """The instance that serves; until it does, with a start if there is none."""
    found = [one for one in home.status().instances if one.recipe_id == NAME and one.state == "ready"]
    return found[0] if found else home.launch(NAME)


def instance(home: House) -> wire.Instance:
    """The newest: one that has failed is in sight beside it until its memory is back."""
    return max((one for one in home.status().instances if one.recipe_id == NAME), key=lambda one: one.started_at)


def output(home: House) -> str:
    """What the engine has said so far."""
    return "\n".join(LogFolder(home.places.instance(instance(home).id) / "log").tail(2000))


def family(one: wire.Instance) -> dict[str, tuple[int, int]]:
    """The name of each process of the engine, as it is cut to 15 characters → its pid and start ticks."""
    assert one.engine_pid is not None
    front = psutil.Process(one.engine_pid)
    found = {}
    for process in (front, *front.children(recursive=True)):
        name = Path(f"/proc/{process.pid}/comm").read_text(encoding="utf-8").strip()
        found[name] = (process.pid, identity.ticks(process.pid) or 0)
    return found


def shared() -> set[str]:
    """What is in /dev/shm of ours."""
    return {path.name for path in SHM.iterdir() if path.stat().st_uid == os.getuid()}


@contextmanager
def traceless(home: House, one: wire.Instance) -> Iterator[dict[str, tuple[int, int]]]:
    """Whatever is done to a ready engine inside: afterwards its processes, its port and its shared memory are gone."""
    members, mine = family(one), of(one)
    assert set(members) == FAMILY
    assert mine, "a vLLM has shared memory"
    yield members
    wait_until(lambda: not living(list(members.values())), END_S, "its processes end")
    wait_until(lambda: not claims(home, one.id), END_S, "its claims are released")
    assert not mine & shared()


def of(one: wire.Instance) -> set[str]:
    """The names of the shared memory that its processes have open."""
    found = set()
    for pid, _ in family(one).values():
        for link in Path(f"/proc/{pid}/fd").iterdir():
            target = Path(os.readlink(link)) if link.is_symlink() else Path()
            if target.parent == SHM:
                found.add(target.name)
    return found


def claims(home: House, instance_id: str) -> bool:
    """Whether it still holds its place. A failed one stays in sight, its folder with its spec has moved to history."""
    return home.places.instance(instance_id).exists()


def answer(home: House, **fields: Any) -> Any:
    """A chat's answer through the gateway."""
    with home.ask(NAME, temperature=0, **fields) as reply:
        return json.load(reply)
