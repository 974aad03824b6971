"""Ports: whose listener answers, who holds one, which is free; on real sockets."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from studio_core.supervisor import port

LISTEN = """
import ctypes, socket, sys, time
ctypes.CDLL(None).prctl(15, sys.argv[3].encode(), 0, 0, 0)
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], int(sys.argv[2])), family=family, dualstack_ipv6=False) as server:
    print(flush=True)
    time.sleep(600)
"""


@contextmanager
def stranger(host: str, number: int, name: str = "stranger") -> Iterator[int]:
    """A process that listens; its pid."""
    argv = [sys.executable, "-c", LISTEN, host, str(number), name]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"\n"
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


@contextmanager
def ours(host: str, number: int) -> Iterator[None]:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, number))
        server.listen()
        yield


def test_a_stranger_is_not_ours_and_is_named(free_port: int) -> None:
    assert port.holder(free_port) is None
    assert not port.listener_belongs(free_port, {os.getpid()})
    with stranger("127.0.0.1", free_port, "bad\x1b[2Jname") as pid:
        assert not port.listener_belongs(free_port, {os.getpid()})
        assert port.listener_belongs(free_port, {os.getpid(), pid})
        assert port.accepts("127.0.0.1", free_port)
        assert not port.is_free("127.0.0.1", free_port)
        assert str(port.holder(free_port)) == f"bad?[2Jname (pid {pid})"
    assert port.is_free("127.0.0.1", free_port)


@pytest.mark.parametrize(("host", "answers"), [("127.0.0.1", True), ("127.0.0.2", False)])
def test_the_listener_that_callers_reach_decides(free_port: int, host: str, answers: bool) -> None:
    """A stranger on another address does not matter, one on ours does: even while the tree has a listener there too."""
    with stranger(host, free_port) as pid:
        other = "127.0.0.2" if answers else "127.0.0.1"
        with ours(other, free_port):
            assert port.listener_belongs(free_port, {pid}) is answers
            assert port.listener_belongs(free_port, {os.getpid()}) is not answers
            assert port.listener_belongs(free_port, {pid}, host)


def test_a_listener_on_any_address_answers_for_all(free_port: int) -> None:
    with ours("0.0.0.0", free_port):
        assert port.listener_belongs(free_port, {os.getpid()})
        assert not port.is_free("127.0.0.1", free_port)


def test_a_listener_on_any_address_of_both_families(free_port: int) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with socket.create_server(("::", free_port), family=socket.AF_INET6, dualstack_ipv6=True):
        assert port.listener_belongs(free_port, {os.getpid()})


def test_a_connection_that_lingers_does_not_take_the_port(free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)) as server:
        client = socket.create_connection(("127.0.0.1", free_port))
        accepted, _ = server.accept()
        accepted.close()
        client.close()
    assert port.is_free("127.0.0.1", free_port)


def test_a_port_takes_connections_or_does_not(free_port: int) -> None:
    assert not port.accepts("127.0.0.1", free_port)
    with socket.socket() as server, contextlib.ExitStack() as queue:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", free_port))
        assert not port.accepts("127.0.0.1", free_port)
        server.listen(0)
        assert port.accepts("127.0.0.1", free_port)
        for _ in range(4):
            client = queue.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", free_port))
        assert port.accepts("127.0.0.1", free_port), "a full queue is a listener's"
    assert not port.accepts("127.0.0.1", free_port)


def test_the_first_free_port_that_is_nobodys(free_port: int) -> None:
    with ours("127.0.0.1", free_port):
        found = port.pick(free_port, taken={free_port + 1})
    assert found >= free_port + 2
    assert found not in port.ephemeral()
    with pytest.raises(OSError, match="no free port"):
        port.pick(65535, taken={65535})
