"""Facets edit the one filter expression: what ticking does to a text, and that both languages read it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.query.filters.language import LOGS, TRACES
from collector.query.filters.parser import parse
from dashboard.facets import chosen, excluded, put, toggled


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("", "payments", 'service = "payments"'),
        ('service = "payments"', "payments", ""),
        ('service = "payments"', "cart", 'service in ("payments", "cart")'),
        ('service in ("payments", "cart")', "payments", 'service = "cart"'),
        ("fault", "cart", 'fault AND service = "cart"'),
        ("fault OR error", "cart", '(fault OR error) AND service = "cart"'),
        ('service = "cart" AND fault', "cart", "fault"),
        ('fault AND service = "cart"', "cart", "fault"),
        ('fault AND service = "cart" AND ok', "cart", "fault AND ok"),
        ('NOT service = "cart"', "cart", 'NOT service = "cart" AND service = "cart"'),
        ('edge("a", "b") { service = "x" }', "cart", 'edge("a", "b") { service = "x" } AND service = "cart"'),
        ("service = cart", "users", 'service in ("cart", "users")'),
    ],
)
def test_ticking_a_value(before: str, value: str, after: str) -> None:
    assert toggled(before, "service", value) == after


def test_leaving_a_value_out() -> None:
    assert excluded("", "level", "INFO") == 'level != "INFO"'
    assert excluded('level = "INFO"', "level", "INFO") == 'level != "INFO"'
    assert excluded("a OR b", "level", "INFO") == '(a OR b) AND level != "INFO"'


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(st.lists(texts, unique=True, max_size=4))
def test_what_was_put_is_what_is_chosen(values: list[str]) -> None:
    assert list(chosen(put("", "service", values), "service")) == values


@given(texts, st.sampled_from(["", "fault", "fault OR ok", '"some words" AND ok']))
def test_ticking_twice_changes_nothing(value: str, q: str) -> None:
    once = toggled(q, "service", value)
    twice = toggled(once, "service", value)
    assert twice.strip("()") == q
    assert chosen(once, "service") == (value,)


@given(st.lists(texts, unique=True, min_size=1, max_size=3))
def test_both_languages_read_what_facets_write(values: list[str]) -> None:
    for language in (TRACES, LOGS):
        parse(put("", "http.route", values), language)
        parse(excluded(put("", "http.route", values), "http.route", values[0]), language)
