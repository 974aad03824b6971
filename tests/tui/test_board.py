"""The dashboard's lines: what is shown at which size, and that what nobody knows is never a zero."""

from __future__ import annotations

import pytest

from studio_core import wire
from studio_tui.board import glyph, layout
from studio_tui.board.glyph import ASCII
from studio_tui.board.span import fit, plain, width
from studio_tui.view import View
from tests.tui import scene

SIZES = [(60, 18), (80, 22), (120, 38), (200, 58), (1, 1), (30, 5), (60, 9), (40, 40), (300, 100)]


def text(view: View, cells: int, rows: int, cursor: str = "") -> str:
    return "\n".join(plain(one) for one in layout.draw(view, cells, rows, cursor, True))


def cores(count: int) -> View:
    view = scene.machine(gpus=0)
    assert view.gpus is not None and view.status is not None
    view.gpus.host.cores = [float(at % 101) for at in range(count)]
    view.status.instances[0].memory_bytes = 3 * scene.GIB
    return view


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("view", [scene.machine(), scene.machine(gpus=0), scene.machine(gpus=16), cores(8), cores(200), View()])
def test_every_line_is_exactly_as_wide_and_there_are_exactly_so_many(size: tuple[int, int], view: View) -> None:
    for signs in (glyph.UNICODE, ASCII):
        lines = layout.draw(view, *size, signs=signs)
        assert [width(plain(one)) for one in lines] == [max(size[0], 3)] * size[1]


def test_detail_goes_piece_by_piece() -> None:
    view = scene.machine()
    wide, usual, small, low = (text(view, *size) for size in ((200, 58), (120, 38), (60, 18), (60, 12)))
    for shown in (wide, usual, small, low):
        assert "SmolLM2 135M" in shown and "61 \u00b0C" in shown and "13.0/80.0 GiB" in shown
    assert "USE BEFORE" in wide and "1410 MHz" in wide and "\u2193120" in wide and "SERVED AS" in wide
    assert "1410 MHz" in usual and "VLLM::" in usual and "GPU USE" in usual and "HELD BY" in usual
    assert "HELD BY" not in small and "GPU USE" in text(view, 60, 22)
    assert "GPU USE" not in low and "more" in low
    assert all("412 W" in shown for shown in (wide, usual, small))


def test_all_of_eight_gpus_and_twenty_processes_are_told_at_the_usual_size() -> None:
    shown = text(scene.machine(), 120, 38)
    pids = [one.pid for gpu in scene.machine().gpus.gpus for one in gpu.processes]  # type: ignore[union-attr]
    assert len(pids) == 20 and all(f" {pid} " in shown for pid in pids)
    assert all(f" {index} H100" in shown for index in range(8))
    assert "and 16 more processes" in text(scene.machine(), 80, 24)


def test_what_nobody_knows_is_no_zero() -> None:
    gpu = wire.Gpu(index=0, uuid="u", name="NVIDIA H100", processes=[wire.GpuProcess(pid=7, name="x")])
    view = View(gpus=wire.Gpus(gpus=[gpu], host=wire.Host(cpu_count=4)))
    (line,) = (one for one in text(view, 200, 30).splitlines() if "0 H100" in one)
    assert line.count("N/A") == 7 and " 0 " not in line.replace(" 0 H100", "")
    (host,) = (one for one in text(view, 200, 30).splitlines() if "4 cores" in one)
    assert host.count("N/A") == 2
    (process,) = (one for one in text(view, 200, 30).splitlines() if " 7 " in one)
    assert process.count("N/A") == 2, "neither memory nor owner"


def test_throttling_and_lost_gpus_and_parts_are_named_in_words() -> None:
    view = scene.machine()
    assert view.gpus is not None
    view.gpus.gpus[2].throttle = ["power cap"]
    view.gpus.gpus[3].throttle = ["thermal"]
    view.gpus.gpus[4].mig = True
    view.gpus.gpus[4].utilization = None
    view.gpus.gpus[4].slices = [wire.GpuSlice(index=1, uuid="m", name="NVIDIA H100 MIG 1g.10gb", memory_total=10, memory_used=5,
                                              processes=[wire.GpuProcess(pid=99, memory_bytes=5, name="x", owner="eve")])]
    view.gpus.gpus[7].lost = True
    shown = text(view, 140, 40)
    assert "\u25b2412 W" in shown and "\u25b2 power cap" in shown
    assert "\u25b261 \u00b0C" in shown and "\u25b2 thermal" in shown
    assert "1 MIG 1g.10gb" in shown and "x (eve)" in shown
    assert "7 H100 80GB HBM3" in shown and "lost: the driver no longer answers" in shown


