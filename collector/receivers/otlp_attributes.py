"""Attributes of many items at once: KeyValue lists -> a shape and one text of values for each item.

No Python object per attribute or item: Python runs once per distinct shape and once per distinct nested
value, both remembered within bounds. What an item may not have is marked, never raised.
"""

from __future__ import annotations

import base64
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError

from collector.attributes import json_text, shape_id
from collector.batch import SEPARATOR
from collector.receivers import reasons
from collector.receivers.otlp_columns import (
    BLANK,
    CODES,
    Codes,
    Ids,
    Ints,
    blank,
    codes,
    mark,
    mark_parents,
    offsets,
    pick,
    too_long,
    valid,
)
from collector.receivers.otlp_descriptors import nested

_SEPARATOR = pa.scalar(SEPARATOR)

if TYPE_CHECKING:
    from collector.receivers.otlp_resources import Resource

LETTERS = "nsidbyj"
"""The type letters in the order of their codes in `Values.types`."""
_STRING, _INT, _DOUBLE, _BOOL, _BYTES, _JSON = range(1, 7)

_GOLDEN, _MIX1, _MIX2 = (
    np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB),
)  # fmt: skip
_TYPE = np.uint64(0xD6E8FEB86659FD93)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Ambiguous(Exception):
    """A oneof carries several members; only a parser that sees their order knows which one counts."""


class NotText(Exception):
    """A text inside of an array or a map is not UTF-8."""


