"""What is offered at a position of an expression, and what it replaces."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.query.filters import LOGS, TRACES, Language
from collector.query.filters.complete import complete
from collector.query.model_traces import AttributeKey, AttributeValue, Completion

KEYS = ("http.route", "http.request.method", "order.id", "weird key", "user.tier")
VALUES = {
    "service": ("payments", "web", "stock room"),
    "operation": ("POST /pay", "SELECT"),
    "http.route": ("/", "/pay"),
    "order.id": ("5", "84217"),
    'attr["weird key"]': ('say "hi"',),
    "http.status": ("200", "502"),
}


class Known:
    """Keys and values that are there."""

    def keys(self, text: str, limit: int) -> Sequence[AttributeKey]:
        return [AttributeKey(key, "s", ("item",), 7, 0) for key in KEYS if text in key][:limit]

    def values(self, field: str, text: str, limit: int) -> Sequence[AttributeValue]:
        return [AttributeValue(value, 3) for value in VALUES.get(field, ()) if text in value][:limit]


def offered(text: str, language: Language = TRACES, limit: int = 50) -> tuple[Completion, list[str]]:
    """What is offered where `|` stands."""
    position = text.index("|")
    found = complete(text.replace("|", "", 1), position, language, Known(), limit)
    return found, [each.text for each in found.suggestions]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("|", ["fault", "duration", "http.status", "service", "operation"]),
        ("dur|", ["duration"]),
        ("ok dur|", ["duration"]),
        ("ok AND dur|", ["duration"]),
        ("!dur|", ["duration"]),
        ("(dur|", ["duration"]),
        ("http.ro|", ["http.route"]),
        ("weird|", ['attr["weird key"]']),
        (
            "http.route |",
            ["=", "!=", "<", "<=", ">", ">=", "contains", "beginswith", "endswith", "in (", "exists"],
        ),
        ("http.status zz|", []),
        ("http.status |", ["=", "!=", "<", "<=", ">", ">=", "in (", "exists", "AND", "OR"]),
        ("outcome |", ["=", "!=", "in (", "exists"]),
        ("fault |", ["=", "!=", "AND", "OR"]),
        ("http.route = |", ['"/"', '"/pay"']),
        ('http.route = "/p|', ['"/pay"']),
        ("http.route in (|", ['"/"', '"/pay"']),
        ('http.route in ("/", |', ['"/"', '"/pay"']),
        ("order.id = 8|", ["84217"]),
        ("outcome = f|", ["fault"]),
        ("fault = |", ["true", "false"]),
        ("http.status = |", ["200", "502"]),
        ("duration > |", []),
        ('attr["weird key"] = |', ['"say \\"hi\\""']),
        ("service(|", ['"payments"', '"web"', '"stock room"']),
        ('service("st|', ['"stock room"']),
        ('edge("web", "pay|', ['"payments"']),
        ("span(|", ['"POST /pay"', '"SELECT"']),
        ('service("web") |', ["{", "AND", "OR"]),
        ('service("web"){ro|', ["root", "error", "throttle"]),
        ('service("web"){fault |', ["=", "!=", "AND", "OR", "}"]),
        ('service("web"){fault}|', ["AND", "OR"]),
        ("http.route = x |", ["AND", "OR"]),
        ("rootc|", ["rootcause.fault.service", "rootcause.fault.entity", "rootcause.fault.exception"]),
        ("rootcause.fault.entity |", ["{", "AND", "OR"]),
        ("rootcause.fault.entity { re|", ["remote"]),
        ("rootcause.fault.entity { |", ["name", "type", "account.id", "message", "first", "last"]),
        ("rootcause.fault.entity { remote |", ["=", "!=", "AND", "OR", "}"]),
        ("rootcause.fault.entity { last = |", ["true", "false"]),
        ("rootcause.fault.entity { coverage |", ["=", "!=", "<", "<=", ">", ">=", "in (", "exists"]),
        ("rootcause.fault.entity { name = |", []),
        ("rootcause.fault.entity { last } dur|", ["duration"]),
        ('rootcause.json = #[{"Name":"x"}] |', ["AND", "OR"]),
        ("rootcause.json = |", []),
        ("group.name |", ["=", "!=", "in ("]),
        ("group.name = |", []),
        ("http.route = x OR|", ["OR"]),
        ("http.route in (x) A|", ["AND"]),
        ('"some tex|', []),
        ("attr[|", []),
    ],
)
def test_offers(text: str, first: list[str]) -> None:
    _, texts = offered(text)
    assert texts[: len(first)] == first
    assert first or not texts


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("dur|", 0, 3),
        ("ok AND du|ration > 5", 7, 15),
        ('service = "p|', 10, 12),
        ('service = "p|" AND ok', 10, 13),
        ("a = 1 AND |", 10, 10),
    ],
)
def test_what_is_written_is_replaced(text: str, start: int, end: int) -> None:
    found, _ = offered(text)
    assert (found.start, found.end) == (start, end)


def test_counts_and_kinds_come_along() -> None:
    found, _ = offered("http.rou|")
    assert [(each.kind, each.count) for each in found.suggestions] == [("attribute", 7)]
    found, _ = offered("service = |", limit=2)
    assert [(each.text, each.kind, each.count) for each in found.suggestions] == [
        ('"payments"', "value", 3),
        ('"web"', "value", 3),
    ]


def test_inside_braces_only_what_a_span_can_be_asked() -> None:
    assert "partial" in offered("pa|")[1]
    assert "partial" not in offered('service("x"){pa|')[1]
    assert "service(" not in offered('service("x"){|')[1]


def test_logs() -> None:
    assert offered("lev|", LOGS)[1] == ["level"]
    assert offered("level = |", LOGS)[1] == ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
    assert offered("level >= w|", LOGS)[1] == ["WARN"]
    assert offered("gateway |", LOGS)[1][:2] == ["=", "!="]


@given(st.text("ab.co()[]{}\"'!=<> ,:\\ANDinservice5", max_size=30), st.integers(0, 30))
def test_any_text_gets_an_answer_that_fits_into_it(text: str, at: int) -> None:
    position = min(at, len(text))
    for language in (TRACES, LOGS):
        found = complete(text, position, language, Known())
        assert 0 <= found.start <= position <= found.end <= len(text)
