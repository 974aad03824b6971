"""Clients of the servers on this machine: past any proxy, without a certificate to check, and made in no time."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpx


def client(timeout: float | httpx.Timeout, **options: Any) -> httpx.AsyncClient:
    """One more. `options` are httpx's."""
    return httpx.AsyncClient(timeout=timeout, trust_env=False, verify=_trusting(), **options)


@cache
def _trusting() -> ssl.SSLContext:
    """Made once: httpx makes one per client, which takes milliseconds of the loop, also where none is needed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
