"""Arithmetic over metrics: what can be written, what comes of it, and where a mistake is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import QueryError
from collector.query.metric_math import MathLine, evaluate, ids_of, parse_math

NONE: Sequence[MathLine] = ()


def line(*values: float | None, unit: str = "", **labels: str) -> MathLine:
    return MathLine(labels, unit, values)


def lone(text: str, **lines: MathLine) -> Sequence[float | None]:
    """The values of an expression that has one line."""
    (found,) = evaluate(parse_math(text), {name: [one] for name, one in lines.items()}).lines
    return list(found.values)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("m1", 8.0),
        ("m2/m1*100", 25.0),
        ("m1 - m2 - 1", 5.0),
        ("2 + m1 * m2", 18.0),
        ("(2 + m1) * m2", 20.0),
        ("m1 / m2 / m2", 2.0),
        ("-m1 + 10", 2.0),
        ("-m2 ^ 2", -4.0),
        ("m2 ^ 3 ^ m2", 512.0),
        ("m2 ^ -1", 0.5),
        ("--m1", 8.0),
        ("+m1", 8.0),
        ("1e2 * .5 + 1.", 51.0),
        ("m1 * 0 + 1.5e-1", 0.15),
    ],
)
def test_it_is_arithmetic(text: str, value: float) -> None:
    assert lone(text, m1=line(8.0), m2=line(2.0)) == [pytest.approx(value)]


NUMBERS = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))


@st.composite
def expressions(draw: st.DrawFn, depth: int = 4) -> str:
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(["m1", "m2"]) | NUMBERS.map(lambda n: repr(abs(n))))
    left, right = draw(expressions(depth - 1)), draw(expressions(depth - 1))
    sign = draw(st.sampled_from("+-*/"))
    return draw(
        st.sampled_from([f"{left} {sign} {right}", f"({left}{sign}{right})", f"-{left}{sign} -{right}"])
    )


@given(expressions(), NUMBERS, NUMBERS)
def test_it_is_the_arithmetic_that_everyone_knows(text: str, one: float, two: float) -> None:
    try:
        wanted = float(eval(text, {}, {"m1": one, "m2": two}))
    except (ZeroDivisionError, OverflowError):
        wanted = math.nan
    for value in lone(text, m1=line(one, None), m2=line(two, 1.0))[:1]:
        if math.isfinite(wanted):
            assert value == pytest.approx(wanted, rel=1e-9, abs=1e-9)
        else:
            assert value is None


@given(expressions())
def test_where_a_side_has_no_value_there_is_none(text: str) -> None:
    tree = parse_math(text)
    used = {each.name for each in ids_of(tree)}
    values = lone(text, m1=line(None, 1.0), m2=line(1.0, None))
    if "m1" in used:
        assert values[0] is None
    if "m2" in used:
        assert values[1] is None


@pytest.mark.parametrize(
    "text", ["1 / m1", "m2 / m1", "m1 ^ -1", "(0 - m2) ^ 0.5", "m2 ^ 9999", "1 / 0 + m1", "1 / 0"]
)
def test_what_is_no_number_has_no_value(text: str) -> None:
    assert lone(text, m1=line(0.0), m2=line(3.0)) == [None]


def test_one_line_goes_with_each_of_the_others() -> None:
    rooms = [line(4.0, room="a"), line(2.0, room="b")]
    lines = {"m1": rooms, "m2": [line(8.0, host="x")]}
    for text, values in (
        ("m1 / m2", (0.5, 0.25)),
        ("m2 / m1", (2.0, 4.0)),
        ("m1 * 10", (40.0, 20.0)),
        ("1 - m1", (-3.0, -1.0)),
    ):
        found = evaluate(parse_math(text), lines).lines
        assert [(one.labels, one.values) for one in found] == [
            ({"room": "a"}, [values[0]]), ({"room": "b"}, [values[1]]),
        ]  # fmt: skip


def test_several_lines_go_together_by_their_dimensions() -> None:
    lines = {
        "m1": [line(1.0, room="a"), line(2.0, room="b"), line(3.0, room="c")],
        "m2": [line(20.0, room="b"), line(10.0, room="a"), line(9.0, room="z"), line(9.0)],
    }
    found = evaluate(parse_math("m2 / m1"), lines)
    assert {one.labels["room"]: one.values for one in found.lines} == {"a": [10.0], "b": [10.0]}
    assert found.lone == 3
    assert evaluate(parse_math("m1 / m2"), {**lines, "m2": NONE}).lines == []


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("m1", "s"), ("m1 + m1", "s"), ("m1 - m1", "s"), ("m1 * 2", "s"), ("2 * m1", "s"), ("m1 / 2", "s"),
        ("-m1", "s"), ("m1 + 1", "s"), ("m1 * m3", "s"), ("m1 / m1", ""), ("m1 * m1", ""), ("m1 + m2", ""),
        ("m1 * m2", ""), ("m1 / m2", ""), ("1 / m1", ""), ("m3 / m1", ""), ("m1 ^ 2", ""),
    ],
)  # fmt: skip
def test_units(text: str, unit: str) -> None:
    lines = {"m1": [line(1.0, unit="s")], "m2": [line(1.0, unit="By")], "m3": [line(1.0)]}
    assert [one.unit for one in evaluate(parse_math(text), lines).lines] == [unit]


@pytest.mark.parametrize(
    ("text", "message", "column", "end"),
    [
        ("", "Expected a number, the id of a metric", 1, 2),
        ("m1 +", "Expected a number", 5, 6),
        ("m1 m2", "Expected an operator", 4, 6),
        ("m1 * / m2", "Expected a number, the id of a metric such as m1, or (, not /", 6, 7),
        ("(m1", "Expected ) to end what ( began", 4, 5),
        ("m1)", "Expected an operator: + - * / ^, not )", 3, 4),
        ("m1 % 2", "Expected an operator: + - * / ^, not %", 4, 5),
        ("M1 * 2", "M1 is no id", 1, 3),
        ("m0", "m0 is no id", 1, 3),
        ("errors / 2", "errors is no id", 1, 7),
        ("SUM(m1)", "Functions such as SUM() are not built", 1, 4),
        ("1e999", "too large", 1, 6),
        ("1" * 1001, "at most 1000 characters", 1, 1002),
        ("(" * 60 + "m1", "50 deep at most", 51, 52),
        ("-" * 60 + "m1", "50 deep at most", 51, 52),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(text: str, message: str, column: int, end: int) -> None:
    with pytest.raises(QueryError) as refused:
        parse_math(text)
    assert message in str(refused.value)
    assert (refused.value.column, refused.value.end) == (column, end)


def test_an_id_in_capitals_is_suggested_small() -> None:
    with pytest.raises(QueryError) as refused:
        parse_math("M12 / 2")
    assert refused.value.suggestion == "m12"


def test_the_longest_chain_is_answered() -> None:
    text = "m1" + "+m1" * 332
    assert lone(text, m1=line(1.0)) == [333.0]
