"""Who may do what: generated from the table of paths, against the real sockets."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import httpx
import pytest

from studio_core import routes
from studio_core.controller.app import endpoints
from tests.core.control import control

SCOPES = (routes.ADMIN, routes.INFERENCE, routes.READ, routes.METRICS)
ROWS = [row for row in routes.TABLE if row.answers == routes.CONTROLLER]
# What would not come back, or would come back only after a while.
ENDLESS = {"/events", "/wait-ready"}


def path(row: routes.Route) -> str:
    return re.sub(r"\{[^}]+\}", "none", row.path)


def test_every_row_of_the_controller_has_its_endpoint() -> None:
    assert set(endpoints()) == {(row.method, row.path) for row in ROWS}


def test_nobody_defines_commands_from_afar_unless_it_is_allowed() -> None:
    everything = frozenset(SCOPES)
    assert not routes.allowed(routes.DEFINE, everything)
    assert routes.allowed(routes.DEFINE, everything, remote_admin=True)
    assert not routes.allowed(routes.DEFINE, everything - {routes.ADMIN}, remote_admin=True)
    assert not routes.allowed(routes.DEFINE, everything | {routes.DEFINE})


@pytest.mark.parametrize("remote_admin", [False, True])
@pytest.mark.parametrize("scope", ["", *SCOPES])
async def test_scopes(tmp_path: Path, scope: str, remote_admin: bool) -> None:
    async with control(tmp_path, remote_admin=remote_admin) as house, house.guest(*filter(None, [scope])) as guest:
        for row in ROWS:
            if row.path in ENDLESS:
                continue
            answer = await guest.request(row.method, path(row))
            may = routes.allowed(row.scope, frozenset([scope]), remote_admin=remote_admin)
            assert (answer.status_code == 403) != may, (row, answer.status_code, answer.text)


async def test_without_a_principal_there_is_no_way_in_and_a_made_up_one_is_refused(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        transport = httpx.AsyncHTTPTransport(uds=str(house.services.places.gateway_socket))
        async with httpx.AsyncClient(transport=transport, base_url="http://studio") as nobody:
            for header in ({}, {routes.PRINCIPAL_HEADER: "admin"}, {routes.PRINCIPAL_HEADER: '{"kind": "owner"}'}):
                answer = await nobody.get("/status", headers=header)
                assert answer.status_code == 401 and answer.json()["hint"]


async def test_the_sockets_are_ours_alone(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        for one in (house.services.places.control_socket, house.services.places.gateway_socket):
            assert stat.S_IMODE(os.stat(one).st_mode) == 0o600


async def test_the_owner_may_do_all(tmp_path: Path) -> None:
    async with control(tmp_path) as house:
        answer = await house.owner.post("/recipes", json={"id": "a", "model_path": "/m"})
        assert answer.status_code == 200
        assert (await house.owner.post("/shutdown?engines=true")).status_code == 202
        assert house.stopped == [True]
