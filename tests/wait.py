"""Waiting for what will happen, instead of sleeping for what should have."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")
PAUSE_S = 0.01
# What will happen is waited for as long on a crowded machine; only a test that fails takes this time.
PATIENCE_S = 60.0


def wait_until(predicate: Callable[[], T], timeout: float = PATIENCE_S, what: str = "") -> T:
    """Poll until the predicate is true and return its value; fail with `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or predicate}")
        time.sleep(PAUSE_S)
    return value


@overload
async def eventually(predicate: Callable[[], Awaitable[T]], timeout: float = PATIENCE_S, what: str = "") -> T: ...
@overload
async def eventually(predicate: Callable[[], T], timeout: float = PATIENCE_S, what: str = "") -> T: ...
async def eventually(predicate: Callable[[], Any], timeout: float = PATIENCE_S, what: str = "") -> Any:
    """The same in a running loop; the predicate may be a coroutine function."""
    deadline = time.monotonic() + timeout
    while True:
        found = predicate()
        value = await found if inspect.isawaitable(found) else found
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or predicate}")
        await asyncio.sleep(PAUSE_S)
