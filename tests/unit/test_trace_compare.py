"""Two traces side by side: own times by operation."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.trace_compare import Compared, compare


@dataclass(frozen=True)
class Span:
    service: str
    name: str
    self_ns: int


@dataclass(frozen=True)
class Trace:
    spans: tuple[Span, ...]


def test_own_times_add_up_by_operation_and_the_greatest_difference_is_first() -> None:
    slow = Trace((Span("shop", "GET /", 10), Span("pay", "charge", 500), Span("pay", "charge", 400)))
    usual = Trace((Span("shop", "GET /", 30), Span("pay", "charge", 100), Span("mail", "send", 5)))
    rows = compare(slow, usual)  # type: ignore[arg-type]
    assert rows == [
        Compared("pay", "charge", 2, 900, 1, 100),
        Compared("shop", "GET /", 1, 10, 1, 30),
        Compared("mail", "send", 0, 0, 1, 5),
    ]
    assert [row.more_ns for row in rows] == [800, -20, -5]


def test_a_trace_does_not_differ_from_itself() -> None:
    trace = Trace((Span("a", "x", 7), Span("b", "y", 9)))
    assert all(row.more_ns == 0 for row in compare(trace, trace))  # type: ignore[arg-type]
