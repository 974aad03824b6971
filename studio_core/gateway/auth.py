"""Who calls, and whether he may: keys by their hash, anonymous loopback, Host and Origin."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from studio_core.errors import Denied, NoKey, NotFound, WrongMethod
from studio_core.gateway.request import Request
from studio_core.gateway.table import Key, Policy
from studio_core.routes import INFERENCE, READ, Route, allowed, find, methods

# vLLM Studio's page sends this when no key is set: no key at all, and never accepted as one.
NO_KEY = "sk-master"
# EventSource of browsers cannot send headers: on /events the key may stand in the address.
KEY_PARAMETER = "api_key"
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1", "ip6-localhost"})


class WrongHost(Denied):
    status, code = 421, "wrong_host"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller as the controller is told."""

    kind: str
    id: str
    scopes: frozenset[str]


ANONYMOUS = Principal("anonymous", "", frozenset({INFERENCE, READ}))


Ring = Mapping[str, Principal]


def ring(keys: Iterable[Key]) -> Ring:
    """The callers by the SHA-256 of their keys. Of two with one key the first counts."""
    return {key.sha256: Principal("key", key.id, frozenset(key.scopes)) for key in reversed(list(keys))}


def authorise(request: Request, keys: Ring, policy: Policy) -> tuple[Principal, Route]:
    """The caller and the row of the table that he asks for. Default is no.

    Raises:
        NoKey, Denied, WrongHost, NotFound, WrongMethod.
    """
    if b"origin" in request.fields:
        check_origin(request, policy)
    principal = identify(request, keys, policy)
    route = find(request.method, request.path)
    if route is None:
        takes = methods(request.path)
        if takes:
            raise WrongMethod(f"{request.path} does not take {request.method}", "", f"use {', '.join(takes)}")
        raise NotFound(f"no path {request.path}", "", "see /openapi.json")
    if not allowed(route.scope, principal.scopes, remote_admin=policy.remote_admin):
        raise Denied(
            f"this needs the scope {route.scope}", f"{request.method} {request.path}",
            "use the key that `studio keys admin` prints" + ("; and set remote_admin" if route.scope == "define" else ""),
        )
    return principal, route


def identify(request: Request, keys: Ring, policy: Policy) -> Principal:
    """By key, else anonymous from loopback with a Host that is ours. Unknown and missing keys get the same answer."""
    given = _given(request)
    if given and given != NO_KEY:
        # By its hash: how long the look-up takes tells nothing about a key.
        found = keys.get(hashlib.sha256(given.encode()).hexdigest())
        if found is not None:
            return found
    if (given and given != NO_KEY) or not _loopback(request.peer):
        raise NoKey("a valid API key is needed", "", "send Authorization: Bearer <key>; `studio keys admin` prints one")
    if not _known_host(request.header(b"host"), policy):
        raise WrongHost("this Host is not served to anonymous callers", "", "use a key, or add it to allowed_hosts")
    return ANONYMOUS


def check_origin(request: Request, policy: Policy) -> None:
    """A browser's page may call only when its origin was allowed."""
    origin = request.header(b"origin")
    if origin is not None and origin not in policy.allowed_origins:
        raise Denied("this Origin may not call", "", "add it to allowed_origins")


def _given(request: Request) -> str:
    bearer = request.fields.get(b"authorization")
    if bearer is not None and bearer[:7].lower() == b"bearer ":
        return bearer[7:].decode("latin-1").strip()
    if key := request.header(b"x-api-key"):
        return key.strip()
    if request.path == "/events":
        return "".join(parse_qs(request.query).get(KEY_PARAMETER, [])[:1])
    return ""


@lru_cache(1024)
def _loopback(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _known_host(host: str | None, policy: Policy) -> bool:
    name = None if host is None else _host_name(host)
    return name is not None and (name in LOOPBACK_NAMES or name in policy.allowed_hosts or host in policy.allowed_hosts)


@lru_cache(1024)
def _host_name(host: str) -> str | None:
    """Without the port; None where it is more than a plain host."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return None
    return None if set(host) & set("/@?#\\") else name
