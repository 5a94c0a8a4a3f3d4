"""Arithmetic over the metrics of a graph: `m2 / m1 * 100`. Pure.

Numbers, ids (m1, m2, ...), + - * / ^, a sign, and parentheses, as CloudWatch's metric maths writes them. An
id stands for all lines of its metric: a number or a single line goes with each line of the other side,
several lines on both sides go together where their dimensions are the same. A period has a value where both
sides have one and the result is a number; dividing by zero has none.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from collector.errors import QueryError

_TOKEN = re.compile(r"\s*(?:([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+)|([A-Za-z_][\w.]*)|(\S))")
_ID = re.compile(r"m[1-9][0-9]{0,3}")
_DEEPEST = 50
_LONGEST = 1000

Value = float | None


@dataclass(frozen=True, slots=True)
class MathLine:
    """One line: a value for each period, None where there is none. labels: what tells it from others."""

    labels: Mapping[str, str]
    unit: str
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True, slots=True)
class Id:
    """The lines of a metric. column: where it stands in the text, from 1."""

    name: str
    column: int


@dataclass(frozen=True, slots=True)
class Operation:
    """Two sides and what is done with them; a minus before one side is a product with -1."""

    sign: str
    left: Tree
    right: Tree


Tree = Number | Id | Operation


@dataclass(frozen=True, slots=True)
class Result:
    """The lines of an expression. lone: how many lines had no partner on the other side."""

    lines: Sequence[MathLine]
    lone: int = 0


def parse_math(text: str) -> Tree:
    """The expression of a text. Raises QueryError with the column of what cannot be read."""
    if len(text) > _LONGEST:
        raise QueryError(f"An expression has at most {_LONGEST} characters.", column=1, end=len(text) + 1)
    return _Parser(text).read()


def ids_of(tree: Tree) -> Iterator[Id]:
    """Every id that an expression names, as often as it does."""
    if isinstance(tree, Id):
        yield tree
    elif isinstance(tree, Operation):
        yield from ids_of(tree.left)
        yield from ids_of(tree.right)


def evaluate(tree: Tree, lines: Mapping[str, Sequence[MathLine]]) -> Result:
    """The lines that an expression comes to; all lines have the same periods, and every id is known."""
    found = _Evaluation(lines)
    value = found.value(tree)
    if isinstance(value, float):
        periods = max((len(line.values) for some in lines.values() for line in some), default=0)
        return Result([MathLine({}, "", [None if math.isnan(value) else value] * periods)])
    return Result(value, found.lone)


class _Evaluation:
    """One pass over the tree."""

    def __init__(self, lines: Mapping[str, Sequence[MathLine]]) -> None:
        self._lines = lines
        self.lone = 0

    def value(self, tree: Tree) -> float | Sequence[MathLine]:
        match tree:
            case Number(value):
                return value
            case Id(name):
                return self._lines[name]
            case Operation(sign, left, right):
                return self._together(sign, self.value(left), self.value(right))

    def _together(
        self, sign: str, left: float | Sequence[MathLine], right: float | Sequence[MathLine]
    ) -> float | Sequence[MathLine]:
        if isinstance(right, float):
            if isinstance(left, float):
                return math.nan if (found := _compute(sign, left, right)) is None else found
            return [_line(sign, line, _constant(right, line), line.labels) for line in left]
        if isinstance(left, float):
            return [_line(sign, _constant(left, line), line, line.labels) for line in right]
        return self._pairs(sign, left, right)

    def _pairs(self, sign: str, left: Sequence[MathLine], right: Sequence[MathLine]) -> Sequence[MathLine]:
        if len(right) == 1:
            return [_line(sign, line, right[0], line.labels) for line in left]
        if len(left) == 1:
            return [_line(sign, left[0], line, line.labels) for line in right]
        others = {_key(line): line for line in right}
        found = [
            _line(sign, line, other, line.labels)
            for line in left
            if (other := others.get(_key(line))) is not None
        ]
        self.lone += len(left) + len(right) - 2 * len(found)
        return found


def _key(line: MathLine) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(line.labels.items()))


def _constant(value: float, like: MathLine) -> MathLine:
    return MathLine({}, "", [value] * len(like.values))


def _line(sign: str, left: MathLine, right: MathLine, labels: Mapping[str, str]) -> MathLine:
    values = [
        None if a is None or b is None else _compute(sign, a, b)
        for a, b in zip(left.values, right.values, strict=True)
    ]
    return MathLine(labels, _unit(sign, left.unit, right.unit), values)


def _unit(sign: str, left: str, right: str) -> str:
    """A sum keeps the unit of both; a product or a quotient with a bare number that of the other side."""
    if sign in "+-" and (left == right or not right or not left):
        return left or right
    if sign in "*/" and not right:
        return left
    return right if sign == "*" and not left else ""


_COMPUTE: Mapping[str, Callable[[float, float], float]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "^": math.pow,
}  # fmt: skip


def _compute(sign: str, left: float, right: float) -> float | None:
    try:
        found = _COMPUTE[sign](left, right)
    except (ArithmeticError, ValueError):
        return None
    return found if math.isfinite(found) else None


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    kind: str

    def error(self, message: str, suggestion: str = "") -> QueryError:
        end = self.start + len(self.text)
        return QueryError(message, column=self.start + 1, end=end + 1, suggestion=suggestion)


class _Parser:
    """One pass over the tokens; every method moves on. ^ binds closest, then signs, * and /, + and -."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._at = 0
        self._depth = 0

    def read(self) -> Tree:
        tree = self._sum()
        if self._at < len(self._tokens):
            raise self._unexpected("an operator: + - * / ^")
        return tree

    def _sum(self) -> Tree:
        self._deeper()
        tree = self._product()
        while sign := self._take("+-"):
            tree = Operation(sign, tree, self._product())
        self._depth -= 1
        return tree

    def _product(self) -> Tree:
        tree = self._signed()
        while sign := self._take("*/"):
            tree = Operation(sign, tree, self._signed())
        return tree

    def _signed(self) -> Tree:
        sign = self._take("+-")
        if not sign:
            return self._power()
        self._deeper()
        tree = self._signed()
        self._depth -= 1
        return Operation("*", Number(-1.0), tree) if sign == "-" else tree

    def _power(self) -> Tree:
        base = self._atom()
        if not self._take("^"):
            return base
        self._deeper()
        tree = Operation("^", base, self._signed())
        self._depth -= 1
        return tree

    def _atom(self) -> Tree:
        if self._take("("):
            tree = self._sum()
            if not self._take(")"):
                raise self._unexpected(") to end what ( began, or an operator")
            return tree
        if self._at >= len(self._tokens) or self._tokens[self._at].kind == "mark":
            raise self._unexpected("a number, the id of a metric such as m1, or (")
        token = self._tokens[self._at]
        self._at += 1
        if token.kind == "number":
            value = float(token.text)
            if not math.isfinite(value):
                raise token.error("This number is too large.")
            return Number(value)
        if not _ID.fullmatch(token.text):
            raise self._unknown(token)
        return Id(token.text, token.start + 1)

    def _unknown(self, token: _Token) -> QueryError:
        if self._at < len(self._tokens) and self._tokens[self._at].text == "(":
            return token.error(
                f"Functions such as {token.text}() are not built; there are + - * / ^ and parentheses."
            )
        near = token.text.lower()
        return token.error(
            f"{token.text} is no id: metrics are called m1, m2, and so on.",
            near if _ID.fullmatch(near) else "",
        )

    def _take(self, signs: str) -> str:
        if self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.kind == "mark" and token.text in signs:
                self._at += 1
                return token.text
        return ""

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            at = min(self._at, len(self._tokens) - 1)
            raise self._tokens[at].error(f"Parentheses and signs go {_DEEPEST} deep at most.")

    def _unexpected(self, wanted: str) -> QueryError:
        if self._at >= len(self._tokens):
            end = len(self._text.rstrip()) + 1
            return QueryError(f"Expected {wanted}.", column=end, end=end + 1)
        token = self._tokens[self._at]
        return token.error(f"Expected {wanted}, not {token.text}")


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while match := _TOKEN.match(text, at):
        group = match.lastindex or 1
        yield _Token(match[group], match.start(group), ("", "number", "word", "mark")[group])
        at = match.end()
