"""Ports and who holds them; what can be reached from outside this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from studio_core.doctor import listener
from studio_core.doctor.finding import FAIL, OK, WARN, Finding
from studio_core.doctor.subject import Subject
from studio_core.supervisor import port, record, tree


def gateway_port(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    number = settings.port
    holder = port.holder(number) if number else None
    if holder is None:
        yield Finding("port", OK, f"port {number} is free for the gateway" if number else "the gateway takes any free port")
    elif holder.pid in subject.own_pids:
        yield Finding("port", OK, f"the gateway has port {number}")
    else:
        free = port.pick(number + 1)
        yield Finding("port", FAIL, f"port {number} is held by {holder}", "the gateway cannot listen",
                      f"end that process, or take a free port: studio settings set port {free}")


def inference_port(subject: Subject) -> Iterator[Finding]:
    number = subject.settings.inference_port
    holder = port.holder(number)
    if holder is None:
        yield Finding("inference port", OK, f"port {number} is free for the first engine")
    elif holder.pid in subject.own_pids:
        yield Finding("inference port", OK, f"an engine has port {number}")
    else:
        yield Finding(
            "inference port", WARN, f"port {number} is held by {holder}",
            "engines take the next free port; clients that go past the gateway look for them here",
            f"end that process, or take a free port: studio settings set inference_port {port.pick(number + 1)}",
        )


def exposure(subject: Subject) -> Iterator[Finding]:
    host = subject.settings.host
    if _is_loopback(host):
        yield Finding("exposure", OK, f"the gateway listens on {host} only; reach it from elsewhere with ssh -L")
    else:
        yield Finding("exposure", WARN, f"the gateway listens on {host}: others can reach it",
                      "requests and keys travel unencrypted", "VLLM_STUDIO_HOST=127.0.0.1, or put a TLS proxy in front")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def engines(subject: Subject) -> Iterator[Finding]:
    """Every listening socket of every engine's whole tree."""
    found = 0
    wide = []
    for folder in sorted(subject.places.instances.glob("*/")):
        members = tree.members(folder.name, record.read(folder))
        for one in listener.of([member.pid for member in members]):
            found += 1
            if not one.is_loopback:
                wide.append(f"{folder.name} on {one.address}:{one.port} (pid {one.pid})")
    if wide:
        yield Finding("engine listeners", WARN, f"reachable from outside: {', '.join(wide)}",
                      "such sockets go past the gateway, often without any key",
                      "set the engine's host flags to 127.0.0.1, or close these ports in the firewall")
    else:
        yield Finding("engine listeners", OK, f"{found} sockets of engines, all on loopback" if found else "no engine listens")
