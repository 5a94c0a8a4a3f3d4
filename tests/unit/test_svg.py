"""Geometry of the charts that the server draws."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import svg

S = 10**9
NOON = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()) * S
counts = st.integers(0, 10**6).map(float)


@given(st.lists(st.tuples(counts, counts, counts), min_size=1, max_size=40))
def test_bars_stand_on_the_ground_side_by_side_and_inside(columns: list[tuple[float, ...]]) -> None:
    top = max(sum(c) for c in columns) or 1
    rects = svg.bars(columns, ("a", "b", "c"), top, 100)
    assert len(rects) == sum(v > 0 for c in columns for v in c)
    for rect in rects:
        assert rect.x >= 0
        assert rect.x + rect.width <= 100.01
        assert rect.height >= 1
        assert rect.y >= -0.1
        assert rect.y + rect.height <= 100.1


@given(st.integers(-3, 20), st.integers(1, 12))
def test_buckets_are_drawn_where_they_lie_and_cut_at_the_edges(offset: int, count: int) -> None:
    start, step = NOON, 60 * S
    times = [start + (offset + i) * step - step // 2 for i in range(count)]
    steps = svg.Steps(times, step, start, start + 10 * step)
    rects = svg.time_bars(steps, [(1.0,)] * count, ("a",), top=1, height=10)
    assert len(rects) == sum(-1 < (t - start) / step < 10 for t in times)
    assert all(r.x >= 0 and r.x + r.width <= 100.01 for r in rects)


def test_gaps_stay_gaps() -> None:
    path = svg.line([1, 2, None, 3, None, 4], 0, 4, 100)
    assert path.count("M") == 3
    assert path.count("L") == 1
    steps = svg.Steps([NOON + i * S for i in range(4)], S, NOON, NOON + 4 * S)
    assert svg.time_line(steps, [1, None, 2, 3], lo=0, hi=3, height=10).count("M") == 2


def test_sparklines_start_at_zero_and_draw_nothing_from_nothing() -> None:
    flat = svg.spark_path([100, 101, 100])
    heights = [float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)", flat)]
    assert max(heights) < 8, "near the top: the scale begins at zero"
    assert svg.spark_path([]) == ""
    assert svg.spark_path([None, None]) == ""
    assert svg.spark_path([0.0, 0.0])


@given(st.floats(1e-6, 1e12))
def test_axes_end_at_round_numbers_above_the_data(value: float) -> None:
    top, step = svg.nice_top(value)
    assert top >= value * 0.998
    assert 1 <= round(top / step) <= 5
    assert f"{step:.6e}"[0] in "1245"


@given(st.floats(1, 1e12), st.floats(1.5, 1e6))
def test_log_ticks_are_few_round_and_inside(lo: float, factor: float) -> None:
    ticks = svg.log_ticks(lo, lo * factor)
    assert len(ticks) <= 6
    for value, _ in ticks:
        assert lo * 0.99 <= value <= lo * factor * 1.01
        assert f"{value:.3e}"[:2] in ("1.", "2.", "5.")


@pytest.mark.parametrize(
    ("seconds", "most", "texts"),
    [
        (3600, 7, ["12:00", "12:10", "12:20", "12:30", "12:40", "12:50"]),
        (60, 7, ["12:00:00", "12:00:10", "12:00:20", "12:00:30", "12:00:40", "12:00:50"]),
        (86_400, 4, ["12:00", "18:00", "24 Nov", "06:00"]),
    ],
)
def test_time_axes_have_round_local_times(seconds: int, most: int, texts: list[str]) -> None:
    shown = [t.text for t in svg.time_axis(NOON, NOON + seconds * S, UTC, most)]
    assert shown[: len(texts)] == texts


def test_time_axes_keep_local_midnight_over_the_end_of_summer_time() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = int(datetime(2026, 10, 24, 12, tzinfo=berlin).timestamp()) * S
    ticks = svg.time_axis(start, start + 3 * 86_400 * S, berlin, most=3)
    assert [t.text for t in ticks] == ["25 Oct", "26 Oct", "27 Oct"]
    assert [t.at for t in ticks] == [16.67, 51.39, 84.72]


@given(st.integers(1, 86_400 * 365), st.integers(2, 12))
def test_time_axes_never_crowd(seconds: int, most: int) -> None:
    ticks = svg.time_axis(NOON, NOON + seconds * S, UTC, most)
    assert len(ticks) <= most + 2
    assert all(0 <= t.at <= 100 for t in ticks)
