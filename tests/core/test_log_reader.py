"""The reader over segments with gaps, long lines and every offset; the writer's ring and what a full disk costs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio_core.logs import reader as readers
from studio_core.logs.reader import LINE_BYTES, Chunk, Line, LogFolder
from studio_core.logs.segment import SEGMENT_MIN, SegmentWriter, name
from tests.wait import eventually


def put(folder: Path, **segments: bytes) -> LogFolder:
    """Segments by their offsets: `_10=b"x"` is the file of offset 10."""
    folder.mkdir(exist_ok=True)
    for offset, data in segments.items():
        (folder / name(int(offset[1:]))).write_bytes(data)
    return LogFolder(folder)


def numbered(count: int) -> bytes:
    return b"".join(b"line %06d\n" % number for number in range(count))


def test_a_range_goes_over_segments_and_says_what_is_missing(tmp_path: Path) -> None:
    log = put(tmp_path, _0=b"aaa\nbb", _10=b"c\nd\n")
    assert log.size == 14
    assert log.read(0) == Chunk(0, 6, b"aaa\nbb")
    assert log.read(6) == Chunk(10, 14, b"c\nd\n", skipped=4)
    assert log.read(11, 1) == Chunk(11, 12, b"\n")
    assert log.read(14) == Chunk(14, 14, b"")
    assert list(log.lines()) == [Line(0, b"aaa"), Line(4, b"bb"), Line(10, b"c"), Line(12, b"d")]


def test_a_line_without_end_is_cut_and_no_byte_of_it_lost(tmp_path: Path) -> None:
    data = b"x" * (3 * LINE_BYTES + 5) + b"\nend\n"
    found = list(put(tmp_path, _0=data).lines())
    assert [len(line.data) for line in found] == [LINE_BYTES] * 3 + [5, 3]
    assert [line.start for line in found] == [0, LINE_BYTES, 2 * LINE_BYTES, 3 * LINE_BYTES, 3 * LINE_BYTES + 6]


@settings(max_examples=40, deadline=None)
@given(lengths=st.lists(st.integers(0, 200), max_size=30), parts=st.integers(1, 6), count=st.integers(1, 40))
def test_pieces_and_windows_do_not_change_the_lines(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], parts: int, count: int
) -> None:
    wanted = [bytes([97 + number % 26]) * length for number, length in enumerate(lengths)]
    data = b"".join(line + b"\n" for line in wanted)
    folder = tmp_path_factory.mktemp("log")
    cut = max(1, len(data) // parts)
    for start in range(0, len(data), cut):
        (folder / name(start)).write_bytes(data[start : start + cut])
    log = LogFolder(folder)
    whole = readers.READ_BYTES
    readers.READ_BYTES = 64
    try:
        found = list(log.lines())
        page = log.last(count)
        assert [line.data for line in found] == wanted
        assert all(data[line.start : line.start + len(line.data)] == line.data for line in found)
        assert page.lines == wanted[-count:]
        assert data[page.start :] == b"".join(line + b"\n" for line in page.lines)
        assert log.first(count).lines == wanted[:count]
    finally:
        readers.READ_BYTES = whole


def test_a_search_counts_all_and_keeps_what_was_asked(tmp_path: Path) -> None:
    log = put(tmp_path, _0=numbered(1000))

    def sevens(line: bytes) -> bool:
        return line.endswith(b"7")

    first, last = log.first(2, keep=sevens), log.last(2, keep=sevens)
    assert (first.lines, first.matches) == ([b"line 000007", b"line 000017"], 100)
    assert (last.lines, last.matches, last.start) == ([b"line 000987", b"line 000997"], 100, 987 * 12)
    assert log.first(5, 12 * 10, 12 * 12).lines == [b"line 000010", b"line 000011"]


def test_a_page_is_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "PAGE_BYTES", 1000)
    log = put(tmp_path, _0=numbered(10_000))
    everything = log.last(10_000, keep=lambda _: True)
    assert 0 < sum(map(len, everything.lines)) <= 1000
    assert everything.matches == 10_000
    assert sum(map(len, log.first(10_000).lines)) <= 1011


def test_a_daemons_file_and_a_missing_log_are_logs_too(tmp_path: Path) -> None:
    (tmp_path / "gateway.log").write_bytes(b"one\ntwo")
    assert LogFolder(tmp_path / "gateway.log").tail(1) == ["two"]
    assert LogFolder(tmp_path / "nothing").tail(3) == []
    assert LogFolder(tmp_path / "nothing").size == 0


async def test_a_follower_that_fell_behind_is_told_how_far(tmp_path: Path) -> None:
    log = put(tmp_path, _0=b"begin\n", _6=b"old\n")
    found: list[Chunk] = []

    async def follow() -> None:
        async for chunk in log.follow(0):
            found.append(chunk)

    task = asyncio.create_task(follow())
    await eventually(lambda: len(found) == 2)
    put(tmp_path, _100=b"new\n")
    await eventually(lambda: len(found) == 3)
    assert found[2] == Chunk(100, 104, b"new\n", skipped=90)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_the_writer_keeps_the_beginning_and_a_ring(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, SEGMENT_MIN, SEGMENT_MIN, 2)
    data = numbered(4000)
    for start in range(0, len(data), 1000):
        writer.write(data[start : start + 1000])
    writer.close()
    log = LogFolder(tmp_path)
    assert (writer.offset, writer.dropped, log.size) == (len(data), 0, len(data))
    assert log.segments()[0][0] == 0 and len(log.segments()) == 3
    assert log.read(0).data == data[:SEGMENT_MIN]
    assert b"".join(chunk.data for chunk in log.chunks(log.segments()[1][0])) == data[log.segments()[1][0] :]


@pytest.mark.parametrize("sizes", [(0, 0, 0), (-1, -1, -1), (1, 1, 1)])
def test_senseless_sizes_still_make_a_bounded_log(tmp_path: Path, sizes: tuple[int, int, int]) -> None:
    writer = SegmentWriter(tmp_path, *sizes)
    writer.write(b"x" * 100_000)
    writer.close()
    assert LogFolder(tmp_path).stored <= 2 * SEGMENT_MIN
    assert writer.offset == 100_000
