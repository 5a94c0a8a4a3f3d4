"""The pieces of a compiled filter: SQL text with bound values, and how one field is compared in SQL.

Every condition made here is true or false for every row, never NULL, so that NOT means the opposite. A field
that a row does not have makes every comparison false, `!=` too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from collector.batch import SEPARATOR
from collector.query.filters.tree import Operator, Value

FALSE = "false"
_SQL_OPERATORS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_TEXT_FUNCTIONS = {"contains": "contains", "beginswith": "starts_with", "endswith": "ends_with"}
_EXACT = 1 << 100
_FEW = 64


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition for the WHERE of a query and the values it binds."""

    sql: str
    params: Mapping[str, Any] = field(default_factory=dict)


class Binder:
    """Collects the values of one statement and gives each a name."""

    def __init__(self, prefix: str = "f") -> None:
        self.prefix = prefix
        self.params: dict[str, Any] = {}

    def __call__(self, value: Any, cast: str = "") -> str:
        name = f"{self.prefix}{len(self.params)}"
        self.params[name] = value
        return f"CAST(${name} AS {cast})" if cast else f"${name}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key is found: the shape, the position of its value (from 1) and its type letter."""

    shape: int
    position: int
    type: str


@dataclass(frozen=True, slots=True)
class Places:
    """The places of the keys that an expression names: in all shapes, and in those that resources have."""

    items: Mapping[str, Sequence[Place]] = field(default_factory=dict)
    resources: Mapping[str, Sequence[Place]] = field(default_factory=dict)


NO_PLACES = Places()


class FieldSQL(Protocol):
    """How a keyword is compared in one table of rows."""

    def compare(self, operator: Operator, value: Value, bind: Binder) -> str:
        """The condition `field operator value`."""
        ...

    def exists(self, bind: Binder) -> str:
        """The condition that the field is there, or that the flag is true."""
        ...


def all_of(conditions: Sequence[str]) -> str:
    """SQL for a conjunction."""
    if FALSE in conditions:
        return FALSE
    parts = [part for part in conditions if part != "true"]
    return "true" if not parts else parts[0] if len(parts) == 1 else f"({' AND '.join(parts)})"


def any_of(conditions: Sequence[str]) -> str:
    """SQL for a disjunction."""
    if "true" in conditions:
        return "true"
    parts = [part for part in conditions if part != FALSE]
    return FALSE if not parts else parts[0] if len(parts) == 1 else f"({' OR '.join(parts)})"


def negation(condition: str) -> str:
    """SQL for the opposite of a condition that is never NULL."""
    if condition in ("true", FALSE):
        return FALSE if condition == "true" else "true"
    return f"(NOT {condition})"


