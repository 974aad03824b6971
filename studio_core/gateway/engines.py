"""What every request to an engine needs: the route table, connections, the register, and where bodies wait."""

from __future__ import annotations

from studio_core.gateway.auth import Principal
from studio_core.gateway.holding import Cloakroom
from studio_core.gateway.inference import Exchange
from studio_core.gateway.pool import Pool
from studio_core.gateway.register import Register
from studio_core.gateway.request import Request
from studio_core.gateway.responder import Responder
from studio_core.gateway.routing import Routing
from studio_core.gateway.table import Way
from studio_core.gateway.upstream import Upstream


class Engines:
    """The engines behind the route table."""

    def __init__(self, routing: Routing, register: Register, cloakroom: Cloakroom) -> None:
        self.routing = routing
        self.register = register
        self.cloakroom = cloakroom
        self.pool = Pool()

    def serve(self, principal: Principal, request: Request, responder: Responder) -> Exchange:
        return Exchange(self, principal.id or None, request, responder)

    def give_back(self, way: Way, upstream: Upstream) -> None:
        """After a request: the connection, and its place in the count."""
        self.pool.give(way.target.where, upstream)
        self.routing.release(way.instance)
