"""Where cumulative streams begin to count: the point before a range, and first points that must not count.

The data model's "Resets and Gaps": points with one start time are an unbroken sequence, and its first point
adds its whole value when the start is known and earlier. Whether the first point in the store is the first of
its sequence has to be found out: a process that ran for days before anybody listened, or whose earlier points
retention deleted, must not add days of counting at once ("Cumulative streams: handling unknown start time": a
system may use what it knows of the stream to resolve the ambiguity).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from collector.query.streams import Stream

MINUTE = 60_000_000_000
RECENT = 10 * MINUTE
"""A first point that is not farther from its start is the first; and so long a resource has to have been
watched before a stream of it counts as new."""
FARTHEST = 24 * 60 * MINUTE
"""How far before a range the point before it is looked for."""

Ask = Callable[[str, Mapping[str, object], int], pa.Table]


@dataclass(frozen=True, slots=True)
class Origins:
    """since_ns: series id -> from which time its points are needed.

    uncounted: (series id, start time) of sequences whose first point adds nothing.
    overlapping: series ids with sequences that overlap in time.
    """

    since_ns: Mapping[int, int]
    uncounted: frozenset[tuple[int, int]] = frozenset()
    overlapping: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Sequence:
    series_id: int
    start_ns: int
    before_ns: int | None
    first_ns: int | None
    last_ns: int


def find_origins(ask: Ask, streams: Sequence[Stream], start_ns: int, interval_ns: int) -> Origins:
    """What the differences of these streams need. ask: (name of a .sql file, parameters, since) -> rows."""
    since = {stream.series_id: start_ns for stream in streams}
    cumulative = {stream.series_id: stream for stream in streams if stream.is_cumulative}
    if not cumulative:
        return Origins(since)
    back = max(start_ns - max(RECENT, 3 * interval_ns), 0)
    found = _find(ask, cumulative, back)
    lost = [item for item in found if item.first_ns is not None and item.before_ns is None]
    older = [item for item in lost if item.start_ns < back]
    farther = max(start_ns - FARTHEST, 0)
    if older:
        again = {
            (item.series_id, item.start_ns): item
            for item in _find(ask, {item.series_id for item in older}, farther)
        }
        for item in older:
            item.before_ns = again[item.series_id, item.start_ns].before_ns
    for item in found:
        if item.first_ns is not None and item.before_ns is not None:
            since[item.series_id] = min(since[item.series_id], item.before_ns)
    doubtful = [item for item in lost if item.before_ns is None and _is_doubtful(item)]
    return Origins(
        since, frozenset(_uncounted(ask, doubtful, cumulative, farther)), frozenset(_overlapping(found))
    )


def _find(ask: Ask, series: Mapping[int, Stream] | set[int], since_ns: int) -> list[_Sequence]:
    table = ask("metrics_sequences", {"series": sorted(series), "since_ns": since_ns}, since_ns)
    return [_Sequence(**row) for row in table.to_pylist()]


def _is_doubtful(item: _Sequence) -> bool:
    assert item.first_ns is not None  # noqa: S101 - only sequences with a point in the range come here
    return item.start_ns > 0 and item.first_ns - item.start_ns > RECENT


def _uncounted(
    ask: Ask, doubtful: Sequence[_Sequence], streams: Mapping[int, Stream], farther: int
) -> list[tuple[int, int]]:
    """Those of the sequences whose first point in the range is, or may be, not their first."""
    if not doubtful:
        return []
    resources = sorted({streams[item.series_id].resource_id for item in doubtful})
    watched = {
        row["series_id"]: row for row in ask("metrics_watched", {"resources": resources}, 0).to_pylist()
    }
    found = []
    for item in doubtful:
        seen = watched.get(item.series_id)
        first_ns = item.first_ns or 0
        is_new = (
            seen is not None
            and seen["resource_ns"] <= first_ns - RECENT
            and (seen["series_ns"] >= farther or item.start_ns >= farther)
        )
        if not is_new:
            found.append((item.series_id, item.start_ns))
    return found


def _overlapping(found: Sequence[_Sequence]) -> set[int]:
    """Streams with two known sequences at once: more than one process writes them ("Single-Writer")."""
    spans: dict[int, list[tuple[int, int]]] = {}
    for item in found:
        if 0 < item.start_ns < item.last_ns:
            spans.setdefault(item.series_id, []).append((item.start_ns, item.last_ns))
    return {
        series_id
        for series_id, some in spans.items()
        for one, other in zip(sorted(some), sorted(some)[1:], strict=False)
        if other[0] < one[1]
    }
