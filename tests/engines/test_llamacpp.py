"""The real engine with the real model, started by the command that Studio builds."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from studio_core.engines import readiness
from studio_core.engines.diagnosis import diagnose
from studio_core.engines.engine import Bench, Command
from studio_core.engines.progress import MilestoneReader
from studio_core.engines.registry import find
from studio_core.recipes.recipe import parse
from studio_core.settings import load
from studio_core.wire import Exit
from tests import free
from tests.engines.model import model
from tests.wait import eventually

__all__ = ["model"]
KEY = "the-key-of-this-launch"
HOST = "127.0.0.1"
ENGINE = find("llamacpp")
Start = Callable[[Command], subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a command with its output in tmp_path/log; ends what still runs."""
    started: list[subprocess.Popen[bytes]] = []

    def run(command: Command) -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("wb") as log:
            environment = {"PATH": os.environ["PATH"], **command.env}
            started.append(subprocess.Popen(command.argv, env=environment, cwd=command.cwd, stdout=log, stderr=log))
        return started[-1]

    yield run
    for process in started:
        process.kill()
        process.wait()


def command(model: Path, folder: Path, port: int, **fields: Any) -> Command:
    recipe = parse({"id": "demo", "backend": "llamacpp", "model_path": str(model), "max_model_len": 512, **fields})
    return ENGINE.command(recipe, Bench(HOST, port, KEY, folder, load()))


def cause(folder: Path, process: subprocess.Popen[bytes]) -> str:
    code = process.wait(60)
    assert code == 1
    return diagnose(ENGINE, (folder / "log").read_text().splitlines(), Exit(code=code)).title


async def test_ready_stream_count_stop(model: Path, tmp_path: Path, start: Start) -> None:
    port = free.port()
    process = start(command(model, tmp_path, port, extra_args={"chat_template": "chatml", "threads": 1}))

    def is_ready() -> bool | Awaitable[bool]:
        return readiness.ready(ENGINE, HOST, port, KEY)

    await eventually(is_ready, what="the engine is ready")
    assert not await readiness.ready(ENGINE, HOST, port, "another key")
    reader = MilestoneReader(ENGINE)
    reader.feed((tmp_path / "log").read_bytes())
    assert reader.progress.percent in (99, 100)  # it answers a moment before it says so

    body = {"model": "demo", "messages": [{"role": "user", "content": "What is the capital of France?"}],
            "temperature": 0, "stream": True, "max_tokens": 400, "ignore_eos": True}
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", trust_env=False, timeout=30) as client:
        headers = {"authorization": f"Bearer {KEY}"}
        async with client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
            assert answer.status_code == 200
            lines = answer.aiter_lines()
            text = ""
            while "Paris" not in text:
                line = await anext(lines)
                if line:
                    text += json.loads(line.removeprefix("data: "))["choices"][0]["delta"].get("content") or ""
            assert await readiness.running(ENGINE, HOST, port, KEY) == 1
            # An open stream must not delay the end: it did, for 30 s, through the server's destructor.
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    assert KEY not in (tmp_path / "log").read_text()


def test_sigterm_while_it_loads(model: Path, tmp_path: Path, start: Start) -> None:
    process = start(command(model, tmp_path, free.port()))
    while b"loading model '" not in (tmp_path / "log").read_bytes():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) in (0, -signal.SIGTERM)


def test_a_taken_port(model: Path, tmp_path: Path, start: Start) -> None:
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        holder.listen()
        port = int(holder.getsockname()[1])
        assert cause(tmp_path, start(command(model, tmp_path, port))) == f"port {port} on {HOST} cannot be bound"


def test_a_model_that_went_after_the_check(model: Path, tmp_path: Path, start: Start) -> None:
    copy = tmp_path / "gone.gguf"
    copy.write_bytes(b"GGUF")
    built = command(copy, tmp_path, free.port())
    copy.unlink()
    assert cause(tmp_path, start(built)) == f"the model file {copy} is not there"


def test_a_model_cut_short(model: Path, tmp_path: Path, start: Start) -> None:
    copy = tmp_path / "cut.gguf"
    with model.open("rb") as stream:
        copy.write_bytes(stream.read(3000))
    assert cause(tmp_path, start(command(copy, tmp_path, free.port()))) == "the model file is damaged or incomplete"


@pytest.mark.parametrize(("arguments", "title"), [
    (("--nope",), "llama-server does not know --nope"),
    (("--ctx-size", "many"), "llama-server refuses the value of --ctx-size"),
    (("--port",), "llama-server refuses the value of --port"),
])
def test_a_flag_that_the_runner_refuses(
    model: Path, tmp_path: Path, start: Start, arguments: tuple[str, ...], title: str
) -> None:
    built = command(model, tmp_path, free.port())
    assert cause(tmp_path, start(Command((*built.argv, *arguments), built.env, built.cwd))) == title


async def test_nothing_there_is_neither_ready_nor_counted() -> None:
    port = free.port()
    assert not await readiness.ready(ENGINE, HOST, port, KEY)
    assert await readiness.running(ENGINE, HOST, port, KEY) is None
