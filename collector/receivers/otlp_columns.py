"""Small operations on the nested Arrow columns of decoded requests: children, ids, row keys.

Every array may be a slice (offset not 0), empty, or without buffers; callers never look at buffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.attributes import digest
from collector.receivers.reasons import MAX_VALUE_BYTES, REASONS, TEXT_TOO_LONG, TIME_OUT_OF_RANGE

Ints: TypeAlias = npt.NDArray[np.int64]
Ids: TypeAlias = npt.NDArray[np.uint64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Codes: TypeAlias = npt.NDArray[np.uint8]

CODES: dict[str, int] = {reason: code for code, reason in enumerate(REASONS, start=1)}
"""A reason as it stands in a column of problems; 0 is no problem."""
REASON_OF: tuple[str, ...] = ("", *REASONS)

BLANK = pa.scalar("")
"""Made once: Arrow looks for an optional module whenever it makes a scalar from a text or a number."""
_NO_BYTES = pa.scalar(b"")
_ZERO = pa.scalar(0)
_SIGN = np.uint64(1 << 63)


def codes(rows: int) -> Codes:
    """A column of problems without any."""
    return np.zeros(rows, np.uint8)


def mark(problems: Codes, where: Mask, reason: str) -> None:
    """Give the rows the reason, unless they have one already."""
    problems[where & (problems == 0)] = CODES[reason]


def offsets(array: pa.Array) -> Ints:
    """Where each value of a list, string or binary array starts in its child or data, and the last ends."""
    if len(array) == 0:
        return np.zeros(1, np.int64)
    buffer = array.buffers()[1]
    return np.frombuffer(buffer, np.int32, len(array) + 1, array.offset * 4).astype(np.int64)


def children(lists: pa.ListArray) -> tuple[Ints, pa.Array]:
    """The values of all lists in one array, and the row of the list that each belongs to."""
    starts = offsets(lists)
    return np.repeat(np.arange(len(lists)), np.diff(starts)), lists.flatten()


def lengths(array: pa.Array) -> Ints:
    """Elements of each list, bytes of each string or binary value."""
    return np.diff(offsets(array))


def too_long(array: pa.Array, limit: int) -> Mask | None:
    """Which values are longer than the limit; None when none is, which is the usual case."""
    over = lengths(array) > limit
    return over if over.any() else None


def numbers(array: pa.Array) -> npt.NDArray[Any]:
    """A column of numbers without nulls; the caller must not write to it."""
    if array.null_count:
        array = array.fill_null(_ZERO.cast(array.type))
    values: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values


def valid(array: pa.Array) -> Mask:
    """Which values are given."""
    if array.null_count == 0:
        return np.ones(len(array), np.bool_)
    mask: Mask = array.is_valid().to_numpy(zero_copy_only=False)
    return mask


def times(array: pa.Array, problems: Codes | None = None) -> Ints:
    """Unsigned nanoseconds as int64; those that do not fit are marked in `problems`."""
    values = numbers(array).astype(np.uint64, copy=False)
    if problems is not None and len(values) and values.max() >= _SIGN:
        mark(problems, values >= _SIGN, TIME_OUT_OF_RANGE)
    return values.view(np.int64)


def small(array: pa.Array, most: int = 255) -> Codes:
    """An open enum as one byte; a number outside 0..most becomes 0, unspecified."""
    values = numbers(array)
    return np.where((values >= 0) & (values <= most), values, 0).astype(np.uint8)


def halves(array: pa.BinaryArray, words: int) -> tuple[Ids, Mask]:
    """Ids of `words` times 8 bytes as big-endian numbers, a row each, and which had that length.

    Rows of another length are 0.
    """
    sizes = lengths(array)
    right: Mask = sizes == words * 8
    if not right.any():
        return np.zeros((len(array), words), np.uint64), right
    if right.all():
        return _words(array, words), right
    ids = np.zeros((len(array), words), np.uint64)
    ids[right] = _words(array.filter(pa.array(right)), words)
    return ids, right


def _words(array: pa.BinaryArray, words: int) -> Ids:
    start = int(offsets(array)[0])
    data = np.frombuffer(array.buffers()[2], ">u8", len(array) * words, start)
    return data.astype(np.uint64).reshape(-1, words)


def blank(rows: int) -> pa.StringArray:
    """A column of empty texts."""
    return pa.repeat(BLANK, rows)


def pick(texts: pa.Array, rows: Ints) -> pa.StringArray:
    """The texts at the rows; '' where a row is negative."""
    missing = rows < 0
    if not missing.any():
        return texts.take(pa.array(rows))
    return texts.take(pa.array(rows, mask=missing)).fill_null(BLANK)


@dataclass(frozen=True, slots=True)
class Distinct:
    """The distinct rows of a set of columns, in the order in which they appear.

    index: for every row the number of its distinct row. first: for every distinct row the first row with it.
    ids: for every distinct row the hash of all its columns.
    """

    index: Ints
    first: Ints
    ids: Ids

    @property
    def row_ids(self) -> Ids:
        """For every row its id."""
        return self.ids[self.index] if len(self.index) else np.zeros(0, np.uint64)


def distinct(fixed: Sequence[npt.NDArray[Any]], texts: Sequence[pa.Array]) -> Distinct:
    """Find the distinct rows and hash them: numbers as they are, texts and bytes with their lengths."""
    keys = pc.dictionary_encode(row_keys(fixed, texts))
    index: Ints = keys.indices.to_numpy().astype(np.int64)
    first = np.flatnonzero(np.diff(np.maximum.accumulate(index), prepend=-1) > 0)
    ids = np.array([digest(key) for key in keys.dictionary.to_pylist()], np.uint64)
    return Distinct(index, first, ids)


def row_keys(fixed: Sequence[npt.NDArray[Any]], texts: Sequence[pa.Array]) -> pa.BinaryArray:
    """A byte string per row that is the same for rows of the same values and for no others."""
    rows = len(texts[0])
    little = [column.astype(column.dtype.newbyteorder("<"), copy=False) for column in fixed]
    little += [lengths(text).astype("<u4") for text in texts]
    width = sum(column.dtype.itemsize for column in little)
    head = np.empty((rows, width), np.uint8)
    at = 0
    for column in little:
        size = column.dtype.itemsize
        head[:, at : at + size] = np.ascontiguousarray(column).view(np.uint8).reshape(rows, size)
        at += size
    heads = pa.Array.from_buffers(
        pa.binary(),
        rows,
        [None, pa.py_buffer(np.arange(rows + 1, dtype=np.int32) * width), pa.py_buffer(head)],
    )
    return pc.binary_join_element_wise(heads, *(_binary(text) for text in texts), _NO_BYTES)


def list_bytes(lists: pa.ListArray) -> pa.BinaryArray:
    """Lists of 8-byte numbers as byte strings, without copying."""
    values = lists.values
    # Of no numbers at all there may be no buffer, whatever the offset says.
    first, data = (values.offset, values.buffers()[1]) if len(values) else (0, pa.py_buffer(b""))
    ends = (offsets(lists) + first) * 8
    return pa.Array.from_buffers(pa.binary(), len(lists), [None, pa.py_buffer(ends.astype(np.int32)), data])


def _binary(array: pa.Array) -> pa.Array:
    return array if pa.types.is_binary(array.type) else array.cast(pa.binary())


def mark_too_long(problems: Codes, *texts: pa.Array) -> None:
    """Mark the rows with a text over the limit."""
    for text in texts:
        if (over := too_long(text, MAX_VALUE_BYTES)) is not None:
            mark(problems, over, TEXT_TOO_LONG)


def mark_parents(problems: Codes, parents: Ints, wrong: Codes) -> None:
    """Give the items the problems of what belongs to them, the first one of each."""
    places = np.flatnonzero(wrong)
    if len(places):
        rows, first = np.unique(parents[places], return_index=True)
        problems[rows] = np.where(problems[rows] == 0, wrong[places[first]], problems[rows])
