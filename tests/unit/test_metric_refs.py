"""The texts that say what of a metric is drawn, and the units that its values are shown in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import QueryError
from dashboard.metric_refs import Ref, parse_ref
from dashboard.metric_units import scale_of, unit_of, value_text

WORD = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
REFS = st.builds(
    Ref,
    WORD,
    WORD,
    st.dictionaries(WORD, st.lists(WORD, min_size=1, max_size=3).map(tuple), max_size=3),
    st.none() | st.lists(WORD, max_size=3, unique=True).map(tuple),
    st.sampled_from(["", "Average", "SampleCount", "p99", "p99.9"]),
)


@given(REFS)
def test_a_reference_is_read_as_it_was_written(ref: Ref) -> None:
    assert parse_ref(ref.text) == ref


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_an_error_inside_it(text: str) -> None:
    problem = None
    try:
        ref = parse_ref(text)
    except QueryError as error:
        problem = error
    if problem is None:
        assert parse_ref(ref.text) == ref
    else:
        assert 1 <= problem.column <= len(text) + 1
        assert problem.column < problem.end <= len(text) + 2


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("shop/cart latency", Ref("shop/cart", "latency")),
        ("a b{k=v}", Ref("a", "b", {"k": ("v",)})),
        ('a b{k="x y"|z, j=""}', Ref("a", "b", {"k": ("x y", "z"), "j": ("",)})),
        ("a b{}", Ref("a", "b")),
        ("a b by k, j p99.9", Ref("a", "b", by=("k", "j"), statistic="p99.9")),
        ("a b by *", Ref("a", "b", by=())),
        ('a b by "*"', Ref("a", "b", by=("*",))),
        ("a b max", Ref("a", "b", statistic="Maximum")),
        ('"" "by"', Ref("", "by")),
    ],
)
def test_references(text: str, ref: Ref) -> None:
    assert parse_ref(text) == ref


@pytest.mark.parametrize(
    ("text", "column", "words", "suggestion"),
    [
        ("", 1, "namespace", ""),
        ("shop", 5, "name of a metric", ""),
        ("a b{k}", 6, "= and a value of k", ""),
        ("a b{k=}", 7, "a value of k", ""),
        ("a b{k=v", 8, "}", ""),
        ('a b{k="v}', 7, "no closing quote", '"v}"'),
        ("a b by", 7, "dimension to split by", ""),
        ("a b p9x", 5, "no statistic", ""),
        ("a b averge", 5, "no statistic", "Average"),
        ("a b p101", 5, "p0 to p100", "p99"),
        ("a b p99 c", 9, "no place for c", ""),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(
    text: str, column: int, words: str, suggestion: str
) -> None:
    with pytest.raises(QueryError, match=r".") as caught:
        parse_ref(text)
    assert caught.value.column == column
    assert words in str(caught.value)
    assert caught.value.suggestion == suggestion


@given(REFS, WORD, WORD)
def test_ticking_twice_changes_nothing(ref: Ref, key: str, value: str) -> None:
    once = ref.toggled(key, value)
    assert (value in once.where.get(key, ())) != (value in ref.where.get(key, ()))
    twice = once.toggled(key, value)
    assert _sets(twice) == _sets(ref)


def _sets(ref: Ref) -> dict[str, set[str]]:
    return {key: set(values) for key, values in ref.where.items()}


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("s", 0.412, "412 ms"),
        ("s", 0.0000021, "2.1 µs"),
        ("s", 45.0, "45 s"),
        ("s", 300.0, "5 min"),
        ("s", 0.0, "0 s"),
        ("ms", 1500.0, "1.5 s"),
        ("By", 1_200_000_000.0, "1.2 GB"),
        ("KiBy", 1.0, "1.02 kB"),
        ("By/s", 1500.0, "1.5 kB/s"),
        ("{request}", 12.0, "12 request"),
        ("{request}/s", 31_000.0, "31 k request/s"),
        ("%", 12.5, "12.5%"),
        ("1", 0.25, "0.25"),
        ("", 1_500_000.0, "1.5 M"),
        ("1/s", 3.0, "3 per s"),
        ("Cel", -21.5, "-21.5 Cel"),
        ("s", None, "\N{EN DASH}"),
    ],
)
def test_values_have_their_own_scale(unit: str, value: float | None, text: str) -> None:
    assert value_text(unit, value) == text


@given(st.sampled_from(["s", "ms", "By", "{x}", "%", "", "min"]), st.floats(-1e15, 1e15))
def test_a_scale_changes_the_unit_and_not_the_value(unit: str, value: float) -> None:
    scale = scale_of(unit, value)
    assert scale.factor > 0
    shown = scale.shown(value)
    assert shown == pytest.approx(value * scale.factor, rel=1e-5)


@pytest.mark.parametrize(
    ("unit", "statistic", "shown"),
    [("s", "p95", "s"), ("By", "Rate", "By/s"), ("s", "SampleCount", ""), ("", "Rate", "/s")],
)
def test_units_of_statistics(unit: str, statistic: str, shown: str) -> None:
    assert unit_of(unit, statistic) == shown
