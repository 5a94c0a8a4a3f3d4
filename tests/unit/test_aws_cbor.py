"""CBOR against RFC 8949's own examples and botocore's codec, and against what is no CBOR."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.aws import cbor
from dashboard.aws.writing import Moment

EXAMPLES = [
    ("00", 0), ("17", 23), ("1818", 24), ("1903e8", 1000), ("1bffffffffffffffff", 2**64 - 1),
    ("20", -1), ("3903e7", -1000), ("3bffffffffffffffff", -(2**64)), ("f93c00", 1.0), ("f97bff", 65504.0),
    ("fa47c35000", 100000.0), ("fb3ff199999999999a", 1.1), ("f97c00", math.inf), ("f4", False),
    ("f5", True), ("f6", None), ("f7", None), ("c11a514b67b0", 1363896240),
    ("c1fb41d452d9ec200000", 1363896240.5),
    ("40", b""), ("4401020304", b"\1\2\3\4"), ("60", ""), ("6449455446", "IETF"), ("62c3bc", "ü"), ("80", []),
    ("83010203", [1, 2, 3]), ("8301820203820405", [1, [2, 3], [4, 5]]), ("a0", {}),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}), ("5f42010243030405ff", b"\1\2\3\4\5"),
    ("7f657374726561646d696e67ff", "streaming"), ("9fff", []), ("9f018202039f0405ffff", [1, [2, 3], [4, 5]]),
    ("bf61610161629f0203ffff", {"a": 1, "b": [2, 3]}), ("c249010000000000000000", 2**64),
    ("c349010000000000000000", -(2**64) - 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), EXAMPLES)
def test_the_examples_of_the_standard(text: str, value: Any) -> None:
    found = cbor.loads(bytes.fromhex(text))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    ["", "18", "1b00", "61", "4401", "81", "a1", "a16161", "a10101", "ff", "81ff", "9f", "bf6161ff", "5f01ff",
     "5f", "1c", "1f", "c1", "c1ff", "f8", "e0", "0000", "62ffff", "9bffffffffffffffff", "d9d9f7",
     "81" * 70 + "00", "c1" * 5000 + "00"],
)  # fmt: skip
def test_what_is_no_cbor_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the texts differ
        cbor.loads(bytes.fromhex(text))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.text() | st.binary()
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(VALUES)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert cbor.loads(cbor.dumps(value)) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        cbor.loads(data)
    except ValueError:
        return


def test_times_carry_their_tag() -> None:
    assert cbor.dumps(Moment(1.5)).hex() == "c1fb3ff8000000000000"
    with pytest.raises(TypeError):
        cbor.dumps({1, 2})
    with pytest.raises(TypeError):
        cbor.dumps(2**64)
