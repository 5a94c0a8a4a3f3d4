"""Bodies: inflated exactly, or refused; never more than the limit in memory."""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.accounting import BAD_ENCODING, TOO_LARGE
from collector.errors import Overloaded, Rejected
from collector.receivers.bodies import CHUNK, GZIP, ZLIB, Budget, Reservation, gather, inflate

TEXTS = st.builds(
    lambda piece, times, tail: piece * times + tail, st.binary(), st.integers(0, 400), st.binary()
)


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def inflated(data: bytes, limit: int, wrapper: int = GZIP, piece: int = 1000) -> bytes:
    with Reservation(Budget()) as reservation:
        return gather(inflate(in_pieces(data, piece), limit, wrapper), limit, reservation)


@given(TEXTS, st.integers(1, 300), st.integers(0, 2))
def test_gzip_comes_back_whatever_the_pieces(text: bytes, piece: int, room: int) -> None:
    assert inflated(gzip.compress(text), len(text) + room, piece=piece) == text
    assert inflated(zlib.compress(text), len(text) + room, ZLIB, piece) == text


@given(st.lists(TEXTS, max_size=4), st.integers(1, 300))
def test_members_are_joined(texts: list[bytes], piece: int) -> None:
    whole = b"".join(texts)
    assert inflated(b"".join(map(gzip.compress, texts)), len(whole), piece=piece) == whole


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 4 * CHUNK, 4 * CHUNK + 1])
@pytest.mark.parametrize("room", [0, 1, 1000])
def test_sizes_about_a_piece(size: int, room: int) -> None:
    for text in (bytes(size), random.Random(size).randbytes(size)):
        assert inflated(gzip.compress(text), size + room, piece=CHUNK) == text
        assert inflated(zlib.compress(text), size + room, ZLIB, CHUNK) == text


@given(TEXTS.filter(bool), st.integers(1, 300))
def test_one_byte_over_the_limit_is_too_large(text: bytes, piece: int) -> None:
    with pytest.raises(Rejected) as caught:
        inflated(gzip.compress(text), len(text) - 1, piece=piece)
    assert caught.value.reason == TOO_LARGE


@given(TEXTS, st.data())
def test_what_ends_early_is_refused(text: bytes, data: st.DataObject) -> None:
    packed = gzip.compress(text)
    cut = data.draw(st.integers(1, len(packed) - 1))
    with pytest.raises(Rejected) as caught:
        inflated(packed[:cut], len(text) + 1)
    assert caught.value.reason == BAD_ENCODING


@given(TEXTS, st.data())
def test_damage_is_refused_or_harmless(text: bytes, data: st.DataObject) -> None:
    packed = bytearray(gzip.compress(text))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        found = inflated(bytes(packed), 1 << 20)
    except Rejected as error:
        refused = error.reason
    else:
        refused = "" if found == text else "silently wrong"  # the time in the header may change
    assert refused in {"", BAD_ENCODING, TOO_LARGE}


@pytest.mark.parametrize(
    "garbage",
    [b"hello", b"\x1f\x8b", b"\0" * 100, gzip.compress(b"fine") + b"not fine"],
    ids=["text", "two bytes", "zeros", "a member and garbage"],
)
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        inflated(garbage, 1 << 20)
    assert caught.value.reason == BAD_ENCODING


def test_nothing_is_nothing() -> None:
    assert inflated(b"", 0) == b""


def test_a_bomb_is_given_up_at_the_limit() -> None:
    """A gigabyte in a megabyte: no more than the limit and a byte comes out, in small pieces."""
    bomb = gzip.compress(b"\0" * (1 << 26)) * 16
    pieces = list(map(len, inflate(in_pieces(bomb, CHUNK), 1 << 20)))
    assert sum(pieces) == (1 << 20) + 1
    assert max(pieces) <= CHUNK
    budget = Budget()
    with Reservation(budget) as reservation, pytest.raises(Rejected, match="larger than 1,048,576 bytes"):
        gather(inflate([bomb], 1 << 20), 1 << 20, reservation)
    assert budget.used == 0


def test_the_budget_is_shared_and_given_back() -> None:
    budget = Budget(100)
    with Reservation(budget) as first:
        first.grow(60)
        with Reservation(budget) as second:
            second.grow(40)
            with pytest.raises(Overloaded):
                second.grow(1)
            assert budget.used == 100
        assert budget.used == 60
    assert budget.used == 0


def test_a_body_larger_than_the_budget_is_let_in_alone() -> None:
    budget = Budget(100)
    assert budget.take(1000)
    assert not budget.take(1)
    budget.give(1000)
    assert budget.take(1)
