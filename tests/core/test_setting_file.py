"""Changing studio.yaml: only the lines of what changes, everything else byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio_core.errors import BadSetting
from studio_core.setting_file import change, written

TEXT = """\
# ours
port: 8081   # behind nginx

exclusive: true
# who may come
allowed_hosts:
  - a.example  # one
  - b.example

# of the engines
engine_env: {HF_HOME: /data/hf}
"""


@pytest.mark.parametrize(("changes", "old", "new"), [
    ({"port": 9000}, "port: 8081   #", "port: 9000   #"),
    ({"exclusive": False}, "exclusive: true", "exclusive: false"),
    ({"exclusive": None}, "exclusive: true\n", ""),
    ({"allowed_hosts": ["c"]}, "\n  - a.example  # one\n  - b.example\n", ' ["c"]\n'),
    ({"engine_env": {"A": "b"}}, "{HF_HOME: /data/hf}", '{"A": "b"}'),
    ({"engine_env": None}, "engine_env: {HF_HOME: /data/hf}\n", ""),
    ({"grace_s": 5.5}, "/data/hf}\n", "/data/hf}\ngrace_s: 5.5\n"),
    ({"absent": None}, "", ""),
])
def test_only_what_changes_is_written(changes: dict[str, object], old: str, new: str) -> None:
    assert written(TEXT, changes) == (TEXT.replace(old, new, 1) if old else TEXT)


@pytest.mark.parametrize("text", [
    "", "# nothing\n", "host: 127.0.0.1", "port:\n", "port:   # soon\n", "port: |\n  1\n  2\nhost: x\n", "{port: 1, host: x}",
])
def test_other_ways_to_write_are_taken_or_refused(text: str) -> None:
    try:
        found = written(text, {"port": 7})
    except BadSetting:
        return
    assert yaml.safe_load(found) == {**(yaml.safe_load(text) or {}), "port": 7}


@pytest.mark.parametrize("text", ["- a\n", "port: [1\n", "port: 1\nport: 2\n", "a: &x 1\nport: *x\n"])
def test_a_file_that_is_not_ours_to_change_stays(tmp_path: Path, text: str) -> None:
    path = tmp_path / "studio.yaml"
    path.write_text(text)
    try:
        change(path, {"port": 7})
    except BadSetting:
        assert path.read_text() == text
    else:
        assert yaml.safe_load(path.read_text())["port"] == 7


def test_rights_and_links_stay(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("port: 1\n")
    real.chmod(0o640)
    link = tmp_path / "studio.yaml"
    link.symlink_to(real)
    change(link, {"port": 2})
    assert link.is_symlink() and real.read_text() == "port: 2\n" and real.stat().st_mode & 0o777 == 0o640
    change(tmp_path / "new.yaml", {"port": 3})
    assert (tmp_path / "new.yaml").stat().st_mode & 0o777 == 0o600


WORDS = st.text("ab: #'\"\n-\u00e4{[", max_size=8)
LISTS, PAIRS = st.lists(WORDS, max_size=3), st.dictionaries(WORDS, WORDS, max_size=2)
VALUES = st.one_of(st.booleans(), st.integers(-10**9, 10**9), WORDS, LISTS, PAIRS)


NAMES = st.sampled_from("abcdef")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(st.dictionaries(NAMES, VALUES, max_size=4), st.dictionaries(NAMES, VALUES, max_size=3), st.booleans())
def test_whatever_stands_there_the_rest_means_the_same(before: dict[str, object], changes: dict[str, object], flow: bool) -> None:
    text = yaml.safe_dump(before, default_flow_style=False, sort_keys=False) if before else ""
    found = written(f"# head\n{text}# tail\n" if not flow else text, changes)
    assert yaml.safe_load(found) == ({**before, **changes} or None)
