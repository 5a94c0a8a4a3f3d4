"""Members of a request, checked against the model's shapes and made plain: the one place that validates.

It is handed what a codec has decoded (JSON, CBOR, a form) and compiles one reader for each shape, so that a
request costs no look at the model. Unknown members are left out as AWS does; null is as if absent.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

from dashboard.aws.compiled import Compiled, Function
from dashboard.aws.models import Member, Shape

Reader: TypeAlias = Function

MILLISECONDS = 1e11
"""A timestamp above it is in milliseconds, as one sampler sends them; as seconds it is the year 5138."""

_INTEGERS = {"integer": 31, "long": 63, "short": 15, "byte": 7}
_PROPERTIES = {r"\p{L}\p{Z}\p{N}": r"\w\s", r"\p{L}": r"\w", r"\p{N}": r"\d", r"\p{Z}": r"\s"}


class Unfit(Exception):
    """A value that its shape does not allow. malformed: of a wrong type, so that it cannot be read at all.

    Where it stands is put in front while the error passes the structures and lists around it.
    """

    def __init__(self, text: str, *, malformed: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.malformed = malformed
        self.place = ""

    def within(self, part: str) -> None:
        """The value stands in `part`."""
        dot = "" if not self.place or self.place.startswith("[") else "."
        self.place = f"{part}{dot}{self.place}"

    def __str__(self) -> str:
        return f"{self.place or 'the request'}: {self.text}"


class Compiler:
    """Makes readers; one for each codec and service. texts: every scalar comes as text, as in a form.

    unbounded: names of lists that may be longer than the model says.
    """

    def __init__(self, *, texts: bool = False, unbounded: frozenset[str] = frozenset()) -> None:
        self._texts = texts
        self._unbounded = unbounded
        self._made = Compiled()

    def reader(self, shape: Shape) -> Reader:
        """The reader of a shape; it raises Unfit."""
        return self._made.get(id(shape), lambda: self._make(shape))

    def _make(self, shape: Shape) -> Reader:
        containers = {"structure": self._structure, "list": self._list, "map": self._map}
        if shape.type in containers:
            return containers[shape.type](shape)
        if shape.type in _INTEGERS:
            return _integer(shape, texts=self._texts)
        if shape.type in ("float", "double", "bigdecimal"):
            return _number(shape, texts=self._texts)
        if shape.type == "string":
            return _string(shape)
        if shape.type == "boolean" and self._texts:
            return _bool_of_text
        return {"boolean": _bool, "timestamp": _timestamp, "blob": _blob}[shape.type]

    def _of(self, member: Member | None) -> Reader:
        if member is None:
            raise ValueError("the model has a list or map without what it holds")
        return self.reader(member.shape)

    def _structure(self, shape: Shape) -> Reader:
        fields = [(one.wire or name, name, self._of(one)) for name, one in shape.members.items()]
        required, union = shape.required, shape.union

        def read(value: Any) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise Unfit(f"expected an object, not {_kind(value)}", malformed=True)
            found = {}
            for wire, name, reader in fields:
                one = value.get(wire)
                if one is not None:
                    try:
                        found[name] = reader(one)
                    except Unfit as error:
                        error.within(name)
                        raise
            for name in required:
                if name not in found:
                    raise Unfit(f"the member {name} is required")
            if union and len(found) != 1:
                raise Unfit(f"exactly one of {', '.join(shape.members)} is wanted, not {len(found)}")
            return found

        return read

    def _list(self, shape: Shape) -> Reader:
        reader = self._of(shape.member)
        bounds = None if shape.name in self._unbounded else _bounds(shape, "item")

        def read(value: Any) -> list[Any]:
            if not isinstance(value, list):
                raise Unfit(f"expected a list, not {_kind(value)}", malformed=True)
            if bounds is not None:
                bounds(len(value))
            found = []
            for number, one in enumerate(value):
                try:
                    found.append(reader(one))
                except Unfit as error:
                    error.within(f"[{number}]")
                    raise
            return found

        return read

    def _map(self, shape: Shape) -> Reader:
        key_reader, reader = self._of(shape.key), self._of(shape.value)
        bounds = _bounds(shape, "entry")

        def read(value: Any) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise Unfit(f"expected an object, not {_kind(value)}", malformed=True)
            if bounds is not None:
                bounds(len(value))
            found = {}
            for key, one in value.items():
                try:
                    if one is not None:
                        found[key_reader(key)] = reader(one)
                except Unfit as error:
                    error.within(f"[{str(key)[:40]!r}]")
                    raise
            return found

        return read


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case dict():
            return "an object"
        case list():
            return "a list"
    return type(value).__name__


def _bounds(shape: Shape, unit: str) -> Callable[[float], None] | None:
    """A check of a length or count, or of a value itself when the unit is ''."""
    least = -math.inf if shape.least is None else shape.least
    most = math.inf if shape.most is None else shape.most
    if least == -math.inf and most == math.inf:
        return None

    def check(size: float) -> None:
        if not least <= size <= most:
            plural = "entries" if unit == "entry" else f"{unit}s"
            wanted = _between(shape.least, shape.most) + (f" {plural}" if unit else "")
            raise Unfit(f"expected {wanted}, not {size:g}")

    return check


def _between(least: float | None, most: float | None) -> str:
    if most is None:
        return f"at least {least:g}"
    if least is None:
        return f"at most {most:g}"
    return f"exactly {most:g}" if least == most else f"{least:g} to {most:g}"


def _string(shape: Shape) -> Reader:
    bounds = _bounds(shape, "character")
    enum, pattern, fits = frozenset(shape.enum), shape.pattern, _pattern(shape.pattern)

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise Unfit(f"expected a text, not {_kind(value)}", malformed=True)
        if enum and value not in enum:
            raise Unfit(f"expected one of {', '.join(shape.enum)}, not {value[:80]!r}")
        if bounds is not None:
            bounds(len(value))
        if fits is not None and not fits.fullmatch(value):
            raise Unfit(f"{value[:80]!r} does not match {pattern}")
        return value

    return read


def _pattern(text: str) -> re.Pattern[str] | None:
    """A pattern of the model, which is Java's; None for what Python cannot say, left to the operation."""
    for java, python in _PROPERTIES.items():
        text = text.replace(java, python)
    try:
        return re.compile(text) if text else None
    except re.error:
        return None


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit(f"expected true or false, not {_kind(value)}", malformed=True)
    return value


