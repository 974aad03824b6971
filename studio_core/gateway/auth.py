"""Who calls, and whether he may: keys by their hash, anonymous loopback, Host and Origin."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from dataclasses import dataclass
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


def authorise(request: Request, keys: list[Key], policy: Policy) -> tuple[Principal, Route]:
    """The caller and the row of the table that he asks for. Default is no.

    Raises:
        NoKey, Denied, WrongHost, NotFound, WrongMethod.
    """
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


def identify(request: Request, keys: list[Key], policy: Policy) -> Principal:
    """By key, else anonymous from loopback with a Host that is ours. Unknown and missing keys get the same answer."""
    given = _given(request)
    if given and given != NO_KEY:
        digest = hashlib.sha256(given.encode()).hexdigest()
        found = [key for key in keys if hmac.compare_digest(key.sha256, digest)]
        if found:
            return Principal("key", found[0].id, frozenset(found[0].scopes))
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
    bearer = request.header(b"authorization") or ""
    if bearer.lower().startswith("bearer "):
        return bearer[7:].strip()
    if key := request.header(b"x-api-key"):
        return key.strip()
    if request.path == "/events":
        return "".join(parse_qs(request.query).get(KEY_PARAMETER, [])[:1])
    return ""


def _loopback(peer: str) -> bool:
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _known_host(host: str | None, policy: Policy) -> bool:
    if host is None:
        return False
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    plain = not set(host) & set("/@?#\\")
    return plain and (name in LOOPBACK_NAMES or name in policy.allowed_hosts or host in policy.allowed_hosts)
