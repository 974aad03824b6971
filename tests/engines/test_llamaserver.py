"""A real llama-server binary through a whole Studio: `STUDIO_TEST_LLAMA_SERVER=BINARY python -m pytest -m engines`."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import httpx
import psutil
import pytest

from studio_core import wire
from studio_core.engines import catalog, inquiry, readiness
from studio_core.engines.llamacpp import WISHES
from studio_core.engines.registry import find
from studio_core.errors import BadRecipe
from studio_core.supervisor import identity, port
from studio_core.supervisor import spec as specs
from tests.engines import llamaserver
from tests.engines.llamaserver import Make
from tests.engines.llamaserver import llama_server as llama_server
from tests.engines.model import model as model
from tests.engines.record_llamaserver import LARGE
from tests.engines.vllm_house import claims, vllm_home
from tests.house import House
from tests.wait import wait_until

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]
NAME, START_S, END_S = "tiny", 120.0, 60.0
CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]
# What Studio writes on every command line.
EMITTED = {"--host", "--port", "--model", "--alias", "--ctx-size", "--metrics", "--parallel", *WISHES}


def test_its_help_is_the_shipped_table(llama_server: Path) -> None:
    """Of the table's own version exactly; of another one all that Studio writes, and little that is not known."""
    told, table = inquiry.binary(llama_server, "llamacpp"), catalog.shipped("llamacpp")
    names, ours = ({one for flag in some.flags for one in flag.spellings} for some in (told, table))
    assert names >= EMITTED - WISHES and len(told.flags) > 200
    # A word of a description that was taken for a flag would be one with no end, or one that only this has.
    assert not [name for name in names if name.endswith("-")]
    if llamaserver.package(llama_server)[1].split(".")[0] == table.version.removeprefix("b"):
        assert names == ours
    assert len(names - ours) < 0.1 * len(ours), sorted(names - ours)


@pytest.fixture(scope="module")
def home(llama_server: Path) -> Iterator[House]:
    with vllm_home() as found:
        yield found


@pytest.fixture
def stored(home: House, llama_server: Path, model: Path) -> Callable[..., House]:
    """Stores the recipe: `stored(field=value)`."""
    def store(path: Path | None = None, **fields: Any) -> House:
        saved = home.root / "saved"
        saved.mkdir(exist_ok=True)
        # With the model's own template it does not know the capital of France.
        extra = {"slot_save_path": str(saved), "threads": 1, "chat_template": "chatml", **fields.pop("extra_args", {})}
        home.client.put_recipe({
            "id": NAME, "backend": "llamacpp", "model_path": str(path or model), "binary": str(llama_server), "max_model_len": 512,
            **fields, "extra_args": extra,
        })
        return home

    return store


def newest(home: House) -> wire.Instance:
    return max((one for one in home.status().instances if one.recipe_id == NAME), key=lambda one: one.started_at)


def said(home: House, **fields: Any) -> Any:
    with home.ask(NAME, messages=CAPITAL, temperature=0, **fields) as reply:
        return json.load(reply)


def test_a_start_its_answers_its_slots_and_its_end(stored: Callable[..., House], llama_server: Path) -> None:
    home = stored()
    launch = home.client.launch(NAME)
    percents = [one.progress.percent or 0.0 for one in home.client.launch_states(launch.id)]
    assert percents == sorted(percents) and percents[-1] == 100.0
    one = newest(home)
    assert one.state == "ready"
    assert Path(psutil.Process(one.engine_pid).exe()) == llama_server.resolve(), "the binary itself, no wrapper around it"
    told = said(home, max_tokens=24)
    assert "Paris" in told["choices"][0]["message"]["content"] and told["usage"]["completion_tokens"] > 0
    with home.ask(NAME, stream=True, messages=CAPITAL, max_tokens=8, stream_options={"include_usage": True}) as reply:
        events = [line[6:].decode().strip() for line in reply if line.startswith(b"data: ")]
    assert events[-1] == "[DONE]" and json.loads(events[-2])["usage"]["completion_tokens"] > 0
    slots_are_kept(home, one)
    home.client.evict()
    assert identity.ticks(one.engine_pid or 0) is None and port.is_free(one.host, one.port)
    wait_until(lambda: not claims(home, one.id), END_S, "its folder is archived")


def slots_are_kept(home: House, one: wire.Instance) -> None:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(home.places.control_socket)), base_url="http://studio") as owner:
        slots = owner.get(f"/instances/{one.id}/slots").json()
        assert slots and {"id", "is_processing"} <= set(slots[0])
        saved = [owner.post(f"/instances/{one.id}/slots/{slot['id']}", json={"action": "save", "file": "a.bin"}).json()
                 for slot in slots]
        full = max(range(len(saved)), key=lambda at: saved[at]["n_saved"])
        assert saved[full]["n_saved"] > 0, "what was asked is in one of them"


def test_a_name_that_the_engine_would_answer_is_refused_by_the_gateway(stored: Callable[..., House]) -> None:
    home = stored()
    one = home.launch(NAME)
    key = specs.read(home.places.instance(one.id)).api_key
    body = {"model": "no-such-model", "messages": CAPITAL, "max_tokens": 1}
    direct = httpx.post(f"http://{one.host}:{one.port}/v1/chat/completions", json=body, timeout=60, trust_env=False,
                        headers={"authorization": f"Bearer {key}"})
    assert direct.status_code == 200, "llama-server answers any name"
    with pytest.raises(HTTPError) as refused:
        home.ask("no-such-model")
    assert refused.value.code == 404
    keyless = httpx.post(f"http://{one.host}:{one.port}/v1/chat/completions", json=body, timeout=60, trust_env=False)
    assert keyless.status_code == 401, "only who has the key of this start"
    home.client.evict()