class Memory(Generic[K, V]):
    """A dict that is emptied when what it holds costs more than `limit` bytes, estimated by the callers."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._cost = 0
        self._items: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """What was kept under the key, None when nothing was or is not any more."""
        return self._items.get(key)

    def put(self, key: K, value: V, cost: int) -> V:
        """Keep the value and return it."""
        if self._cost + cost > self._limit:
            self._items.clear()
            self._cost = 0
        self._cost += cost + 200
        self._items[key] = value
        return value


@dataclass(frozen=True, slots=True)
class Shape:
    """An ordered list of keys with their type letters, its id, and where each key stands (the last wins)."""

    id: int
    keys: tuple[str, ...]
    types: str
    index: dict[str, int]

    @classmethod
    def of(cls, keys: Sequence[str], types: str) -> Shape:
        """The shape of the keys, its id computed."""
        index = {key: position for position, key in enumerate(keys)}
        return cls(shape_id(keys, types), tuple(keys), types, index)


class Memories:
    """What is remembered from one batch to the next; bounded, and only ever a shortcut."""

    def __init__(self) -> None:
        self.shapes: Memory[int, Shape] = Memory(32 << 20)
        self.nested: Memory[tuple[str, bytes], str] = Memory(16 << 20)
        self.resources: Memory[int, Resource] = Memory(8 << 20)


@dataclass(frozen=True, slots=True)
class Values:
    """AnyValues as texts: their type codes (an index into LETTERS) and the reasons against some of them."""

    texts: pa.StringArray
    types: Codes
    problems: Codes


@dataclass(frozen=True, slots=True)
class AttributeSets:
    """Attribute sets, a row each.

    shape, attrs: the stored columns. problems: why a row cannot be kept; its shape is 0 then.
    shapes: the distinct shapes of the rows; which: for each row its place in them, -1 without attributes.
    starts: where a row's values start in `texts`, which are not escaped.
    """

    shape: Ids
    attrs: pa.StringArray
    problems: Codes
    shapes: list[Shape]
    which: Ints
    starts: Ints
    texts: pa.StringArray

    def find(self, names: Sequence[str]) -> Ints:
        """For each row the place in `texts` of the first of the names that it has, -1 for none."""
        places = np.array([_position(shape, names) for shape in self.shapes] + [-1], np.int64)
        place = places[self.which]
        return np.where(place < 0, -1, self.starts + place)

    def has(self, names: Sequence[str]) -> bool:
        """Whether any row has any of the names."""
        return any(_position(shape, names) >= 0 for shape in self.shapes)

    def text(self, names: Sequence[str]) -> pa.StringArray | None:
        """For each row the text of the first of the names that it has, '' for none; None when no row has."""
        return pick(self.texts, self.find(names)) if self.has(names) else None


def _position(shape: Shape, names: Sequence[str]) -> int:
    for name in names:
        if (position := shape.index.get(name)) is not None:
            return position
    return -1


def attribute_sets(lists: pa.ListArray, memories: Memories) -> AttributeSets:
    """Encode the KeyValue lists of many items.

    Raises Ambiguous when a value has several members of its oneof.
    """
    ends = offsets(lists)
    starts, counts = ends[:-1] - ends[0], np.diff(ends)
    if ends[0] == ends[-1]:
        return _no_attributes(len(lists))
    pairs = lists.flatten()
    values = any_values(pairs.field("value"), memories)
    keys = pairs.field("key").dictionary_encode()
    problems = codes(len(lists))
    mark(problems, counts > reasons.MAX_ATTRIBUTES, reasons.TOO_MANY_ATTRIBUTES)
    parents = np.repeat(np.arange(len(lists)), counts)
    mark_parents(problems, parents, values.problems)
    if (long_keys := too_long(keys.dictionary, reasons.MAX_KEY_BYTES)) is not None:
        wrong = np.where(long_keys, CODES[reasons.ATTRIBUTE_KEY_TOO_LONG], 0).astype(np.uint8)
        mark_parents(problems, parents, wrong[keys.indices.to_numpy()])
    flat = _Pairs(keys.dictionary.to_pylist(), keys.indices.to_numpy(), values.types, starts, counts)
    which, shapes = _shapes(flat, problems, memories)
    ids = np.array([shape.id for shape in shapes] + [0], np.uint64)
    split = pa.ListArray.from_arrays(pa.array(ends - ends[0], pa.int32()), _escaped(values.texts))
    attrs = pc.binary_join(split, _SEPARATOR)
    return AttributeSets(ids[which], attrs, problems, shapes, which, starts, values.texts)


def _no_attributes(rows: int) -> AttributeSets:
    nothing = np.zeros(rows, np.int64)
    return AttributeSets(
        nothing.view(np.uint64), blank(rows), codes(rows), [], nothing - 1, nothing, blank(0)
    )


@dataclass(frozen=True, slots=True)
class _Pairs:
    """All attributes of all rows, flat: names[keys[i]] is the key and types[i] the type code of the i-th."""

    names: list[str]
    keys: npt.NDArray[np.int32]
    types: Codes
    starts: Ints
    counts: Ints

    def shape(self, row: int) -> Shape:
        """The shape of a row."""
        span = slice(self.starts[row], self.starts[row] + self.counts[row])
        letters = "".join(LETTERS[code] for code in self.types[span].tolist())
        return Shape.of([self.names[place] for place in self.keys[span].tolist()], letters)

    def mixed(self) -> Ids:
        """For each row a sum of hashes of (key, type, place): equal for equal shapes.

        The seeds are Python's own string hashes, so no sender can foresee two shapes that collide.
        """
        seeds = np.array([hash(name) for name in self.names], np.int64).view(np.uint64)
        place = np.arange(1, len(self.keys) + 1) - np.repeat(self.starts, self.counts)
        mixed = seeds[self.keys] + self.types * _TYPE + place.astype(np.uint64) * _GOLDEN
        mixed ^= mixed >> np.uint64(30)
        mixed *= _MIX1
        mixed ^= mixed >> np.uint64(27)
        mixed *= _MIX2
        mixed ^= mixed >> np.uint64(31)
        sums = np.zeros(len(mixed) + 1, np.uint64)
        np.cumsum(mixed, out=sums[1:])
        rows: Ids = sums[self.starts + self.counts] - sums[self.starts]
        return rows


def _shapes(pairs: _Pairs, problems: Codes, memories: Memories) -> tuple[Ints, list[Shape]]:
    """The distinct shapes, and for each row its place in them; none for rows with a problem."""
    which = np.full(len(problems), -1, np.int64)
    rows = np.flatnonzero((pairs.counts > 0) & (problems == 0))
    if not len(rows):
        return which, []
    found, first, which[rows] = np.unique(pairs.mixed()[rows], return_index=True, return_inverse=True)
    shapes = []
    for key, row in zip(found.tolist(), rows[first].tolist(), strict=True):
        shape = memories.shapes.get(key)
        if shape is None:
            shape = pairs.shape(row)
            memories.shapes.put(key, shape, sum(map(len, shape.keys)) + 150 * len(shape.keys))
        shapes.append(shape)
    return which, shapes


def any_values(values: pa.StructArray, memories: Memories) -> Values:
    """AnyValues as texts and type codes.

    Raises Ambiguous when one has several members, NotText when a text inside of one is not UTF-8.
    """
    rows = len(values)
    names = [field.name for field in values.type]
    fields = values.flatten() if values.null_count else [values.field(name) for name in names]
    members = {
        name: field for name, field in zip(names, fields, strict=True) if field.null_count < len(field)
    }
    members.pop("string_value_strindex", None)  # an index into a table that only profiles have
    types, problems = codes(rows), codes(rows)
    texts = members.get("string_value", pa.nulls(rows, pa.string()))
    given = 0
    for name, member in members.items():
        code, converted = _text(name, member, problems, memories)
        texts = converted if name == "string_value" else pc.coalesce(texts, converted)
        types += valid(member) * np.uint8(code)
        given += rows - member.null_count
    if given != np.count_nonzero(types):
        raise Ambiguous
    return Values(texts.fill_null(BLANK) if given < rows else texts, types, problems)


def _text(name: str, member: pa.Array, problems: Codes, memories: Memories) -> tuple[int, pa.Array]:
    """One member of AnyValue as its type code and its texts, null where it is not given."""
    match name:
        case "int_value":
            return _INT, member.cast(pa.string())
        case "double_value":
            return _DOUBLE, member.cast(pa.string())
        case "bool_value":
            return _BOOL, member.cast(pa.string())
    if (over := too_long(member, reasons.MAX_VALUE_BYTES)) is not None:
        mark(problems, over, reasons.ATTRIBUTE_TOO_LONG)
        member = pc.if_else(pa.array(over), pa.scalar("", member.type), member)
    if name == "string_value":
        return _STRING, member
    distinct = member.dictionary_encode()
    known: list[bytes] = distinct.dictionary.to_pylist()
    if name == "bytes_value":
        texts: list[str | None] = [base64.b64encode(value).decode() for value in known]
        return _BYTES, pa.array(texts, pa.string()).take(distinct.indices)
    kind = "ArrayValue" if name == "array_value" else "KeyValueList"
    texts = []
    wrong = np.zeros(len(known), np.uint8)
    for place, value in enumerate(known):
        try:
            texts.append(_nested_text(kind, value, memories))
        except DecodeError as error:
            deep = isinstance(error, _TooDeep) or "MaxDepth" in str(error)
            wrong[place] = CODES[reasons.NESTED_TOO_DEEP if deep else reasons.MALFORMED_VALUE]
            texts.append("")
    if wrong.any():
        rows = np.flatnonzero(valid(member))
        problems[rows] = np.maximum(
            problems[rows], wrong[distinct.indices.filter(member.is_valid()).to_numpy()]
        )
    return _JSON, pa.array(texts, pa.string()).take(distinct.indices)


def _nested_text(kind: str, value: bytes, memories: Memories) -> str:
    known = memories.nested.get((kind, value))
    if known is None:
        message = nested(kind)(value)
        value_of = _list if kind == "ArrayValue" else _dict
        known = json_text(value_of(message, reasons.MAX_NESTING))
        memories.nested.put((kind, value), known, len(value) + 2 * len(known))
    return known


class _TooDeep(DecodeError):
    pass


def _list(message: Any, levels: int) -> list[Any]:
    """An ArrayValue that may be so many levels deep."""
    if not levels:
        raise _TooDeep
    return [_value(value, levels - 1) for value in message.values]


def _dict(message: Any, levels: int) -> dict[str, Any]:
    if not levels:
        raise _TooDeep
    return {_utf8(pair.key): _value(pair.value, levels - 1) for pair in message.values}


def _value(message: Any, levels: int) -> Any:
    match message.WhichOneof("value"):
        case "string_value":
            return _utf8(message.string_value)
        case "array_value":
            return _list(message.array_value, levels)
        case "kvlist_value":
            return _dict(message.kvlist_value, levels)
        case None | "string_value_strindex":
            return None
        case name:
            return getattr(message, name)


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise NotText from error


def _escaped(texts: pa.StringArray) -> pa.StringArray:
    """The texts as they stand between separators; almost always the same array."""
    ends = offsets(texts)
    if ends[0] == ends[-1]:
        return texts
    data = np.frombuffer(texts.buffers()[2], np.uint8, int(ends[-1] - ends[0]), int(ends[0]))
    if not ((data == 0x1F) | (data == 0x1B)).any():
        return texts
    texts = pc.replace_substring(texts, "\x1b", "\x1b0")
    return pc.replace_substring(texts, "\x1f", "\x1b1")
