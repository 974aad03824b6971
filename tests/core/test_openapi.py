"""The description of the API is valid, complete, and true of the running application."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounds
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from studio_core import routes
from studio_core.controller import openapi
from studio_core.controller.app import endpoints
from tests.core.control import RECIPE, control

DOCUMENT = openapi.document(endpoints())
# Streams without an end, and a wait: each has tests of its own.
LEFT_OUT = {"/events", "/wait-ready", "/logs/{log_id}/stream"}
# 500 is described nowhere, so the first check refuses it; a 503 that says what is missing is a true answer.
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
FOUND: list[Any] = [one.ok() for one in SCHEMA.get_all_operations() if isinstance(one, Ok)]
OPERATIONS = [one for one in FOUND if routes.CONTROLLER in one.tags and one.path not in LEFT_OUT]


def test_every_row_is_described_and_every_reference_leads_somewhere() -> None:
    described = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == {(row.method, row.path.replace(":path}", "}")) for row in routes.TABLE}
    names = set(re.findall(r"#/components/schemas/(\w+)", repr(DOCUMENT)))
    assert names <= set(DOCUMENT["components"]["schemas"])
    identifiers = [one["operationId"] for item in DOCUMENT["paths"].values() for one in item.values()]
    assert len(identifiers) == len(set(identifiers))
    SCHEMA.validate()


@pytest.mark.parametrize("operation", OPERATIONS, ids=[one.label for one in OPERATIONS])
async def test_whatever_is_sent_the_answer_is_as_described(tmp_path: Path, operation: Any) -> None:
    async with control(tmp_path) as house:
        await house.owner.post("/recipes", json=RECIPE)
        for case in generated(operation):
            await check(house.owner, case)


def generated(operation: Any) -> list[Any]:
    """Cases that the description allows, and cases that it does not."""
    cases: list[Any] = []
    limits = bounds(max_examples=8, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck))

    for mode in GenerationMode:
        @limits
        @given(operation.as_strategy(mode))
        def collect(case: Any) -> None:
            cases.append(case)

        with contextlib.suppress(Unsatisfiable):
            collect()
    return cases


async def check(client: httpx.AsyncClient, case: Any) -> None:
    arguments = case.as_transport_kwargs(base_url="http://studio")
    arguments.pop("cookies")
    if isinstance(arguments.get("data"), bytes):
        arguments["content"] = arguments.pop("data")
    with contextlib.suppress(httpx.InvalidURL):
        answer = await client.request(**arguments)
        case.validate_response(answer, checks=CHECKS)