def test_without_a_gpu_the_processor_and_memory_matter_and_one_line_says_so() -> None:
    shown = text(scene.machine(gpus=0), 120, 30)
    assert shown.count("no GPU: the NVIDIA driver is not loaded") == 1
    assert "CPU  " in shown and "MEMORY  " in shown and "GPU USE" not in shown and "PCIE" not in shown
    assert "19.4 GiB available" in shown and "GPU MEMORY" not in shown


def test_without_a_gpu_each_core_s_load_and_each_model_s_memory_is_told() -> None:
    shown = text(cores(8), 120, 38)
    assert all(f" {at} " in shown and f"{at} %" in shown for at in range(8)) and "CORES" in shown and "3.0 GiB" in shown
    assert "CORES" in text(cores(2), 80, 22) and "CORES" not in text(cores(2), 60, 9)
    many = text(cores(200), 120, 38).splitlines()
    at = next(at for at, line in enumerate(many) if "CORES" in line)
    assert all(chr(0x28FF) in line or chr(0x2847) in line for line in many[at:at + 3]), "a column each, three rows high"
    with_gpus = scene.machine()
    assert with_gpus.gpus is not None
    with_gpus.gpus.host.cores = [1.0]
    assert "CORES" not in text(with_gpus, 120, 38)


def test_the_room_that_is_left_is_given_to_histories() -> None:
    for cells, rows in ((120, 38), (200, 58)):
        lines = text(cores(8), cells, rows).splitlines()
        assert any(line.strip() for line in lines[-3:])
        for title in ("CPU  ", "MEMORY  ", "TOKENS OUT  ", "TOKENS IN  ", "REQUESTS  ", "FIRST TOKEN  "):
            assert any(title in line for line in lines), title
    assert "FIRST TOKEN" not in text(cores(8), 80, 22)
    quiet = cores(8)
    assert quiet.samples is not None
    quiet.samples.series["memory"] = [0.0] * 90
    assert "MEMORY  0 %" not in text(quiet, 80, 22) and "MEMORY  0 %" not in text(quiet, 120, 38)
    idle = cores(8)
    assert idle.samples is not None
    idle.samples.series = {name: [50.0 if name == "cpu" else 0.0] * 90 for name in idle.samples.series}
    shown = text(idle, 120, 38)
    assert "CPU  50 %" in shown and "MEMORY  0 %" in shown and "FIRST TOKEN" not in shown


def test_models_that_do_not_fit_are_counted_and_the_cursor_s_is_shown() -> None:
    view = scene.machine()
    assert view.status is not None
    view.status.instances = [scene.instance(f"m{at}", f"model {at}", "ready") for at in range(40)]
    assert "and 1" not in text(view, 80, 80)
    shown = text(view, 80, 24, cursor="m30-1")
    assert "\u25b8 model 30" in shown and "more" in shown


@pytest.mark.parametrize(("values", "rows", "lines"), [
    ([0, 25, 50, 75, 100, 100], 1, ["\u2880\u28f4\u28ff"]),
    ([None, None, 100, None], 1, [" \u2847"]),
    ([0.1, 0], 2, [" ", "\u2840"]),
])
def test_a_graph_has_two_values_to_a_cell_and_four_steps_to_a_row(values: list[float | None], rows: int, lines: list[str]) -> None:
    assert glyph.graph(tuple(values), len(values) // 2, rows, 100.0) == tuple(lines)


def test_a_graph_in_ascii_has_one_value_to_a_cell_and_the_newest_at_the_right() -> None:
    shown = glyph.graph((0, 50, 100), 5, 2, 100.0, ASCII)
    assert all(line.isascii() and len(line) == 5 for line in shown)
    assert shown[0][-1] == "|" and shown[1][-2] == "|" and shown[0][-2] == " "


def test_the_top_of_a_graph_is_a_round_figure() -> None:
    assert [glyph.ceiling([value]) for value in (0, 1, 1.5, 3, 7, 60, 101)] == [1, 1, 2, 5, 10, 100, 200]


def test_text_is_cut_by_cells() -> None:
    assert fit("abc", 5) == "abc  " and fit("abc", 5, right=True) == "  abc"
    assert fit("\u6a21\u578b\u6a21", 4) == "\u6a21\u2026 " and width(fit("\u6a21\u578b\u6a21", 4)) == 4
    assert fit("abcdef", 3) == "ab\u2026" and fit("x", 0) == ""
