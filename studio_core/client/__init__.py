"""The typed client of the control API that app and command line use: standard library and the wire models.

Blocking; the app calls it from threads. Streams can be closed from another thread. One module per group of calls.
"""

from __future__ import annotations

from studio_core.client.connection import TIMEOUT_S, Stream, told
from studio_core.client.engine import EngineCalls
from studio_core.client.house import HouseCalls
from studio_core.client.launch import OVER
from studio_core.client.recipe import RecipeCalls
from studio_core.client.system import SystemCalls
from studio_core.client.talk import TalkCalls

__all__ = ["OVER", "TIMEOUT_S", "Client", "Stream", "told"]


class Client(RecipeCalls, EngineCalls, TalkCalls, SystemCalls, HouseCalls):
    """One Studio: through its socket, or `url` with a key. Every call raises StudioError, Daemonless when nobody answers."""
