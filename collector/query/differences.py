"""What tells two sets of traces apart: values of attributes, and pairs of them, ranked by a G test.

Handed a store and the sets as selections; a sample of each side is looked at, and said. Every value and every
pair that could have been told counts for the correction (Bonferroni), whether it was tested or not.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import pyarrow as pa

from collector.attributes import unescape
from collector.query.filters import TRACES
from collector.query.filters.canonical import field_text
from collector.query.filters.tree import Field
from collector.query.matching import match
from collector.query.model_traces import Difference, Differences, TraceSelection
from collector.query.reader import Reader, Timed
from collector.query.sides import sides

SAMPLE = 2000
"""Traces of each side that are looked at."""
CHANCE = 0.05
_LEAST = 3
_PAIRED = 24
"""So many of the most telling and so many of the most frequent values are tried in pairs."""


def what_is_different(
    store: Reader,
    inside: TraceSelection,
    outside: TraceSelection,
    *,
    against: TraceSelection | None = None,
    pairs: bool = False,
    without: Collection[str] = (),
    limit: int = 30,
    deadline: float = 10.0,
) -> Differences:
    """What sets the traces inside apart: values ranked by how much their shares differ.

    outside: what both sides are taken from. The other side is `against`, or everything, each without what
    is inside. pairs: also pairs of values of which each adds to the other; values that are in exactly the
    same traces are then told once. without: fields, as they are written, that nobody needs to be told,
    because the sets are chosen by them. Raises QueryError for a filter that cannot be read.
    """
    timed = Timed.of(store, deadline)
    both = sides(timed, outside, inside, against)
    table = match(timed, outside).ask(
        timed, "traces_differences", ("/*inside*/", both.a.sql), ("/*outside*/", both.b.sql),
        **both.params, sample=SAMPLE, least=_LEAST, pairs=pairs,
    )  # fmt: skip
    first = table.slice(0, 1).to_pylist()[0]
    seen = Seen(first["seen_inside"], first["seen_outside"])
    rows = table.drop_columns(["numbers"]).to_pylist()
    values = [
        (at, row) for at, row in enumerate(rows) if row["field"] and _written(row["field"]) not in without
    ]
    values.sort(key=lambda each: (each[1]["field"], each[1]["value"]))
    known = len(values)
    compared = known + known * (known - 1) // 2 if pairs else known
    found = [difference(row, seen.inside, seen.outside, compared) for _, row in values]
    if pairs:
        numbers = table["numbers"].combine_chunks()
        members = [bits(numbers[at]) for at, _ in values]
        found = [*_once(found, members), *_pairs(found, members, seen, compared)]
    ranked = sorted(found, key=lambda item: (-abs(item.score), item.field, item.value, item.and_field))
    told = tuple(item for item in ranked if item.p < CHANCE)[:limit]
    amounts = (first["all_inside"], first["all_outside"])
    return Differences(told, *amounts, compared, sampled=amounts != seen.both, seen=seen.both)


@dataclass(frozen=True, slots=True)
class Seen:
    """How many traces of each side were looked at. In sets of traces as bits the inside ones come first."""

    inside: int
    outside: int

    @property
    def both(self) -> tuple[int, int]:
        return self.inside, self.outside

    def split(self, members: int) -> tuple[int, int]:
        """How many of these traces are inside, and how many are not."""
        within = (members & (1 << self.inside) - 1).bit_count()
        return within, members.bit_count() - within


def difference(row: Mapping[str, Any], inside: int, outside: int, compared: int) -> Difference:
    """One value's counts and how telling they are, of so many traces looked at on each side."""
    field, value = _written(row["field"]), unescape(row["value"])
    return _told(field, value, (row["inside"], row["outside"]), Seen(inside, outside), compared)


def _told(field: str, value: str, counts: tuple[int, int], seen: Seen, compared: int) -> Difference:
    a, b = counts
    score = g_test(a, seen.inside - a, b, seen.outside - b)
    share, other = a / seen.inside if seen.inside else 0.0, b / seen.outside if seen.outside else 0.0
    return Difference(
        field=field,
        value=value,
        inside=a,
        outside=b,
        inside_share=share,
        outside_share=other,
        score=math.copysign(score, share - other),
        p=chance(score, compared),
    )


