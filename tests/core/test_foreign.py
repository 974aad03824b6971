"""Foreign engines: found by what they are, shown as they are, never signalled by looking. Real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Collection, Iterator
from pathlib import Path

import pytest

from studio_core import wire
from studio_core.engines.listing import Listing, ask
from studio_core.errors import BadValue, Conflict, NotFound
from studio_core.supervisor import foreign, identity, tree
from studio_core.supervisor.census import Engine
from studio_core.supervisor.foreign import Foreigners
from tests.core.control import control
from tests.hand import Hand, hand
from tests.wait import eventually, wait_until


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "LOOK_S", 0.0)


@contextlib.asynccontextmanager
async def foreigners(folder: Path, ours: Collection[tuple[int, int]] = (), *taken: str) -> AsyncIterator[Foreigners]:
    async def names() -> Collection[str]:
        return taken

    one = Foreigners(folder / "attached.json", lambda found: set(found) & set(ours), names, lambda: None)
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


async def seen(one: Foreigners, pid: int, state: str = "ready", gpus: wire.Gpus | None = None) -> wire.Foreign:
    """As it is shown, once it is in that state."""
    async def look() -> wire.Foreign | None:
        await one.look()
        return next((each for each in one.view(gpus or wire.Gpus()) if (each.pid, each.state) == (pid, state)), None)

    found = await eventually(look, what=f"pid {pid} is shown as {state}")
    assert found is not None
    return found


async def shown(one: Foreigners, pid: int) -> bool:
    await one.look()
    return any(each.pid == pid for each in one.view(wire.Gpus()))


async def test_what_is_shown_of_one(tmp_path: Path, free_port: int) -> None:
    with hand(tmp_path, free_port, "--alias", "nice") as mine:
        async with foreigners(tmp_path) as one:
            found = await seen(one, mine.pid)
            for _ in range(20):
                await one.look(fresh=True)
    assert (found.engine, found.model, found.served_names, found.name) == ("llamacpp", "/models/tiny.gguf", ["nice"], "nice")
    assert (found.host, found.port, found.proof) == ("127.0.0.1", free_port, "tree")
    assert (found.uid, found.ticks > 0, found.attached, found.memory_bytes) == (os.getuid(), True, None, None)
    assert mine.signals() == [], "looking signals nobody"


async def test_our_own_and_their_children_are_not_foreign(tmp_path: Path, free_port: int) -> None:
    with hand(tmp_path, free_port) as mine:
        async with foreigners(tmp_path, {(mine.pid, mine.ticks)}) as one:
            await one.look()
            assert not await shown(one, mine.pid)


async def test_a_forked_child_is_its_parent_s(tmp_path: Path, free_port: int) -> None:
    """Its command line is the same; what it holds of a GPU counts, also when it has renamed itself."""
    twin = [str(tmp_path / "llama-server"), "-m", "x", "--port", str(free_port + 1)]
    with hand(tmp_path, free_port, children=1, spawn=[["env", "SCRIPT={}", sys.executable, *twin]]) as mine:
        children = wait_until(lambda: two if len(two := below(mine.pid)) == 2 else [], what="both children run")
        named = wait_until(lambda: [pid for pid in children if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"VLLM")])
        used = [wire.GpuProcess(pid=pid, memory_bytes=7) for pid in (mine.pid, *named, 1)]
        async with foreigners(tmp_path) as one:
            found = await seen(one, mine.pid, gpus=wire.Gpus(gpus=[wire.Gpu(index=0, uuid="g", name="g", processes=used)]))
            assert found.memory_bytes == 14 and found.port == free_port
            assert not any([await shown(one, child) for child in children])


def below(pid: int) -> list[int]:
    return [one.pid for one in tree.processes().values() if one.parent == pid and one.state not in "ZX"]


async def test_a_process_that_becomes_an_engine_later(tmp_path: Path, free_port: int) -> None:
    """The pid is known, and what it executes changes: a start script does that."""
    (tmp_path / "llama-server").symlink_to(Path(__file__).parents[1] / "engines" / "scripted.py")
    code = "import os, sys; sys.stdin.readline(); os.execv(sys.argv[1], sys.argv[1:])"
    argv = [sys.executable, "-c", code, sys.executable, str(tmp_path / "llama-server"), "--port", str(free_port)]
    with running(argv, tmp_path) as process:
        async with foreigners(tmp_path) as one:
            assert not await shown(one, process.pid)
            assert process.stdin is not None
            process.stdin.write(b"\n")
            process.stdin.flush()
            await seen(one, process.pid)


async def test_the_port_is_proven_not_believed(tmp_path: Path, free_port: int) -> None:
    """It says one port and listens on the next; somebody else listens on the one that it names."""
    with socket.create_server(("127.0.0.1", free_port)), hand(tmp_path, free_port, port_offset=1) as mine:
        async with foreigners(tmp_path) as one:
            assert (await seen(one, mine.pid)).port == free_port + 1


async def test_one_that_does_not_listen_yet_has_no_port(tmp_path: Path, free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)), hand(tmp_path, free_port, start_s=600.0) as mine:
        async with foreigners(tmp_path) as one:
            found = await seen(one, mine.pid, "loading")
            assert (found.port, found.proof) == (None, "")
            with pytest.raises(Conflict, match="no port"):
                await one.attach(mine.pid, wire.Attach())


async def test_a_listener_that_is_reached_instead(tmp_path: Path, free_port: int) -> None:
    """It listens on any address, somebody else on loopback's: whoever connects there reaches the other."""
    with hand(tmp_path, free_port, "--host", "0.0.0.0") as mine:
        async with foreigners(tmp_path) as one:
            assert (await seen(one, mine.pid)).port == free_port
            with socket.socket() as rival:
                rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with contextlib.suppress(OSError):
                    rival.bind(("127.0.0.1", free_port))
                    rival.listen()
                    assert (await seen(one, mine.pid, "loading")).port is None