def _bool_of_text(value: Any) -> bool:
    if value not in ("true", "false"):
        raise Unfit(f"expected true or false, not {str(value)[:40]!r}", malformed=True)
    return bool(value == "true")


def _integer(shape: Shape, *, texts: bool) -> Reader:
    bounds = _bounds(shape, "")
    size = 1 << _INTEGERS[shape.type]

    def read(value: Any) -> int:
        if texts:
            value = _number_of(value, int)
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unfit(f"expected a whole number, not {_kind(value)}", malformed=True)
        if not -size <= value < size:
            raise Unfit(f"{value} does not fit the type {shape.type}", malformed=True)
        if bounds is not None:
            bounds(value)
        return value

    return read


def _number(shape: Shape, *, texts: bool) -> Reader:
    bounds = _bounds(shape, "")

    def read(value: Any) -> float:
        if texts or value in ("NaN", "Infinity", "-Infinity"):
            value = _number_of(value, float)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Unfit(f"expected a number, not {_kind(value)}", malformed=True)
        if bounds is not None:
            bounds(value)
        return float(value)

    return read


def _number_of(text: Any, kind: type[int | float]) -> int | float:
    try:
        return kind(text)
    except (ValueError, TypeError, OverflowError) as error:
        raise Unfit(f"expected a number, not {str(text)[:40]!r}", malformed=True) from error


def _timestamp(value: Any) -> float:
    """Epoch seconds, from a number in seconds or milliseconds or a text in ISO 8601 or as HTTP has it."""
    if isinstance(value, str):
        value = _seconds_of(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unfit(f"expected a time in seconds since 1970, not {_kind(value)}", malformed=True)
    return value / 1000.0 if abs(value) > MILLISECONDS else float(value)


def _seconds_of(text: str) -> float:
    for parse in (float, _iso, _http_date):
        try:
            return parse(text)
        except (ValueError, OverflowError, IndexError):
            continue
    raise Unfit(f"{text[:40]!r} is not a time; send seconds since 1970 or ISO 8601", malformed=True)


def _iso(text: str) -> float:
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _http_date(text: str) -> float:
    return parsedate_to_datetime(text).timestamp()


def _blob(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, TypeError, binascii.Error) as error:
        raise Unfit("expected bytes in base64", malformed=True) from error
