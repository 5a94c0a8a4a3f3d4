"""Figures and times as the pages show them."""

from __future__ import annotations

from datetime import UTC

import pytest

from dashboard import units

S = 10**9
DASH = "\N{EN DASH}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, DASH),
        (float("nan"), DASH),
        (0, "0"),
        (7, "7"),
        (0.0667, "0.0667"),
        (3.14159, "3.14"),
        (212.4, "212"),
        (9999, "9,999"),
        (44_500, "44.5 k"),
        (999_999, "1 M"),
        (1_234_567, "1.23 M"),
        (2.5e9, "2.5 G"),
        (-12_345, "-12.3 k"),
    ],
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert units.number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, DASH),
        (0, "0"),
        (0.00001, "<0.01%"),
        (0.0009, "0.09%"),
        (0.0021, "0.21%"),
        (0.041, "4.1%"),
        (0.07, "7%"),
        (1.0, "100%"),
        (0.9996, "100%"),
    ],
)
def test_shares_are_percent(share: float | None, text: str) -> None:
    assert units.percent(share) == text


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (None, DASH),
        (0, "0 ms"),
        (870, "870 ns"),
        (1500, "1.5 µs"),
        (310_000_000, "310 ms"),
        (999_600_000, "1.00 s"),
        (3.42 * S, "3.42 s"),
        (59.9 * S, "59.9 s"),
        (125 * S, "2 min 05 s"),
        (3 * 3600 * S, "3 h 00 min"),
        (49 * 3600 * S, "2 d 1 h"),
        (-5_000_000, "-5 ms"),
    ],
)
def test_durations_switch_to_seconds(ns: float | None, text: str) -> None:
    assert units.duration(ns) == text


def test_axes_drop_empty_decimals() -> None:
    assert [units.short_duration(v * S) for v in (0.05, 0.2, 1, 5, 0.25)] == [
        "50 ms",
        "200 ms",
        "1 s",
        "5 s",
        "250 ms",
    ]


@pytest.mark.parametrize(
    ("octets", "text"), [(None, DASH), (0, "0 B"), (999, "999 B"), (412_000_000, "412 MB"), (1.1e9, "1.1 GB")]
)
def test_sizes_are_decimal(octets: float | None, text: str) -> None:
    assert units.size(octets) == text


def test_times() -> None:
    at = 1_795_430_520 * S + 284_000_000
    assert units.clock(at, UTC, 3) == "10:42:00.284"
    assert units.moment(at, UTC) == "23 Nov 2026 10:42:00"
    assert units.ago(at - 1800 * S, at) == "30 min ago"
    assert units.ago(at + 5 * S, at) == "in 5 s"
    assert units.ago(at, at) == "now"
    assert units.coarse(3900 * S) == "1 h 5 min"
