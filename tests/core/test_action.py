"""The table of actions: what it needs, what it fills in, and what engines really answer to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from studio_core.engines import action
from studio_core.errors import Conflict, Unavailable
from tests.core.control import control
from tests.engines.model import model

__all__ = ["model"]


@pytest.mark.parametrize(("engine", "name", "argv", "env", "said"), [
    ("llamacpp", "sleep 1", (), (), "llamacpp cannot sleep"),
    ("vllm", "sleep 1", ("--enable-sleep-mode",), (), "started without VLLM_SERVER_DEV_MODE"),
    ("sglang", "sleep 1", ("--enable-memory-saver",), (), "started without --enable-weights-cpu-backup"),
    ("vllm", "load adapter", (), (), "started without --enable-lora, VLLM_ALLOW_RUNTIME_LORA_UPDATING"),
    ("tabbyapi", "load adapter", (), (), "tabbyapi cannot load adapter"),
    ("llamacpp", "save slot", (), (), "started without --slot-save-path"),
])
def test_what_is_lacking_is_named(engine: str, name: str, argv: tuple[str, ...], env: tuple[str, ...], said: str) -> None:
    with pytest.raises(Conflict, match=said):
        action.find(engine, name, argv, env)


def test_what_an_engine_can_is_told() -> None:
    argv, env = ("vllm", "--enable-sleep-mode"), ("VLLM_SERVER_DEV_MODE",)
    assert action.possible("vllm", argv, env) == ["sleep 1", "wake 1", "sleep 2", "wake 2", "is asleep"]
    assert action.possible("vllm", ("vllm",), ()) == [] and action.possible("nobody", (), ()) == []


def test_a_flag_counts_in_both_spellings() -> None:
    for argv in (("--slot-save-path", "/x"), ("--slot-save-path=/x",)):
        assert action.find("llamacpp", "save slot", argv, ()).steps


def test_who_can_sleep_can_wake() -> None:
    for name, table in action.TABLE.items():
        levels = {one.removeprefix("sleep ") for one in table if one.startswith("sleep")}
        assert levels == {one.removeprefix("wake ") for one in table if one.startswith("wake")}, name
        for step in (step for one in table.values() for step in one.steps):
            assert step.path.startswith("/") and step.method in ("GET", "POST")


def test_places_are_filled_once_and_whole_ones_keep_their_type() -> None:
    values = {"name": "{path}", "path": 7}
    assert action.filled({"a": "{name}", "b": "{path}", "c": "/{path}/x", "d": None}, values) == {
        "a": "{path}", "b": 7, "c": "/7/x", "d": None,
    }


class Tabby(BaseHTTPRequestHandler):
    """TabbyAPI's load: a stream of progress under status 200, also of an error (e632af41, backends and endpoints/core)."""

    asked: list[tuple[str, Any]]
    error = ""

    def log_message(self, *args: Any) -> None:
        return

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append((f"{self.path} {self.headers['x-admin-key']}", json.loads(body or b"null")))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if self.path == "/v1/model/load" else "application/json")
        self.end_headers()
        if self.path != "/v1/model/load":
            return
        for number in (1, 2):
            event = {"model_type": "model", "module": number, "modules": 2, "status": "processing"}
            self.wfile.write(f"data: {json.dumps(event)}\r\n\r\n".encode())
        if self.error:
            self.wfile.write(f'data: {json.dumps({"error": {"message": self.error}})}\r\n\r\n'.encode())


@pytest.fixture
def tabby() -> Iterator[ThreadingHTTPServer]:
    Tabby.asked, Tabby.error = [], ""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tabby)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


async def test_tabby_s_load_tells_its_progress_and_its_error(tabby: ThreadingHTTPServer) -> None:
    address, seen = ("127.0.0.1", tabby.server_port), list[Any]()
    wake, values = action.TABLE["tabbyapi"]["wake 1"], {"model": {"model_name": "m", "max_seq_len": 512}}
    await action.perform(action.TABLE["tabbyapi"]["sleep 1"], address, "k", {})
    await action.perform(wake, address, "k", values, seen.append)
    assert [event["module"] for event in seen] == [1, 2]
    assert Tabby.asked == [("/v1/model/unload k", None), ("/v1/model/load k", values["model"])]
    Tabby.error = "Insufficient VRAM"
    with pytest.raises(Unavailable, match="Insufficient VRAM"):
        await action.perform(wake, address, "k", values)


async def test_the_slots_of_a_real_llama_cpp_are_saved_restored_and_erased(model: Path, tmp_path: Path, free_port: int) -> None:
    saved, state = tmp_path / "saved", tmp_path / "state"
    saved.mkdir()
    state.mkdir()
    recipe = {"id": "one", "backend": "llamacpp", "model_path": str(model), "max_model_len": 512,
              "extra_args": {"slot_save_path": str(saved), "threads": 1}}
    async with control(state, inference_port=free_port) as house:
        await house.owner.post("/recipes", json=recipe)
        assert (await house.owner.post("/launch/one")).status_code == 200
        slots = (await house.owner.get("/instances/one/slots")).json()
        assert slots[0]["id"] == 0 and slots[0]["is_processing"] is False
        assert (await house.owner.get("/instances/one/adapters")).json() == []
        keeper = house.services.supervisor.keepers()[0]
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            await client.post(f"http://127.0.0.1:{keeper.spec.port}/completion", json={"prompt": "one two three", "n_predict": 1,
                              "id_slot": 0}, headers={"authorization": f"Bearer {keeper.spec.api_key}"})
        done = (await house.owner.post("/instances/one/slots/0", json={"action": "save", "file": "a.bin"})).json()
        assert done["n_saved"] > 0 and (saved / "a.bin").stat().st_size > 0
        assert (await house.owner.post("/instances/one/slots/0", json={"action": "erase"})).json()["n_erased"] > 0
        restored = (await house.owner.post("/instances/one/slots/0", json={"action": "restore", "file": "a.bin"})).json()
        assert restored["n_restored"] == done["n_saved"]
        outside = await house.owner.post("/instances/one/slots/0", json={"action": "save", "file": "../a.bin"})
        assert outside.status_code == 422
        assert (await house.owner.post("/instances/one/sleep")).status_code == 409