def value_as_text(value: Value) -> str:
    """The value as an attribute's text would hold it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def escape(text: str) -> str:
    """A text as it stands inside `attrs`."""
    return text.replace("\x1b", "\x1b0").replace(SEPARATOR, "\x1b1")


def scaled(value: float, factor: int) -> int | float:
    """value x factor: an exact integer where it is one."""
    product = Decimal(repr(value)) * factor
    if product == product.to_integral_value() and abs(product) < _EXACT:
        return int(product)
    return float(product)


def compare_text(sql: str, operator: Operator, value: str, bind: Binder) -> str:
    """A comparison of a text column."""
    if operator in _TEXT_FUNCTIONS:
        return "true" if value == "" else f"{_TEXT_FUNCTIONS[operator]}({sql}, {bind(value)})"
    return f"{sql} {_SQL_OPERATORS[operator]} {bind(value)}"


@dataclass(frozen=True, slots=True)
class TextColumn:
    """A text column in which '' stands for missing."""

    sql: str

    def compare(self, operator: Operator, value: Value, bind: Binder) -> str:
        text = value_as_text(value)
        if operator == "=" and text == "":
            return FALSE
        condition = compare_text(self.sql, operator, text, bind)
        return (
            condition
            if operator == "=" or _needs_text(operator, text)
            else all_of([condition, self.exists(bind)])
        )

    def exists(self, bind: Binder) -> str:  # noqa: ARG002 - the protocol's signature
        return f"{self.sql} <> ''"


def _needs_text(operator: Operator, text: str) -> bool:
    return operator in _TEXT_FUNCTIONS and text != ""


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """A number column; `factor` times the language's unit is the column's. missing: SQL of 'not there'."""

    sql: str
    factor: int = 1
    missing: str = ""

    def compare(self, operator: Operator, value: Value, bind: Binder) -> str:
        if isinstance(value, str):
            return FALSE
        condition = f"{self.sql} {_SQL_OPERATORS[operator]} {bind(scaled(value, self.factor))}"
        return all_of([condition, self.exists(bind)])

    def exists(self, bind: Binder) -> str:  # noqa: ARG002 - the protocol's signature
        return f"NOT ({self.missing})" if self.missing else "true"


@dataclass(frozen=True, slots=True)
class CodeColumn:
    """A column of small numbers with names: name -> lowest and highest code, both inclusive.

    missing: SQL of 'not there'. within: SQL of 'there, and from one code to another', where that is cheaper.
    """

    sql: str
    codes: Mapping[str, tuple[int, int]]
    missing: str = ""
    within: Callable[[int, int], str] | None = None

    def compare(self, operator: Operator, value: Value, bind: Binder) -> str:
        low, high = self.codes[str(value)]
        if self.within is not None:
            return any_of([self.between(*part) for part in self._parts(operator, low, high)])
        conditions = {
            "=": f"{self.sql} BETWEEN {low} AND {high}",
            "!=": f"{self.sql} NOT BETWEEN {low} AND {high}",
            "<": f"{self.sql} < {low}", "<=": f"{self.sql} <= {high}",
            ">": f"{self.sql} > {high}", ">=": f"{self.sql} >= {low}",
        }  # fmt: skip
        return all_of([f"({conditions[operator]})", self.exists(bind)])

    def between(self, low: int, high: int) -> str:
        """The code is one of these."""
        return self.within(low, high) if self.within else f"{self.sql} BETWEEN {low} AND {high}"

    def _parts(self, operator: Operator, low: int, high: int) -> list[tuple[int, int]]:
        """The codes for which the comparison holds."""
        least, most = (
            min(each for each, _ in self.codes.values()),
            max(each for _, each in self.codes.values()),
        )
        below, above = (least, low - 1), (high + 1, most)
        parts: Mapping[Operator, list[tuple[int, int]]] = {
            "=": [(low, high)], "!=": [below, above], "<": [below], "<=": [(least, high)],
            ">": [above], ">=": [(low, most)],
        }  # fmt: skip
        return [part for part in parts[operator] if part[0] <= part[1]]

    def exists(self, bind: Binder) -> str:  # noqa: ARG002 - the protocol's signature
        return f"NOT ({self.missing})" if self.missing else "true"


@dataclass(frozen=True, slots=True)
class Flag:
    """A condition that a keyword stands for."""

    condition: Callable[[Binder], str]

    def compare(self, operator: Operator, value: Value, bind: Binder) -> str:
        condition = self.exists(bind)
        return condition if (value is True) == (operator == "=") else negation(condition)

    def exists(self, bind: Binder) -> str:
        return self.condition(bind)


def flag(sql: str) -> Flag:
    """A flag that needs no values."""
    return Flag(lambda _: sql)


@dataclass(frozen=True, slots=True)
class Keys:
    """A keyword that stands for any of several attributes, of the item or of its resource."""

    keys: tuple[str, ...]


class Attributes:
    """Comparisons of the attributes of one table: columns `shape` and `attrs` behind `alias`."""

    def __init__(self, alias: str, bind: Binder) -> None:
        self.shape = f"{alias}.shape"
        self.attrs = f"{alias}.attrs"
        self.bind = bind

    def compare(self, places: Sequence[Place], operator: Operator, value: Value) -> str:
        """The value at one of the places compares like that."""
        if not places:
            return FALSE
        if operator in _TEXT_FUNCTIONS:
            return self._search(places, operator, value_as_text(value))
        if isinstance(value, (str, bool)):
            return self._as_text(places, operator, value_as_text(value))
        return self._as_number(places, operator, value)

    def exists(self, places: Sequence[Place]) -> str:
        """One of the places is there."""
        return self._has(places) if places else FALSE

    def value(self, places: Sequence[Place]) -> str:
        """The value's text, still escaped; NULL where there is none."""
        parts = f"string_split({self.attrs}, chr(31))"
        if len(places) <= _FEW:
            shapes = self.bind([place.shape for place in places], "UBIGINT[]")
            positions = self.bind([place.position for place in places], "INTEGER[]")
            return f"{parts}[{positions}[list_position({shapes}, {self.shape})]]"
        cases = []
        for position in sorted({place.position for place in places}):
            here = [place for place in places if place.position == position]
            cases.append(f"WHEN {self._has(here)} THEN {parts}[{position}]")
        return f"CASE {' '.join(cases)} END"

    def _has(self, places: Sequence[Place]) -> str:
        shapes = sorted({place.shape for place in places})
        if len(shapes) <= _FEW:
            return f"list_contains({self.bind(shapes, 'UBIGINT[]')}, {self.shape})"
        return f"{self.shape} IN (SELECT unnest({self.bind(shapes, 'UBIGINT[]')}))"

    def _at(self, places: Sequence[Place], condition: Callable[[str], str]) -> str:
        """The condition on the value's text. The shape is looked at first, as texts are dear to split."""
        if len(places) <= _FEW:
            return all_of([self._has(places), f"coalesce({condition(self.value(places))}, false)"])
        parts = f"string_split({self.attrs}, chr(31))"
        found = []
        for position in sorted({place.position for place in places}):
            here = [place for place in places if place.position == position]
            found.append(all_of([self._has(here), f"coalesce({condition(f'{parts}[{position}]')}, false)"]))
        return any_of(found)

    def _search(self, places: Sequence[Place], operator: Operator, text: str) -> str:
        if text == "":
            return self._has(places)
        function = _TEXT_FUNCTIONS[operator]
        there = f"contains({self.attrs}, {self.bind(escape(text))})"
        wanted = self.bind(text)
        return all_of([there, self._at(places, lambda value: f"{function}({_unescaped(value)}, {wanted})")])

    def _as_text(self, places: Sequence[Place], operator: Operator, text: str) -> str:
        if operator not in ("=", "!="):
            places = [place for place in places if place.type == "s"]
            if not places:
                return FALSE
            wanted = self.bind(text)
            sign = _SQL_OPERATORS[operator]
            return self._at(places, lambda value: f"{_unescaped(value)} {sign} {wanted}")
        wanted = self.bind(escape(text))
        exact = self._at(places, lambda value: f"{value} {_SQL_OPERATORS[operator]} {wanted}")
        if operator == "!=" or text == "":
            return exact
        return all_of([f"contains({self.attrs}, {wanted})", exact])

    def _as_number(self, places: Sequence[Place], operator: Operator, value: float) -> str:
        """Numbers by value, texts by their text (= and !=) or when they are a decimal number (< and >)."""
        integers = [place for place in places if place.type == "i"]
        doubles = [place for place in places if place.type == "d"]
        texts = [place for place in places if place.type == "s"]
        others = [place for place in places if place.type not in ("i", "d", "s")]
        sign = _SQL_OPERATORS[operator]
        found = []
        if integers:
            found.append(self._integers(integers, sign, value))
        if doubles:
            wanted = self.bind(float(value), "DOUBLE")
            nan = "" if operator == "!=" else " AND NOT isnan({0})"
            found.append(self._at(doubles, lambda text: _double(text, sign, wanted, nan)))
        if texts and operator in ("=", "!="):
            found.append(self._as_text(texts, operator, value_as_text(value)))
        elif texts:
            wanted = self.bind(float(value), "DOUBLE")
            found.append(self._at(texts, lambda text: _decimal(text, sign, wanted)))
        if others and operator == "!=":
            found.append(self._has(others))
        return any_of(found)

    def _integers(self, places: Sequence[Place], sign: str, value: float) -> str:
        if isinstance(value, float) and not value.is_integer():
            wanted, kind = self.bind(value, "DOUBLE"), "DOUBLE"
        else:
            exact = int(value)
            kind = (
                "BIGINT" if -(1 << 63) <= exact < 1 << 63 else "HUGEINT" if abs(exact) < _EXACT else "DOUBLE"
            )
            wanted = self.bind(float(exact) if kind == "DOUBLE" else exact, kind)
        condition = self._at(places, lambda text: f"TRY_CAST({text} AS {kind}) {sign} {wanted}")
        if sign == "=" and kind == "BIGINT":
            return all_of([f"contains({self.attrs}, {self.bind(str(exact))})", condition])
        return condition


def _unescaped(text: str) -> str:
    return f"replace(replace({text}, chr(27) || '1', chr(31)), chr(27) || '0', chr(27))"


def _double(text: str, sign: str, wanted: str, nan: str) -> str:
    number = f"TRY_CAST({text} AS DOUBLE)"
    return f"({number} {sign} {wanted}{nan.format(number)})"


def _decimal(text: str, sign: str, wanted: str) -> str:
    pattern = "'-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?'"
    return f"(regexp_full_match({text}, {pattern}) AND TRY_CAST({text} AS DOUBLE) {sign} {wanted})"
