"""Reading commands and other tools' files as recipes, which stores nothing, and a recipe as a line for a shell."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec

from studio_core import wire
from studio_core.controller.endpoint import Call, Endpoint, Table
from studio_core.importing.answer import answer
from studio_core.importing.found import local, nothing
from studio_core.importing.kind import read_text
from studio_core.importing.written import written


class Given(wire.Model):
    """A text, and what it is; without a kind that is seen in it."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=1024 * 1024)]
    kind: Annotated[str, msgspec.Meta(max_length=40)] = ""


async def read(call: Call) -> wire.Import:
    """Files that the text names (environment files, configurations) are read for the owner only."""
    files = local if call.caller.owner else nothing
    kind, found = await asyncio.to_thread(read_text, call.body.text, call.body.kind, files)
    return answer(kind, found)


async def shell(call: Call) -> wire.ShellLine:
    line = written(await call.services.recipes.usable(call.path["recipe_id"]))
    return wire.ShellLine(line.text, list(line.notes))


ENDPOINTS: Table = {
    ("POST", "/recipes/import"): Endpoint(read, wire.Import, body=Given),
    ("GET", "/recipes/{recipe_id}/shell"): Endpoint(shell, wire.ShellLine),
}
