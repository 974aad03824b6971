"""Which sockets a set of processes listens on, with their addresses. Reads /proc/net/tcp and tcp6 (proc(5))."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass

LISTEN = "0A"
TABLES = {"/proc/net/tcp": socket.AF_INET, "/proc/net/tcp6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Listener:
    pid: int
    address: str
    port: int

    @property
    def is_loopback(self) -> bool:
        found = ipaddress.ip_address(self.address)
        mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
        return (mapped or found).is_loopback


def of(pids: Collection[int]) -> list[Listener]:
    """The listening TCP sockets of these processes."""
    table = dict(_listening())
    return [Listener(pid, *table[inode]) for pid in pids for inode in _sockets(pid) if inode in table]


def _listening() -> Iterator[tuple[str, tuple[str, int]]]:
    """Socket inode → (address, port)."""
    for path, family in TABLES.items():
        with suppress(OSError), open(path, encoding="ascii") as file:
            for row in file.read().splitlines()[1:]:
                fields = row.split()
                if fields[3] == LISTEN:
                    address, _, port = fields[1].rpartition(":")
                    yield fields[9], (decoded(address, family), int(port, 16))


def decoded(address: str, family: socket.AddressFamily) -> str:
    """The kernel prints an address as 32-bit words in the machine's own byte order."""
    raw = bytes.fromhex(address)
    if sys.byteorder == "little":
        raw = b"".join(raw[at : at + 4][::-1] for at in range(0, len(raw), 4))
    return socket.inet_ntop(family, raw)


def _sockets(pid: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                target = os.readlink(f"/proc/{pid}/fd/{name}")
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
