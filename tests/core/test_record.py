"""Spec, record and lock on disk: what is torn, old, foreign or revoked is told apart."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_core.supervisor import record as records
from studio_core.supervisor import spec as specs
from studio_core.supervisor.record import Exit, Record


def some(**fields: object) -> Record:
    return records.from_data({"instance": "one-1", "shim_pid": 1, "shim_ticks": 2, **fields})


@settings(deadline=None)
@given(st.lists(st.text(max_size=300), max_size=80), st.integers(0, 6000), st.sampled_from([None, Exit(), Exit(7), Exit(signal=9)]))
def test_it_comes_back_as_it_was_or_shorter_but_always_fits(lines: list[str], count: int, ending: Exit | None) -> None:
    seen = [(2**22 - number, 2**40 + number) for number in range(count)]
    record = some(seen=list(seen), last_lines=list(lines))
    record.exit = ending
    line = records.encode(record)
    assert len(line) <= records.SIZE
    assert records.decode(line) == record
    assert record.seen == seen[: len(record.seen)]
    assert record.last_lines == lines[len(lines) - len(record.last_lines) :]


@settings(deadline=None)
@given(st.data())
def test_a_torn_record_is_none(data: st.DataObject) -> None:
    line = records.encode(some(last_lines=["the end"]))
    cut = data.draw(st.integers(0, len(line) - 2))
    assert records.decode(line[:cut]) is None
    spot = data.draw(st.integers(9, len(line) - 2))
    assert records.decode(line[:spot] + bytes([line[spot] ^ 1]) + line[spot + 1 :]) is None


def test_the_newer_whole_one_counts(tmp_path: Path) -> None:
    record = some()
    records.reserve(tmp_path)
    records.write(tmp_path, record)
    older = (tmp_path / "record.json").read_bytes()
    record.state = records.GONE
    records.write(tmp_path, record)
    (tmp_path / "record.spare").write_bytes(older)
    assert records.read(tmp_path) == record
    (tmp_path / "record.json").write_bytes((tmp_path / "record.json").read_bytes()[:-20])
    assert records.read(tmp_path) == records.decode(older)
    (tmp_path / "record.spare").unlink()
    assert records.read(tmp_path) is None


def test_a_record_of_a_later_version_is_read(tmp_path: Path) -> None:
    assert some(protocol=2, colour="red") == some(protocol=2)


def test_a_lock_is_held_once_and_revoked_for_good(tmp_path: Path) -> None:
    assert not records.is_locked(tmp_path)
    held = records.lock(tmp_path)
    assert held is not None and records.is_locked(tmp_path)
    assert records.lock(tmp_path) is None
    assert not records.revoke(tmp_path)
    os.close(held)
    assert not records.is_locked(tmp_path)
    assert records.revoke(tmp_path)
    assert records.lock(tmp_path) is None
    assert records.revoke(tmp_path), "again, by the next controller"
    assert records.revoke(tmp_path / "nothing"), "nothing can start where nothing is"


def test_nobody_else_may_read_what_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "one"
    specs.write(folder, spec())
    records.reserve(folder)
    records.write(folder, some())
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def spec() -> specs.Spec:
    return specs.new(
        instance="one-1", recipe_id="one", launch_id="l", argv=["/bin/true"], env={"A": "b"}, cwd="/", host="127.0.0.1", port=1,
        api_key="k", grace_s=1.0, engine="llamacpp", served_names=["one"], recipe={"id": "one"}, log_head_bytes=1,
        log_segment_bytes=1, log_segments=1,
    )


def test_a_spec_comes_back_and_its_unknown_fields_do_not_harm(tmp_path: Path) -> None:
    specs.write(tmp_path, spec())
    found = specs.read(tmp_path)
    assert (found.argv, found.env, found.api_key) == (["/bin/true"], {"A": "b"}, "k")
    data = json.loads((tmp_path / "spec.json").read_text())
    (tmp_path / "spec.json").write_text(json.dumps({**data, "later": 1}))
    assert specs.read(tmp_path) == found


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"instance": "one"}'])
def test_a_spec_that_is_none_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "spec.json").write_text(text)
    with pytest.raises(ValueError, match=r"spec\.json|Expecting"):
        specs.read(tmp_path)