async def test_one_that_wants_a_key(tmp_path: Path, free_port: int) -> None:
    with hand(tmp_path, free_port, environ={"LLAMA_API_KEY": "secret"}) as mine:
        async with foreigners(tmp_path) as one:
            found = await seen(one, mine.pid, "keyed")
            assert found.name == "tiny.gguf"
            for key, words in (("", "wants a key"), ("wrong", "refuses this key")):
                with pytest.raises(Conflict, match=words):
                    await one.attach(mine.pid, wire.Attach(key=key))
            assert (await one.attach(mine.pid, wire.Attach(name="t", key="secret"))).attached == "t"
            [(kept, proven)] = one.attached()
            assert (kept.key, kept.model, kept.port, proven) == ("secret", "scripted", free_port, True)
            assert (tmp_path / "attached.json").stat().st_mode & 0o777 == 0o600


async def test_attached_until_detached_or_dead(tmp_path: Path, free_port: int) -> None:
    with hand(tmp_path, free_port, "--alias", "nice") as mine:
        async with foreigners(tmp_path, (), "Taken") as one:
            await seen(one, mine.pid)
            with pytest.raises(Conflict, match="is taken"):
                await one.attach(mine.pid, wire.Attach(name="taken"))
            with pytest.raises(Conflict, match="another process"):
                await one.attach(mine.pid, wire.Attach(ticks=mine.ticks + 1))
            await one.attach(mine.pid, wire.Attach(ticks=mine.ticks))
            one.detach(mine.pid)
            assert one.attached() == []
            with pytest.raises(NotFound):
                one.detach(mine.pid)
            await one.attach(mine.pid, wire.Attach(name="mine"))
        async with foreigners(tmp_path) as next_one:
            assert [(kept.name, proven) for kept, proven in next_one.attached()] == [("mine", True)]
            found = await eventually(lambda: measured(next_one), what="its figures were read")
            assert found is not None and (found.attached, found.running, found.waiting) == ("mine", 0, 0)
            mine.process.kill()
            await eventually(lambda: not next_one.attached(), what="it ends with its process")
        async with foreigners(tmp_path) as last:
            assert last.attached() == []
    assert mine.signals() == []


async def measured(one: Foreigners) -> wire.Foreign | None:
    await one.look()
    return next((each for each in one.view(wire.Gpus()) if each.running is not None), None)


async def test_a_record_of_another_process_is_nobody_s(tmp_path: Path, free_port: int) -> None:
    """The pid is used again, or the machine was booted since."""
    with hand(tmp_path, free_port) as mine:
        async with foreigners(tmp_path) as one:
            await seen(one, mine.pid)
            await one.attach(mine.pid, wire.Attach(name="mine"))
        text = (tmp_path / "attached.json").read_text()
        for real, other in ((str(mine.ticks), str(mine.ticks + 1)), (identity.boot_id(), "earlier")):
            assert real in text
            (tmp_path / "attached.json").write_text(text.replace(real, other))
            async with foreigners(tmp_path) as one:
                assert one.attached() == []
        for torn in ("{", "[1]", '[{"process": 1}]', "null"):
            (tmp_path / "attached.json").write_text(torn)
            async with foreigners(tmp_path) as one:
                assert one.attached() == []


