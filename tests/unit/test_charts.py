"""Plotly figures: the look, and that nothing from telemetry is read as HTML or as a template."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import charts
from dashboard.charts import plain

NOW = 1_795_430_520 * 10**9


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<b>x</b>", "&lt;b&gt;x&lt;/b&gt;"),
        ("a & b", "a &amp; b"),
        ("&lt;", "&amp;lt;"),
        ("%{y}", "%&#123;y}"),
        ("$x^2$", "&#36;x^2&#36;"),
        ("one\ntwo", "one two"),
        ("x" * 300, "x" * 200 + "…"),
    ],
)
def test_text_is_text(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_no_text_can_hold_a_tag_or_a_template(text: str) -> None:
    shown = plain(text)
    assert not set(shown) & set("<>")
    assert "%{" not in shown
    assert "$" not in shown


def test_every_name_in_a_figure_is_escaped() -> None:
    evil = "<script>%{x}"
    traces = [
        charts.line([NOW], [1.0], name=evil, colour="@fault", zone=UTC, unit=evil),
        *charts.stacked_bars([NOW], {evil: [1.0]}, {evil: "@ok"}, UTC),
        charts.outcome_scatter([NOW], [1.0], outcome="fault", links=["/traces/1"], texts=[evil], zone=UTC),
        *charts.mark(NOW, evil, UTC),
    ]
    assert "<script>" not in str(traces)
    assert "%{x}" not in str(traces)


def test_both_looks_have_every_colour_of_the_stylesheet() -> None:
    for theme in ("light", "dark"):
        tokens = charts.tokens(theme)
        assert {"fault", "error", "throttle", "ok", "svc-12", "seq-9", "base", "text-3"} <= set(tokens)
        look = charts.plotly_template(theme)["layout"]
        assert look["margin"]["l"] == 54
        assert len(look["colorway"]) == 12
    assert charts.tokens("light")["text"] != charts.tokens("dark")["text"]


@given(
    st.lists(st.integers(0, 40 * 86_400 * 10**9), max_size=6),
    st.sampled_from(["UTC", "Europe/Berlin", "Africa/Casablanca", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_many_dates_are_those_of_each(offsets: list[int], name: str) -> None:
    """Also where a clock is changed between them: in October, and for Ramadan."""
    zone = ZoneInfo(name)
    for begin in ("2026-10-10", "2026-02-01"):
        start = int(datetime.fromisoformat(f"{begin}T00:00:00+00:00").timestamp()) * 10**9
        times = [start + offset for offset in offsets]
        assert charts.local_all(times, zone) == [charts.local(at, zone) for at in times]


def test_dates_are_the_clock_of_the_page() -> None:
    figure = charts.time_figure([], NOW - 3600 * 10**9, NOW, UTC)
    assert figure["layout"]["xaxis"]["range"] == ["2026-11-23 09:42:00.000", "2026-11-23 10:42:00.000"]
    assert figure["layout"]["meta"] == {"offset_ms": 0}
