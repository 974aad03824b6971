"""How an error is said: in the shape that the clients of its path read, whole or as the last event of a stream."""

from __future__ import annotations

from typing import Any

import msgspec

from studio_core.errors import StudioError

# Anthropic's clients choose their exception by the status and show the type; a status that is not here is one of these two.
TYPES = {
    401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large",
    429: "rate_limit_error", 503: "overloaded_error", 504: "timeout_error",
}
MISTAKE, FAILURE = "invalid_request_error", "api_error"
ANTHROPIC = ("/v1/messages",)


def anthropic(path: str) -> bool:
    """Whether the path is one of Anthropic's API."""
    return path.startswith(ANTHROPIC) and path.removeprefix(ANTHROPIC[0])[:1] in ("", "/")


def body(path: str, error: StudioError, request_id: str) -> dict[str, Any]:
    """The error as JSON: Anthropic's shape on its paths, OpenAI's elsewhere under /v1, Studio's own on all others."""
    if anthropic(path):
        return _anthropic(error, request_id)
    return error.openai(request_id) if path.startswith("/v1/") else error.body()


def event(path: str, error: StudioError, request_id: str) -> bytes:
    """The error as a stream's last event."""
    name = b"event: error\n" if anthropic(path) else b""
    return name + b"data: " + msgspec.json.encode(body(path, error, request_id)) + b"\n\n"


def _anthropic(error: StudioError, request_id: str) -> dict[str, Any]:
    message = str(error) + (f" Hint: {error.hint}" if error.hint else "")
    kind = TYPES.get(error.status, FAILURE if error.status >= 500 else MISTAKE)
    return {"type": "error", "error": {"type": kind, "message": message, "code": error.code}, "request_id": request_id}