async def test_its_figures_come_under_our_names(stored: Callable[..., House]) -> None:
    home = stored()
    one = home.launch(NAME)
    said(home, max_tokens=8, ignore_eos=True)
    key = specs.read(home.places.instance(one.id)).api_key
    found = await readiness.gauges(find("llamacpp"), one.host, one.port, key)
    assert set(found) == set(find("llamacpp").series), "no series of ours is missing"
    assert found["generated_tokens"] >= 8 and found["prompt_tokens"] > 0
    home.client.evict()


def test_idle_it_sleeps_by_itself_and_the_next_request_wakes_it(stored: Callable[..., House], llama_server: Path) -> None:
    """Its own sleep, `--sleep-idle-seconds`: Studio's looks must not keep it awake, nor take it for dead."""
    if inquiry.binary(llama_server, "llamacpp").find("--sleep-idle-seconds") is None:
        pytest.skip("this llama-server cannot sleep")
    home = stored(extra_args={"sleep_idle_seconds": 2})
    one = home.launch(NAME)
    words = said(home, max_tokens=8)["choices"][0]["message"]["content"]

    def asleep() -> bool:
        home.status()
        return "sleeping state" in "\n".join(home.client.log(one.id).lines)

    wait_until(asleep, END_S, "it sleeps")
    assert newest(home).state == "ready"
    assert said(home, max_tokens=8)["choices"][0]["message"]["content"] == words
    assert newest(home).engine_pid == one.engine_pid
    home.client.evict()


def engine(one: wire.Instance) -> None:
    os.kill(one.engine_pid or 0, signal.SIGKILL)


def shim(one: wire.Instance) -> None:
    os.kill(one.shim_pid or 0, signal.SIGKILL)


@pytest.mark.parametrize("blow", [engine, shim])
def test_nothing_is_left_whoever_is_killed(stored: Callable[..., House], blow: Callable[[wire.Instance], None]) -> None:
    home = stored()
    one = home.launch(NAME)
    process = one.engine_pid or 0, identity.ticks(one.engine_pid or 0) or 0
    blow(one)
    wait_until(lambda: not claims(home, one.id), END_S, "its claims are released")
    assert not identity.alive(*process) and port.is_free(one.host, one.port)
    after = newest(home)
    assert after.state == "failed" and after.failure is not None
    assert blow is shim or "SIGKILL" in after.failure.title, after.failure


# What is wrong is seen only when it has started.


@dataclass(frozen=True)
class Case:
    name: str
    title: str
    hint: str
    make: Make = llamaserver.served
    fields: Mapping[str, Any] = field(default_factory=dict)
    change: Mapping[str, Any] = field(default_factory=dict)
    narrow: bool = False


CASES = (
    Case("cut in its head", "the model file is damaged or incomplete", "fetch it again", llamaserver.headless),
    Case("cut in its tensors", "the model file is damaged or incomplete", "fetch it again", llamaserver.cut),
    Case("unknown architecture", "does not know the architecture maid1", "update llama.cpp", llamaserver.of_another_architecture),
    Case("bad template", "the chat template cannot be parsed", "correct chat_template",
         fields={"extra_args": {"chat_template": "{% for %}"}}, change={"extra_args": {"chat_template": None}}),
    Case("context larger than the memory", "too little memory", "lower max_model_len", fields=LARGE, narrow=True,
         change={"max_model_len": LARGE["max_model_len"] // 2}),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_a_failed_start_names_its_cause_and_the_remedy(
    stored: Callable[..., House], model: Path, llama_server: Path, tmp_path: Path, case: Case
) -> None:
    program = {"binary": str(llamaserver.narrow(tmp_path, llama_server))} if case.narrow else {}
    home = stored(case.make(tmp_path, model), **program, **case.fields)
    ended = home.client.launch(NAME, wait=True)
    home.client.evict(force=True)
    failure = ended.failure
    assert ended.state == "failed" and failure is not None
    assert case.title in failure.title and case.hint in failure.hint, failure
    assert (failure.fix.change if failure.fix else {}) == case.change, failure.fix
    assert failure.evidence


REFUSED: tuple[tuple[str, Mapping[str, Any], str], ...] = (
    ("unknown flag", {"extra_args": {"ctx_sizes": 4}}, "--ctx-size"),
    ("removed flag", {"extra_args": {"draft_max": 4}}, "--spec-draft-n-max"),
    ("wrong type", {"extra_args": {"threads_batch": "many"}}, "threads_batch"),
    ("missing file", {"path": Path("/no/such/model.gguf")}, "model_path"),
)


@pytest.mark.parametrize(("name", "fields", "words"), REFUSED, ids=[row[0].replace(" ", "-") for row in REFUSED])
def test_what_it_told_of_itself_is_refused_before_a_start(
    stored: Callable[..., House], name: str, fields: Mapping[str, Any], words: str
) -> None:
    home = stored(**fields)
    with ExitStack() as after, pytest.raises(BadRecipe) as caught:
        after.callback(home.client.evict, force=True)
        home.client.launch(NAME)
    assert words in caught.value.line() + caught.value.hint
