"""Attribute sets: what `join` writes, `split` reads, for every type and every nasty text."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.attributes import (
    EMPTY_SET,
    Value,
    double_text,
    encode,
    escape,
    join,
    shape_id,
    split,
    unescape,
)

TEXTS = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("\x1f\x1b01")), max_size=12)
PLAIN = st.one_of(
    st.none(), TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.binary()
)
NESTED = st.recursive(
    st.one_of(
        st.none(),
        TEXTS,
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_infinity=False, allow_nan=False),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@given(st.dictionaries(TEXTS, st.one_of(PLAIN, NESTED), max_size=6))
def test_what_is_joined_is_split_again(values: dict[str, Value]) -> None:
    joined = join(values)
    again = split(joined.keys, joined.types, joined.attrs)
    assert again == values
    assert list(again) == list(values)
    assert {key: type(value) for key, value in again.items()} == {k: type(v) for k, v in values.items()}


@given(TEXTS)
def test_an_escaped_text_has_no_separator(text: str) -> None:
    assert "\x1f" not in escape(text)
    assert unescape(escape(text)) == text


@given(st.floats())
def test_a_double_is_written_as_arrow_writes_a_column_and_comes_back(value: float) -> None:
    assert double_text(value) == pa.array([value]).cast(pa.string())[0].as_py()
    again = split(["d"], "d", double_text(value))["d"]
    assert again == value or (math.isnan(value) and math.isnan(again))
    assert math.copysign(1, again) == math.copysign(1, value) or math.isnan(value)


@pytest.mark.parametrize(
    ("value", "letter", "text"),
    [
        ("", "s", ""),
        ("a\x1fb", "s", "a\x1fb"),
        (7, "i", "7"),
        (2**63, "d", "9.223372036854776e+18"),
        (True, "b", "true"),
        (1.5, "d", "1.5"),
        (2.0, "d", "2"),
        (math.inf, "d", "inf"),
        (b"\x00\xff", "y", "AP8="),
        (None, "n", ""),
        ([1, "a", None, math.nan, b"\x00"], "j", '[1,"a",null,"NaN","AA=="]'),
        ({"a": {"b": -math.inf}}, "j", '{"a":{"b":"-Infinity"}}'),
    ],
)
def test_a_value_has_a_type_letter_and_a_text(value: Any, letter: str, text: str) -> None:
    assert encode(value) == (letter, text)


def test_no_attributes_are_shape_0() -> None:
    assert join({}) == EMPTY_SET
    assert split([], "", "") == {}


def test_the_id_of_a_shape_depends_on_keys_types_and_order_only() -> None:
    assert join({"a": 1, "b": 2}).shape == join({"a": 3, "b": 4}).shape == shape_id(["a", "b"], "ii")
    others = [
        join({"b": 1, "a": 2}),
        join({"a": 1, "b": 2.0}),
        join({"a": 1}),
        join({"ab": 1}),
        join({"a,b": 1}),
    ]
    assert len({each.shape for each in others} | {shape_id(["a", "b"], "ii"), 0}) == len(others) + 2


def test_the_id_of_a_shape_never_changes() -> None:
    """Files written by earlier versions refer to it."""
    assert shape_id(["http.request.method", "http.response.status_code"], "si") == 1012745875300875409


def test_a_text_of_another_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        split(["a", "b"], "ss", "only one")


def test_of_a_key_that_was_sent_twice_the_last_value_counts() -> None:
    assert split(["a", "a"], "si", "x\x1f2") == {"a": 2}
