"""A recipe that was looked at before its launch."""

from __future__ import annotations

from studio_core.wire.model import Model


class Finding(Model):
    """What is wrong with a recipe: where, what, and what to do. One that is not `severe` does not stop a launch."""

    field: str
    text: str
    hint: str = ""
    severe: bool = True


class Variable(Model):
    """A variable of an engine's environment; `origin` is inherited, engine_env, recipe or studio."""

    name: str
    value: str
    origin: str


class NodeLine(Model):
    """What a person runs on another machine of the recipe."""

    host: str
    line: str


class Parser(Model):
    """What reads a model's tool calls or thoughts: a name of the engine's, None for none, and why."""

    name: str | None = None
    reason: str = ""


class Check(Model):
    """GET /recipes/{id}/check: what a launch would run; port and folder are stand-ins, secrets hidden.

    `origin` says who named the program, or where it was found;
    `filters` says what the gateway changes in requests, one line a field; `parsers`, by kind, which the engine is given and why.
    """

    problems: list[Finding] = []
    argv: list[str] = []
    origin: str = ""
    environment: list[Variable] = []
    files: list[str] = []
    nodes: list[NodeLine] = []
    filters: list[str] = []
    parsers: dict[str, Parser] = {}
