"""The client: answers, errors and streams over real sockets, from servers that keep the rules and from others."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path

import pytest

from studio_core import errors, wire
from studio_core.client import Client
from studio_core.errors import BadSetting, Daemonless, StudioError
from tests.core.raw import CHUNKED, CLOSING, chunk, plain, raw
from tests.wait import wait_until

TREE = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, StudioError)]


@pytest.fixture
def path(state_dir: Path) -> Path:
    return state_dir / "control.sock"


@pytest.mark.parametrize("kind", TREE, ids=lambda one: one.__name__)
def test_an_error_comes_back_as_what_it_was(path: Path, kind: type[StudioError]) -> None:
    sent = kind("what", "where", "do this")
    with raw(path, plain(f"{kind.status} No", json.dumps(sent.body()).encode())), pytest.raises(StudioError) as caught:
        Client(path).status()
    assert type(caught.value) is kind
    assert (caught.value.title, caught.value.detail, caught.value.hint) == ("what", "where", "do this")


STRANGE = {
    "a page instead of data": (plain("200 OK", b"<html>", "text/html"), StudioError, "cannot be read"),
    "data of another shape": (plain("200 OK", b'{"running": "perhaps"}'), StudioError, "cannot be read"),
    "bytes that are no text": (plain("200 OK", b'{"running": "\xff"}'), StudioError, "cannot be read"),
    "an error that is a page": (plain("502 Bad Gateway", b"<html>\xff", "text/html"), StudioError, "502"),
    "half an answer": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", Daemonless, "middle"),
    "half an error": (b"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\n{", Daemonless, "does not answer"),
    "no HTTP at all": (b"SSH-2.0-OpenSSH\r\n", Daemonless, "does not answer"),
    "nothing": (b"", Daemonless, "does not answer"),
}


@pytest.mark.parametrize("case", STRANGE)
def test_a_strange_answer_is_one_clear_error(path: Path, case: str) -> None:
    answer, kind, words = STRANGE[case]
    with raw(path, answer), pytest.raises(kind) as caught:
        Client(path).status()
    assert words in caught.value.line()
    assert "\n" not in caught.value.line()


def test_who_is_silent_is_left_after_a_while(path: Path) -> None:
    began = time.monotonic()
    with raw(path, b"", hold=True), pytest.raises(Daemonless):
        Client(path, patience=0.2).status()
    assert time.monotonic() - began < 20


def test_nobody_there(path: Path) -> None:
    with pytest.raises(Daemonless, match="does not answer") as caught:
        Client(path).status()
    assert "studio up" in caught.value.hint


def test_a_socket_whose_path_the_kernel_does_not_take(state_dir: Path) -> None:
    folder = state_dir / ("long" * 20) / ("path" * 20)
    folder.mkdir(parents=True)
    with raw(folder / "control.sock", plain("200 OK", b"[]")):
        assert Client(folder / "control.sock").recipes() == []


ADDRESSES = ["http://", "http://host:99999", "http://host:port", "ftp://host", "http://[::1", "http://:8080", "file:///etc/passwd"]


@pytest.mark.parametrize("url", ADDRESSES)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(BadSetting, match="address"):
        Client(url=url)


@pytest.mark.parametrize("key", ["with\nbreak", "schlüssel", "\x00"])
def test_a_key_that_cannot_be_sent_is_not_shown(key: str) -> None:
    with pytest.raises(BadSetting) as caught:
        Client(url="http://127.0.0.1:1", key=key)
    assert key not in caught.value.line()


FRAMES = (
    ": a comment\n\n"
    "id: 1\nevent: status\ndata: {\"data\": {\"a\": 1}, \"timestamp\": \"now\"}\n\n"
    "id: 2\r\nevent: log\r\ndata: {\"line\": \"x\"}\r\n\r\n"
    "data: two\ndata: lines\n\n"
    "event: cut off\ndata: {"
)
TOLD = [
    wire.Event(event="status", data={"a": 1}, id="1"), wire.Event(event="log", data={"line": "x"}, id="2"),
    wire.Event(event="message", data="two\nlines", id=""),
]
KINDS = {
    "in chunks": CHUNKED + b"".join(chunk(FRAMES[at : at + 7]) for at in range(0, len(FRAMES), 7)) + b"0\r\n\r\n",
    "in chunks, cut off": CHUNKED + chunk(FRAMES) + b"20\r\nha",
    "up to the end": CLOSING + FRAMES.encode(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_events_are_read_however_they_are_cut(path: Path, kind: str) -> None:
    with raw(path, KINDS[kind]):
        assert list(Client(path).events()) == TOLD


@pytest.mark.parametrize("head", [CHUNKED + chunk(FRAMES), CLOSING + FRAMES.encode()], ids=["chunks", "to the end"])
def test_a_stream_is_closed_from_another_thread(path: Path, head: bytes) -> None:
    seen: list[wire.Event] = []
    with raw(path, head, hold=True), contextlib.closing(Client(path).events()) as stream:
        reader = threading.Thread(target=lambda: seen.extend(stream), daemon=True)
        reader.start()
        wait_until(lambda: len(seen) == len(TOLD) and stream_waits(reader), what="the reader waits for more")
        stream.close()
        reader.join(20)
        assert not reader.is_alive(), "nothing else would have ended its wait"
    assert seen == TOLD


def stream_waits(reader: threading.Thread) -> bool:
    """Whether the thread sleeps in the kernel: it has read all that came."""
    try:
        state = Path(f"/proc/self/task/{reader.native_id}/stat").read_text().rpartition(")")[2].split()[0]
        where = Path(f"/proc/self/task/{reader.native_id}/wchan").read_text()
    except OSError:
        return False
    return state == "S" and "futex" not in where


def test_a_launch_whose_events_end_is_not_called_over(path: Path) -> None:
    with raw(path, CLOSING + b"event: gpu\ndata: {}\n\n"), pytest.raises(Daemonless, match="during the launch"):
        Client(path).over("l")
