"""The description of the API, OpenAPI 3.1, made from the table of paths and the types of the endpoints."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from studio_core import __version__, routes, wire
from studio_core.controller.endpoint import Endpoint, Query, Table

REFERENCE = "#/components/schemas/{name}"
KINDS = {str: "string", int: "integer", float: "number", bool: "boolean"}
# What any path may answer instead: bad input, no key, no permission, not there, conflict, too large, shape, rate, away.
REFUSALS = (400, 401, 403, 404, 409, 413, 422, 429, 503, 507)
OPENAI_PROBLEM = {
    "type": "object", "required": ["error"],
    "properties": {"error": {"type": "object", "required": ["message", "type", "code"]}},
}
SCOPES = {
    routes.ADMIN: "admin", routes.DEFINE: "the owner, or an admin key while remote_admin is on",
    routes.INFERENCE: "inference", routes.READ: "read", routes.METRICS: "metrics",
    routes.OWN: "read, or inference for the requests of the key itself",
}


def document(table: Table) -> dict[str, Any]:
    """The whole description. Rows that engine or gateway answer are described by their summary alone."""
    types = [wire.Problem]
    types += [kind for one in table.values() for kind in (one.answer, one.body) if kind is not None]
    shapes, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    shape = {repr(kind): schema for kind, schema in zip(types, shapes, strict=True)}
    paths: dict[str, Any] = {}
    for row in routes.TABLE:
        endpoint = table.get((row.method, row.path)) if row.answers == routes.CONTROLLER else None
        path = row.path.replace(":path}", "}")
        paths.setdefault(path, {})[row.method.lower()] = operation(row, endpoint, shape)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Studio", "version": __version__, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": {**components, "OpenAIProblem": OPENAI_PROBLEM},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}, {}],
    }


def operation(row: routes.Route, endpoint: Endpoint | None, shape: dict[str, Any]) -> dict[str, Any]:
    """One method of one path."""
    parameters = [_parameter(name) for name in re.findall(r"\{(\w+)", row.path)]
    described: dict[str, Any] = {
        "operationId": f"{row.method.lower()}{re.sub(r'[^a-zA-Z0-9]+', '_', row.path)}".rstrip("_"),
        "summary": row.summary,
        "description": f"Scope: {SCOPES[row.scope]}.",
        "tags": [row.answers],
        "parameters": parameters + [_query(one) for one in endpoint.query] if endpoint else parameters,
        "responses": {str(code): _refusal(row.path) for code in REFUSALS},
    }
    if endpoint is None:
        described["responses"]["200"] = {"description": row.summary}
        return described
    for code in endpoint.statuses:
        described["responses"][str(code)] = {"description": row.summary, "content": _content(endpoint, shape)}
    if endpoint.body is not None:
        schema = shape[repr(endpoint.body)]
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _content(endpoint: Endpoint, shape: dict[str, Any]) -> dict[str, Any]:
    if endpoint.media != "application/json":
        return {endpoint.media: {"schema": {"type": "string"}}}
    return {endpoint.media: {"schema": shape[repr(endpoint.answer)]}}


def _refusal(path: str) -> dict[str, Any]:
    name = "OpenAIProblem" if path.startswith("/v1/") else "Problem"
    reference = {"$ref": REFERENCE.format(name=name)}
    return {"description": "refused, with the reason", "content": {"application/json": {"schema": reference}}}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query(one: Query) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": KINDS[one.kind], "default": one.default}
    if one.kind in (int, float):
        schema |= {"minimum": one.low, "maximum": one.high}
    return {"name": one.name, "in": "query", "required": False, "description": one.doc, "schema": schema}
