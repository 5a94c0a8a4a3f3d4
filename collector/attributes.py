"""Attribute sets as they are stored: a shape (keys and type letters) and one text with the values.

Both directions live here: `join` and `encode` for senders that hold Python values, `split` for queries that
hand rows to people. The decoders of the hot path write the same texts column by column.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias, cast

import orjson
import pyarrow as pa

from collector.batch import SEPARATOR

Value: TypeAlias = "str | int | float | bool | bytes | Sequence[Value] | Mapping[str, Value] | None"

STRING, INT, DOUBLE, BOOL, BYTES, JSON, EMPTY = "sidbyjn"
_ESCAPE = "\x1b"
_INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class AttributeSet:
    """One attribute set: `shape` is the id of (keys, types), `attrs` the values' texts joined."""

    shape: int
    keys: tuple[str, ...]
    types: str
    attrs: str


EMPTY_SET = AttributeSet(0, (), "", "")


def digest(data: bytes) -> int:
    """A deterministic 64-bit id, never 0: 0 means 'none' in every id column."""
    return int.from_bytes(blake2b(data, digest_size=8).digest()) or 1


def shape_id(keys: Sequence[str], types: str) -> int:
    """The id of an ordered list of keys with their type letters; 0 for no attributes."""
    return digest(orjson.dumps([list(keys), types])) if keys else 0


def escape(text: str) -> str:
    """A value's text as it stands between separators."""
    if SEPARATOR not in text and _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE, _ESCAPE + "0").replace(SEPARATOR, _ESCAPE + "1")


def unescape(text: str) -> str:
    """The inverse of `escape`."""
    if _ESCAPE not in text:
        return text
    return text.replace(_ESCAPE + "1", SEPARATOR).replace(_ESCAPE + "0", _ESCAPE)


def encode(value: Value) -> tuple[str, str]:
    """One value as (type letter, text), not yet escaped; an int beyond 64 bits becomes a double."""
    if isinstance(value, str):
        return STRING, value
    if isinstance(value, bool):
        return BOOL, "true" if value else "false"
    if isinstance(value, int) and value in _INT64:
        return INT, str(value)
    if isinstance(value, int | float):
        return DOUBLE, double_text(float(value))
    if isinstance(value, bytes):
        return BYTES, base64.b64encode(value).decode()
    return (EMPTY, "") if value is None else (JSON, json_text(value))


_DECODE: dict[str, Callable[[str], Value]] = {
    STRING: str, INT: int, DOUBLE: float, BOOL: "true".__eq__, BYTES: base64.b64decode, JSON: orjson.loads,
    EMPTY: lambda _: None,
}  # fmt: skip


def decode(letter: str, text: str) -> Value:
    """The inverse of `encode`; JSON texts come back as lists and dicts."""
    return _DECODE[letter](text)


def join(values: Mapping[str, Value]) -> AttributeSet:
    """An attribute set from Python values, in their order; texts must be encodable as UTF-8."""
    if not values:
        return EMPTY_SET
    encoded = [encode(value) for value in values.values()]
    keys, types = tuple(values), "".join(letter for letter, _ in encoded)
    return AttributeSet(shape_id(keys, types), keys, types, SEPARATOR.join(escape(t) for _, t in encoded))


def split(keys: Sequence[str], types: str, attrs: str) -> dict[str, Value]:
    """The values of one row by key; of a key that was sent twice the last one counts.

    Raises ValueError when the text does not belong to the shape.
    """
    if not types:
        return {}
    texts = attrs.split(SEPARATOR)
    return {key: decode(letter, unescape(text)) for key, letter, text in zip(keys, types, texts, strict=True)}


def double_text(value: float) -> str:
    """A double exactly as Arrow writes a column of them: the shortest digits that round-trip."""
    return cast(str, pa.scalar(value, pa.float64()).cast(pa.string()).as_py())


def json_text(value: Value) -> str:
    """A nested value as JSON: bytes as base64, non-finite doubles as the strings OTLP/JSON uses."""
    return orjson.dumps(_plain(value)).decode()


def _plain(value: Value) -> object:
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
        case bytes():
            return base64.b64encode(value).decode()
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case str() | int() | float() | None:
            return value
        case _:
            return [_plain(item) for item in value]
