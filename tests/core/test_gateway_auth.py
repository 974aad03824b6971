"""Who may do what at the gateway: every path of the table with every scope, and who is believed to be whom."""

from __future__ import annotations

import hashlib

import pytest

from studio_core.errors import Denied, NoKey, NotFound, StudioError, WrongMethod
from studio_core.gateway.auth import ANONYMOUS, authorise, identify, ring
from studio_core.gateway.request import Headers, Request
from studio_core.gateway.table import Key, Policy
from studio_core.routes import ADMIN, DEFINE, INFERENCE, METRICS, OWN, READ, TABLE, Route, find

SCOPES = (ADMIN, INFERENCE, READ, METRICS)
KEYS = ring(Key(id=scope, sha256=hashlib.sha256(f"sk-{scope}".encode()).hexdigest(), scopes=[scope]) for scope in SCOPES)


def ask(
    method: str = "GET", path: str = "/health", peer: str = "127.0.0.1", host: str = "localhost:8080", **headers: str
) -> Request:
    lines: Headers = [(b"host", host.encode())] if host else []
    lines += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(method, path.encode(), lines, peer)


def may(request: Request, policy: Policy | None = None) -> bool:
    try:
        authorise(request, KEYS, policy or Policy())
    except Denied:
        return False
    return True


@pytest.mark.parametrize("remote_admin", [False, True])
@pytest.mark.parametrize("scope", [*SCOPES, "anonymous"])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.method} {row.path}")
def test_every_path_with_every_scope(row: Route, scope: str, remote_admin: bool) -> None:
    path = row.path.replace("{", "").replace("}", "").replace(":path", "")
    key = {} if scope == "anonymous" else {"authorization": f"Bearer sk-{scope}"}
    scopes = {INFERENCE, READ} if scope == "anonymous" else {scope}
    takes = {INFERENCE, READ} if row.scope == OWN else {row.scope}
    allowed = remote_admin and ADMIN in scopes if row.scope == DEFINE else bool((takes | {ADMIN}) & scopes)
    assert may(ask(row.method, path, **key), Policy(remote_admin=remote_admin)) == allowed


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.method} {row.path}")
def test_a_plain_path_has_the_row_that_stands_first(row: Route) -> None:
    assert find(row.method, row.path) == next(one for one in TABLE if one.method == row.method and one.pattern.match(row.path))


@pytest.mark.parametrize("headers", [
    {"authorization": "Bearer sk-admin"}, {"authorization": "bearer  sk-admin"}, {"x_api_key": "sk-admin"},
])
def test_a_key_is_found_in_either_header_and_from_anywhere(headers: dict[str, str]) -> None:
    request = ask(peer="10.1.2.3", host="models.example", **headers)
    assert identify(request, KEYS, Policy()).id == "admin"


@pytest.mark.parametrize("key", ["sk-wrong", "sk-admi", "sk-admin ", "\xe4", "sk-master"])
def test_a_wrong_key_is_refused_like_none_is_from_afar(key: str) -> None:
    afar = ask(peer="10.1.2.3", authorization=f"Bearer {key}x")
    none = ask(peer="10.1.2.3")
    with pytest.raises(NoKey) as wrong:
        identify(afar, KEYS, Policy())
    with pytest.raises(NoKey) as missing:
        identify(none, KEYS, Policy())
    assert wrong.value.body() == missing.value.body()


def test_a_wrong_key_is_no_anonymous_caller() -> None:
    with pytest.raises(NoKey):
        identify(ask(authorization="Bearer sk-wrong"), KEYS, Policy())


def test_what_clients_send_without_a_key_is_none() -> None:
    assert identify(ask(authorization="Bearer sk-master"), KEYS, Policy()) == ANONYMOUS
    with pytest.raises(NoKey):
        identify(ask(peer="10.1.2.3", authorization="Bearer sk-master"), KEYS, Policy())


def test_the_key_of_an_address_counts_on_events_only() -> None:
    assert identify(ask(path="/events?api_key=sk-admin"), KEYS, Policy()).id == "admin"
    assert identify(ask(path="/status?api_key=sk-admin"), KEYS, Policy()) == ANONYMOUS


HOSTS = {
    "localhost": True, "localhost:1234": True, "127.0.0.1:8080": True, "[::1]:8080": True, "LOCALHOST": True,
    "models.example": True, "models.example:99": True, "evil.example": False, "localhost.evil.example": False, "": False,
    "evil.example@localhost": False, "localhost/evil": False, "localhost?x": False, "localhost#x": False, "localhost\\x": False,
    "127.0.0.1.evil.example": False, "[::1": False, "0.0.0.0:8080": False,
}


@pytest.mark.parametrize("host", HOSTS)
def test_the_host_of_anonymous_callers(host: str) -> None:
    request, policy = ask(host=host), Policy(allowed_hosts=["models.example"])
    if HOSTS[host]:
        assert identify(request, KEYS, policy) == ANONYMOUS
        return
    with pytest.raises(Denied) as refused:
        identify(request, KEYS, policy)
    assert refused.value.status == 421


PEERS = {"127.0.0.1": True, "127.9.9.9": True, "::1": True, "::ffff:127.0.0.1": True, "10.0.0.1": False, "": False, "x": False}


@pytest.mark.parametrize("peer", PEERS)
def test_only_loopback_is_anonymous(peer: str) -> None:
    assert may(ask(peer=peer)) == PEERS[peer]


@pytest.mark.parametrize("key", ["", "Bearer sk-admin"])
@pytest.mark.parametrize(("origin", "allowed"), [
    ("https://ui.example", True), ("https://evil.example", False), ("null", False), ("https://ui.example.evil", False),
])
def test_a_page_may_call_only_when_it_was_allowed(origin: str, allowed: bool, key: str) -> None:
    headers = {"origin": origin, **({"authorization": key} if key else {})}
    assert may(ask(**headers), Policy(allowed_origins=["https://ui.example"])) == allowed


@pytest.mark.parametrize(("method", "path", "error"), [
    ("GET", "/nowhere", NotFound), ("GET", "//health", NotFound), ("GET", "/v1/../status", NotFound),
    ("DELETE", "/health", WrongMethod), ("POST", "/status", WrongMethod),
    ("GET", "http://localhost/health", NotFound), ("GET", "/Health", NotFound),
])
def test_the_default_is_no(method: str, path: str, error: type[StudioError]) -> None:
    with pytest.raises(error):
        authorise(ask(method, path, authorization="Bearer sk-admin"), KEYS, Policy())


def test_a_stranger_does_not_learn_which_paths_there_are() -> None:
    with pytest.raises(NoKey):
        authorise(ask(path="/nowhere", peer="10.1.2.3"), KEYS, Policy())
