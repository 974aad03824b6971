"""TCP ports: who listens, what is free, whose a listener is. Reads /proc/net/tcp and tcp6 (proc(5))."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass

LISTEN = "0A"
FULL_S = 0.02
# Programs whose name alone says nothing.
INTERPRETERS = ("python", "node", "ruby", "perl", "sh", "bash")
NAME_LIMIT = 80


@dataclass(frozen=True, slots=True)
class Holder:
    """Who listens on a port. `pid` is None where the kernel does not let us see it."""

    uid: int
    pid: int | None
    name: str

    def __str__(self) -> str:
        return f"{self.name} (pid {self.pid})" if self.pid is not None else f"a process of uid {self.uid}"


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket: the kernel's spelling of its local address (hexadecimal, host byte order), owner and inode."""

    address: str
    uid: int
    inode: str
    port: int = 0

    @property
    def host(self) -> str:
        """Where a client of this machine reaches it: loopback for what listens on any address."""
        packed = b"".join(
            bytes.fromhex(self.address[at : at + 8])[:: -1 if sys.byteorder == "little" else 1]
            for at in range(0, len(self.address), 8)
        )
        found = ipaddress.ip_address(packed)
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        if not found.is_unspecified:
            return str(found)
        return "127.0.0.1" if found.version == 4 or accepts("127.0.0.1", self.port) else "::1"


def _listeners(port: int | None = None) -> Iterator[Listener]:
    """Every listening socket on the port, or on any."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                rows = file.read().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            address, _, number = fields[1].rpartition(":")
            if fields[3] == LISTEN and (port is None or int(number, 16) == port):
                yield Listener(address, int(fields[7]), fields[9], int(number, 16))


def listeners() -> dict[str, Listener]:
    """Every listening socket of this network namespace by its inode."""
    return {one.inode: one for one in _listeners()}


def sockets(pid: int) -> set[str] | None:
    """The inodes of the sockets that a process holds; None where the kernel does not let us see them."""
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return None
    found = set()
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def _owns(pid: int, inodes: Collection[str]) -> bool:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        if target.startswith("socket:[") and target[8:-1] in inodes:
            return True
    return False


def holder(port: int) -> Holder | None:
    """The process that listens on the port, on any address; None when nobody does."""
    found = {one.inode: one.uid for one in _listeners(port)}
    if not found:
        return None
    uid = next(iter(found.values()))
    for name in os.listdir("/proc"):
        if name.isdigit() and _owns(int(name), found):
            return Holder(uid, int(name), _command(int(name)))
    return Holder(uid, None, "")


def _command(pid: int) -> str:
    """Its name, and of an interpreter what it runs; never more of its arguments, which may be secrets."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read().rstrip("\n")
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            words = file.read().split("\0")[1:]
    except OSError:
        return "?"
    if name.startswith(INTERPRETERS):
        at = next((number for number, word in enumerate(words) if word and not word.startswith("-")), None)
        if at is not None:
            name += f" -m {words[at]}" if "-m" in words[:at] else f" {os.path.basename(words[at])}"
    # A process chooses its name freely.
    return "".join(letter if letter.isprintable() else "?" for letter in name[:NAME_LIMIT])


def accepts(host: str, port: int) -> bool:
    """Whether anybody listens there. A local connect tells at once; the kernel's list of sockets takes milliseconds to read."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        # A refusal is there at once; silence is a listener whose queue is full.
        probe.settimeout(FULL_S)
        return probe.connect_ex((host, port)) in (0, errno.EAGAIN)


def listener_belongs(port: int, pids: Collection[int], host: str = "127.0.0.1") -> bool:
    """Whether whoever connects to `host` at the port reaches these processes, and no stranger."""
    reached = _reached(list(_listeners(port)), host)
    return bool(reached) and all(any(_owns(pid, {one.inode}) for pid in pids) for one in reached)


def _reached(found: Collection[Listener], host: str) -> list[Listener]:
    """The listeners that get connections to an IPv4 address: those of the address itself go before those of any address."""
    packed = "".join(f"{octet:02X}" for octet in reversed(socket.inet_aton(host)))
    if sys.byteorder == "big":
        packed = socket.inet_aton(host).hex().upper()
    mapped = "0000000000000000" + ("FFFF0000" if sys.byteorder == "little" else "0000FFFF") + packed
    own = [one for one in found if one.address in (packed, mapped)]
    return own or [one for one in found if not one.address.strip("0")]


def is_free(host: str, port: int) -> bool:
    """Whether the port can be bound and listened on now; connections of a dead listener in TIME_WAIT do not count."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def ephemeral() -> range:
    """The ports that the kernel gives to outgoing connections (ip(7), ip_local_port_range)."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            low, high = map(int, file.read().split())
    except (OSError, ValueError):
        return range(32768, 61000)
    return range(low, high + 1)


def pick(first: int, taken: Collection[int] = (), host: str = "127.0.0.1") -> int:
    """The first free port from `first` upward, not among `taken` and outside the ephemeral range. Raises OSError."""
    avoid = ephemeral()
    for port in range(first, 65536):
        if port not in taken and (port not in avoid or port == first) and is_free(host, port):
            return port
    raise OSError(f"no free port from {first} upward")