def chance(score: float, compared: int) -> float:
    """The chance of as many bits by accident (chi squared, one degree of freedom), after Bonferroni."""
    return min(1.0, math.erfc(math.sqrt(score * math.log(2))) * compared)


def g_test(a: int, b: int, c: int, d: int) -> float:
    """The evidence of a 2x2 table [[a, b], [c, d]] against equal shares, in bits: G / (2 ln 2)."""
    total = a + b + c + d
    found = 0.0
    for count, row, column in ((a, a + b, a + c), (b, a + b, b + d), (c, c + d, a + c), (d, c + d, b + d)):
        if count:
            found += count * math.log2(count * total / (row * column))
    return max(0.0, found)


def bits(numbers: pa.ListScalar) -> int:
    """A list of the numbers of traces as bits."""
    members = 0
    for number in numbers.values.to_pylist():
        members |= 1 << number
    return members


def _once(found: Sequence[Difference], members: Sequence[int]) -> list[Difference]:
    """Values that are in exactly the same traces told as one, by the shortest name; the others in `same`."""
    groups: dict[int, list[Difference]] = {}
    for item, own in zip(found, members, strict=True):
        groups.setdefault(own, []).append(item)
    told = []
    for group in groups.values():
        first, *others = sorted(group, key=lambda d: (_rank(d.field), len(d.field) + len(d.value), d.field))
        told.append(replace(first, same=tuple((d.field, d.value) for d in others)))
    return told


def _rank(field: str) -> int:
    """What people know a trace by comes before what its spans say of themselves."""
    known = ("outcome", "exception", "operation", "http.status", "http.method", "service")
    return known.index(field) if field in known else len(known)


def _pairs(
    found: Sequence[Difference], members: Sequence[int], seen: Seen, compared: int
) -> list[Difference]:
    """Pairs of which each half tells the sides apart also among the traces that have the other half."""
    distinct = {own: item for item, own in zip(reversed(found), reversed(members), strict=True)}
    together: dict[int, Difference] = {}
    for (own, one), (its, other) in combinations(_candidates(distinct, seen), 2):
        common = own & its
        if not common or common in distinct:
            continue  # a single value says the same
        counts = seen.split(common)
        adds = min(_within(counts, seen.split(own)), _within(counts, seen.split(its)))
        if chance(adds, compared) < CHANCE:
            first, second = sorted((one, other), key=lambda d: (_rank(d.field), d.field, d.value))
            pair = _told(first.field, first.value, counts, seen, compared)
            pair = replace(pair, and_field=second.field, and_value=second.value)
            if abs(pair.score) > max(abs(one.score), abs(other.score)):
                together.setdefault(common, pair)
    return list(together.values())


def _within(common: tuple[int, int], half: tuple[int, int]) -> float:
    """The evidence that, among the traces with one half, the other half tells the sides apart."""
    (a, c), (inside, outside) = common, half
    return g_test(a, inside - a, c, outside - c)


def _candidates(distinct: Mapping[int, Difference], seen: Seen) -> list[tuple[int, Difference]]:
    """The most telling values and the most frequent ones, without those that nearly every trace has.

    A pair can tell the sides apart although neither half does, so frequency alone is a reason to be tried.
    """
    total = seen.inside + seen.outside
    varied = [(own, item) for own, item in distinct.items() if own.bit_count() <= 0.98 * total]
    telling = sorted(varied, key=lambda each: -abs(each[1].score))[:_PAIRED]
    frequent = sorted(varied, key=lambda each: -each[0].bit_count())[:_PAIRED]
    return list(dict([*telling, *frequent]).items())


def _written(field: str) -> str:
    place, _, key = field.partition(" ")
    if not key:
        return field
    return field_text(Field("resource" if place == "resource" else "attribute", key), TRACES)
