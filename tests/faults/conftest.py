"""Gateways for tests: one of each test's own, or one that the tests of a module share. A module's POLICY is theirs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests import free, leftover
from tests.faults.gateway_house import Gateways, Start, gateways


@pytest.fixture
def start(state_dir: Path, free_port: int) -> Start:
    """Opens one with the policy that it is given."""
    return lambda **policy: gateways(state_dir, free_port, **policy)


@pytest.fixture
async def house(request: pytest.FixtureRequest, start: Start) -> AsyncIterator[Gateways]:
    """Of this test's own."""
    async with start(**getattr(request.module, "POLICY", {})) as one:
        yield one


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Gateways]:
    root = Path(tempfile.mkdtemp(prefix="st-"))
    try:
        async with gateways(root, free.port(), **getattr(request.module, "POLICY", {})) as one:
            yield one
        assert not leftover.find(root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest_asyncio.fixture(loop_scope="module")
async def shared(kept: Gateways) -> Gateways:
    """The same for each test of a module whose tests replace no gateway: a process takes longer to start than most tests."""
    await kept.fresh()
    return kept
