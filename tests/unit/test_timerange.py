"""Time as people write it: what each text means at a fixed moment, in UTC and in a zone with summer time."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import timerange
from dashboard.timerange import SECOND, BadTime, parse, parse_range

BERLIN = ZoneInfo("Europe/Berlin")
NOW = int(datetime(2026, 11, 23, 10, 42, tzinfo=UTC).timestamp()) * SECOND


def at(*parts: int, zone: ZoneInfo | None = None) -> int:
    return int(datetime(*parts, tzinfo=zone or UTC).timestamp()) * SECOND  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("text", "ns", "relative"),
    [
        ("now", NOW, True),
        ("-90m", NOW - 90 * 60 * SECOND, True),
        ("now-1h", NOW - 3600 * SECOND, True),
        ("-1h30m", NOW - 90 * 60 * SECOND, True),
        (" - 2 days ", NOW - 2 * 86_400 * SECOND, True),
        ("30 minutes ago", NOW - 1800 * SECOND, True),
        ("+5m", NOW + 300 * SECOND, True),
        ("10:12", at(2026, 11, 23, 10, 12), False),
        ("10:12:30.5", at(2026, 11, 23, 10, 12, 30) + SECOND // 2, False),
        ("11:00", at(2026, 11, 22, 11), False),
        ("today", at(2026, 11, 23), False),
        ("yesterday 14:00", at(2026, 11, 22, 14), False),
        ("Yesterday at 14:00", at(2026, 11, 22, 14), False),
        ("monday", at(2026, 11, 23), False),
        ("tue 09:30", at(2026, 11, 17, 9, 30), False),
        ("23 Nov", at(2026, 11, 23), False),
        ("24 November 10:12", at(2025, 11, 24, 10, 12), False),
        ("1 Mar 2024, 00:30", at(2024, 3, 1, 0, 30), False),
        ("2026-11-23", at(2026, 11, 23), False),
        ("2026-11-23 10:12", at(2026, 11, 23, 10, 12), False),
        ("2026-11-23T10:12:00Z", at(2026, 11, 23, 10, 12), False),
        ("2026-11-23T10:12:00.000000001Z", at(2026, 11, 23, 10, 12) + 1, False),
        ("2026-11-23T10:12:00+01:00", at(2026, 11, 23, 9, 12), False),
        ("2026-11-23T10:12:00-0530", at(2026, 11, 23, 15, 42), False),
        ("1795430520", NOW, False),
        ("1795430520000", NOW, False),
        ("1795430520000000000", NOW, False),
    ],
)
def test_a_text_means_this_moment(text: str, ns: int, relative: bool) -> None:
    found = parse(text, NOW, UTC)
    assert (found.ns, found.relative) == (ns, relative)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("10:12", at(2026, 11, 23, 10, 12, zone=BERLIN)),
        ("yesterday 14:00", at(2026, 11, 22, 14, zone=BERLIN)),
        ("2026-07-01 12:00", at(2026, 7, 1, 12, zone=BERLIN)),
        ("2026-07-01T12:00:00Z", at(2026, 7, 1, 12)),
    ],
)
def test_texts_without_an_offset_are_in_the_zone_of_the_page(text: str, ns: int) -> None:
    assert parse(text, NOW, BERLIN).ns == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "25:00",
        "10:61",
        "2026-13-01",
        "2026-02-30",
        "30 Feb",
        "-",
        "-5",
        "-5 parsecs",
        "1969-12-31",
        "9999-01-01",
        "12345",
        "-999999d",
        "monday tuesday",
        "10:12:30:40",
        "<script>",
    ],
)
def test_what_names_no_moment_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BadTime) as caught:
        parse(text, NOW, UTC)
    assert str(caught.value).endswith(".")


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(BadTime, match="before it begins"):
        parse_range("-5m", "-10m", NOW, UTC)


@given(st.integers(0, timerange.LAST_NS))
def test_canonical_text_of_a_moment_reads_back_as_the_same_moment(ns: int) -> None:
    assert parse(timerange.iso(ns), NOW, BERLIN).ns == ns


@given(st.text(max_size=30))
def test_any_text_is_a_moment_or_a_refusal(text: str) -> None:
    try:
        found = parse(text, NOW, UTC)
    except BadTime:
        return
    assert 0 <= found.ns <= timerange.LAST_NS
    assert parse(found.text, NOW, UTC).ns == found.ns


@given(st.integers(1, 2000), st.sampled_from("smhdw"))
def test_relative_texts_stay_relative(count: int, unit: str) -> None:
    found = parse(f"-{count}{unit}", NOW, UTC)
    assert found.relative
    assert found.text == f"-{count}{unit}"


def test_ranges_move_and_grow() -> None:
    hour = parse_range("-1h", "now", NOW, UTC)
    assert hour.label == "Last 1 hour"
    before = timerange.shifted(hour, -1, NOW)
    assert (before.start_ns, before.end_ns) == (NOW - 7200 * SECOND, NOW - 3600 * SECOND)
    assert not before.moving
    assert timerange.shifted(hour, 1, NOW).end_ns == NOW
    wider = timerange.zoomed_out(hour, NOW)
    assert (wider.start.text, wider.end.text) == ("-2h", "now")
    past = timerange.zoomed_out(before, NOW)
    assert past.length_ns == 2 * before.length_ns
    assert past.start_ns <= before.start_ns
    assert past.end_ns >= before.end_ns


@pytest.mark.parametrize(
    ("ns", "long", "short"),
    [
        (300 * SECOND, "5 minutes", "5 m"),
        (3600 * SECOND, "1 hour", "1 h"),
        (5400 * SECOND, "90 minutes", "90 m"),
        (86_400 * SECOND, "1 day", "1 d"),
        (SECOND // 2, "0.5 seconds", "0.5 s"),
    ],
)
def test_lengths_are_spelt_in_their_largest_unit(ns: int, long: str, short: str) -> None:
    assert timerange.spell(ns) == long
    assert timerange.spell(ns, short=True) == short


def test_unknown_zones_are_refused() -> None:
    with pytest.raises(BadTime, match="no time zone"):
        timerange.find_zone("Mars/Olympus")
    with pytest.raises(BadTime):
        timerange.find_zone("../../etc/passwd")
