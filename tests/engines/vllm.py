"""The real vLLM of the tests marked `engines`. Import the fixture where it is used: `from tests.engines.vllm import vllm`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engines import vllm_environment


@pytest.fixture(scope="session")
def vllm() -> Path:
    """The environment's folder: `bin/vllm`, `bin/python`. Not skipped where it is missing: who asks for `engines` wants them."""
    folder = vllm_environment.place()
    if not vllm_environment.is_built(folder):
        pytest.fail(f"no vLLM in {folder}; build it with: python -m tests.engines.vllm_environment")
    return folder


@pytest.fixture(scope="session")
def hf_model(vllm: Path) -> Path:
    """SmolLM2-135M-Instruct in the Hugging Face layout, made now if it is not there."""
    model = vllm_environment.model_place()
    vllm_environment.convert(vllm, model)
    return model
