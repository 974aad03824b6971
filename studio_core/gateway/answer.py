"""What the gateway answers by itself: its health and the models, from the route table."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from studio_core import __version__
from studio_core.gateway.register import Register
from studio_core.gateway.request import Request
from studio_core.gateway.responder import Responder
from studio_core.gateway.routing import Routing
from studio_core.gateway.table import Hello, Route
from studio_core.gateway.tls import Certificate


class LocalAnswer:
    """Paths with the answerer `gateway`."""

    def __init__(self, routing: Routing, hello: Hello, register: Register, certificate: Certificate | None = None) -> None:
        self._certificate = certificate
        self._routing = routing
        self._hello = hello
        self._register = register

    async def serve(self, request: Request, responder: Responder) -> None:
        """Raises UnknownModel."""
        responder.json(200, self._body(unquote(request.path)))

    def _body(self, path: str) -> Any:
        if path == "/health":
            return self._health()
        if path == "/v1/models":
            return {"object": "list", "data": [_model(route, route.names[0]) for route in self._routing.table.routes]}
        name = path.removeprefix("/v1/models/")
        return _model(self._routing.find(name), name)

    def _health(self) -> dict[str, Any]:
        """vLLM Studio's fields, and the gateway's own."""
        ready = [route for route in self._routing.table.routes if route.state == "ready"]
        return {
            "status": "ok",
            "version": __version__,
            "inference_ready": bool(ready),
            "backend_reachable": bool(ready),
            "running_model": ready[0].names[0] if ready else None,
            "gateway": self._hello.gateway,
            "controller": "linked" if self._routing.linked else "away",
            "tls": "off" if self._certificate is None else "on",
            "tls_problem": self._certificate.problem if self._certificate is not None else "",
            "journal_lost": self._register.lost,
            "journal_waiting": self._register.waiting,
        }


def _model(route: Route, name: str) -> dict[str, Any]:
    return {
        "id": name, "object": "model", "created": route.created, "owned_by": "vllm-studio", "active": route.state == "ready",
        "state": route.state, "max_model_len": route.max_model_len,
    }