async def test_it_is_stopped_on_a_person_s_word_only(tmp_path: Path, free_port: int) -> None:
    with hand(tmp_path, free_port, "--alias", "nice") as mine:
        async with foreigners(tmp_path) as one:
            await seen(one, mine.pid)
            refused: tuple[tuple[wire.ForeignStop, type[Exception]], ...] = (
                (wire.ForeignStop(ticks=mine.ticks, confirm=""), BadValue),
                (wire.ForeignStop(ticks=mine.ticks, confirm="Nice"), BadValue),
                (wire.ForeignStop(ticks=mine.ticks + 1, confirm="nice"), Conflict),
                (wire.ForeignStop(confirm="nice"), Conflict),
            )
            for asked, error in refused:
                with pytest.raises(error):
                    await one.stop_engine(mine.pid, asked)
            with pytest.raises(NotFound):
                await one.stop_engine(os.getpid(), wire.ForeignStop(ticks=1, confirm="nice"))
            assert mine.alive and mine.signals() == []
            ended = asyncio.create_task(asyncio.to_thread(mine.process.wait))
            await one.stop_engine(mine.pid, wire.ForeignStop(ticks=mine.ticks, confirm="nice"))
            await ended
            assert mine.signals() == [signal.SIGTERM] and not await shown(one, mine.pid)


async def test_one_that_does_not_hear_is_ended_with_its_children_by_force(
    tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign, "GRACE_S", 0.2)
    with hand(tmp_path, free_port, "--alias", "nice", ignore_term=True, children=2) as mine:
        children = wait_until(lambda: two if len(two := below(mine.pid)) == 2 else [])
        asked = wire.ForeignStop(ticks=mine.ticks, confirm="nice")
        async with foreigners(tmp_path) as one:
            await seen(one, mine.pid)
            with pytest.raises(Conflict, match="has not ended"):
                await one.stop_engine(mine.pid, asked)
            assert mine.alive
            ended = asyncio.create_task(asyncio.to_thread(mine.process.wait))
            await one.stop_engine(mine.pid, wire.ForeignStop(ticks=asked.ticks, confirm="nice", force=True))
            await ended
        wait_until(lambda: not any(child in tree.processes() and tree.processes()[child].state not in "ZX" for child in children))


async def test_tabby_is_known_by_its_files(tmp_path: Path, free_port: int) -> None:
    """Anybody's main.py is not TabbyAPI."""
    for name, marks in (("tabby", ("common", "endpoints")), ("other", ())):
        folder = tmp_path / name
        for mark in marks:
            (folder / mark).mkdir(parents=True)
        folder.mkdir(exist_ok=True)
        (folder / "main.py").write_text("import time; time.sleep(600)")
    (tmp_path / "tabby" / "common" / "tabby_config.py").touch()
    argv = [sys.executable, "main.py", "--config", "config.yml", "--port", str(free_port)]
    with contextlib.ExitStack() as stack:
        tabby, other = (
            stack.enter_context(running(argv, tmp_path / name)).pid for name in ("tabby", "other")
        )
        async with foreigners(tmp_path) as one:
            assert (await seen(one, tabby, "loading")).engine == "tabbyapi"
            assert not await shown(one, other)


@contextlib.contextmanager
def running(argv: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(argv, cwd=folder, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def test_hands_are_engines(tmp_path: Path, free_port: int) -> None:
    """The test's own engine listens and tells of the signals that it got."""
    with hand(tmp_path, free_port) as mine:
        os.kill(mine.pid, signal.SIGUSR1)
        wait_until(lambda: mine.signals() == [signal.SIGUSR1])
        assert isinstance(mine, Hand) and mine.alive


# What a stranger's listener answers → what is made of it.
ANSWERS: dict[bytes, Listing] = {
    b'{"data": [{"id": "a"}, {"id": 1}, "x", {"id": ""}, {"id": "\\ud800b"}]}': Listing(200, ("a", "?b")),
    b'{"data": "no list"}': Listing(200),
    b"[]": Listing(200),
    b"not JSON": Listing(),
    b"[" * 100_000: Listing(),
    b'{"data": [{"id": "' + b"x" * 1000 + b'"}]}': Listing(200, ("x" * 200,)),
    b" " * (300 * 1024): Listing(),
}


@pytest.mark.parametrize("body", ANSWERS, ids=lambda body: body[:12].decode().strip() or "much")
async def test_a_stranger_s_answer_is_bounded(body: bytes, free_port: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + body)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", free_port):
        assert await ask("127.0.0.1", free_port) == ANSWERS[body]
    assert await ask("127.0.0.1", free_port) == Listing()


async def test_a_scrape_waits_for_no_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with control(tmp_path) as house:
        inside, go = threading.Event(), threading.Event()

        def hang() -> list[Engine]:
            inside.set()
            go.wait(30)
            return []

        monkeypatch.setattr(house.services.foreign._census, "scan", hang)
        try:
            assert (await house.owner.get("/metrics")).status_code == 200
            await eventually(inside.is_set)
        finally:
            go.set()
        await eventually(lambda: not house.services.foreign._looking.locked())
