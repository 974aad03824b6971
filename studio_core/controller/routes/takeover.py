"""Import of what vLLM Studio stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from studio_core import wire
from studio_core.controller.endpoint import Call, Endpoint, Table
from studio_core.errors import BadValue


class Origin(wire.Model):
    """Where the old database lies on the server: `controller.db` itself or its folder, as an absolute path."""

    path: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]


async def vllm_studio(call: Call) -> wire.Takeover:
    path = Path(call.body.path)
    if not path.is_absolute():
        raise BadValue("the path is not absolute", repr(call.body.path[:80]), "the server does not know your folder")
    report = await call.services.takeover(path)
    await call.services.changed()
    return report


ENDPOINTS: Table = {("POST", "/import/vllm-studio"): Endpoint(vllm_studio, wire.Takeover, body=Origin)}
