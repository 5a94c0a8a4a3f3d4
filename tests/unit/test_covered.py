"""What rates are divided by, and where the pages say so."""

from __future__ import annotations

import pytest

from collector.query.covered import covered_seconds
from dashboard.coverage import part_with_data

S, M = 10**9, 60 * 10**9


@pytest.mark.parametrize(
    ("first", "last", "end", "now", "seconds"),
    [
        (None, None, 60 * M, 60 * M, 3600),
        (0, 59 * M, 60 * M, 60 * M, 3600),
        (10 * M, 14 * M, 60 * M, 60 * M, 300),
        (10 * M, 10 * M, 60 * M, 60 * M, 60),
        (10 * M, 14 * M, 60 * M, 14 * M + 30 * S, 270),
        (10 * M, 10 * M, 60 * M, 10 * M + 5 * S, 60),
        (0, 0, 60 * M, 20 * S, 20),
        (10 * M, 12 * M, 60 * M, 5 * M, 60),
        (0, 0, 1 * M, 60 * M, 60),
    ],
)
def test_the_part_with_data(first: int | None, last: int | None, end: int, now: int, seconds: float) -> None:
    assert covered_seconds(first, last, 0, end, now) == seconds


@pytest.mark.parametrize(
    ("seconds", "now", "text"),
    [
        (3600, 60 * M, ""), (3300, 60 * M, ""), (720, 60 * M, "over the 12 min with data"), (0, 60 * M, ""),
        (60, 60 * M, "over the 1 min with data"), (300, 5 * M, ""),
    ],
)  # fmt: skip
def test_it_is_said_where_it_is_not_nearly_all(seconds: float, now: int, text: str) -> None:
    assert part_with_data(seconds, 0, 60 * M, now) == text
