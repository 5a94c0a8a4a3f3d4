"""The streams of points behind a metric: which of them a selector means, into which lines they are joined."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from collector.attributes import unescape
from collector.batch import SEPARATOR
from collector.errors import QueryError
from collector.query.model_metrics import SeriesSelector
from collector.query.reader import Reader, load_sql

MOST_STREAMS = 50_000
CUMULATIVE = 2


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of points. labels: its dimensions as texts, by name; resource: who sends it, likewise.

    first_ns, last_ns: None while the roll-up has not seen its first point.
    """

    series_id: int
    unit: str
    description: str
    type: str
    temporality: int
    monotonic: bool
    service: str
    resource_id: int
    bounds: tuple[float, ...]
    labels: Mapping[str, str]
    resource: Mapping[str, str]
    first_ns: int | None
    last_ns: int | None
    points: int

    def label(self, key: str) -> str:
        """A dimension's value, else that of the resource's attribute of this name, else ''."""
        value = self.labels.get(key)
        return self.resource.get(key, "") if value is None else value

    @property
    def is_level(self) -> bool:
        """Its points are samples of a level: a gauge, or a cumulative sum that goes up and down.

        The data model's "Sums": a sum that is not monotonic becomes a gauge among time series.
        """
        return self.type == "gauge" or (
            self.type == "sum" and not self.monotonic and self.temporality == CUMULATIVE
        )

    @property
    def is_cumulative(self) -> bool:
        """Its points count from a start time on; summaries, which do not say, are taken to."""
        return self.type == "summary" or self.temporality == CUMULATIVE


@dataclass(frozen=True, slots=True)
class Line:
    """Streams that are answered for together: same labels, unit and type."""

    labels: Mapping[str, str]
    unit: str
    type: str
    is_level: bool
    streams: tuple[Stream, ...]


def find_streams(
    store: Reader,
    selector: SeriesSelector,
    *,
    start_ns: int | None,
    end_ns: int | None,
    deadline: float,
) -> list[Stream]:
    """The streams that a selector means and that may have a point in the range."""
    table = store.read(
        "metrics",
        load_sql("metrics_series"),
        {
            "tenant": selector.tenant, "namespace": selector.namespace, "name": selector.name,
            "start_ns": start_ns, "end_ns": end_ns, "limit": MOST_STREAMS + 1,
        },
        start_ns=start_ns,
        end_ns=end_ns,
        deadline=deadline,
    )  # fmt: skip
    if table.num_rows > MOST_STREAMS:
        raise QueryError(
            f"{selector.name} has more than {MOST_STREAMS:,} streams of points in this range. Choose a"
            " shorter range, or send fewer different values in its dimensions."
        )
    streams = [_stream(row) for row in table.to_pylist()]
    return [stream for stream in streams if matches(stream, selector)]


def matches(stream: Stream, selector: SeriesSelector, ignoring: str = "") -> bool:
    """Whether a selector means this stream; `ignoring`: leave out the condition on this dimension."""
    if selector.unit is not None and stream.unit != selector.unit:
        return False
    if selector.exact and set(stream.labels) != set(selector.where):
        return False
    return all(stream.label(key) in values for key, values in selector.where.items() if key != ignoring)


def lines_of(streams: Sequence[Stream], group_by: tuple[str, ...] | None) -> list[Line]:
    """The streams joined into lines. Raises QueryError for a name in `group_by` that none of them has."""
    for key in group_by or ():
        if streams and not any(key in stream.labels or key in stream.resource for stream in streams):
            known = sorted({key for stream in streams for key in (*stream.labels, *stream.resource)})
            near = difflib.get_close_matches(key, known, 1)
            usual = sorted({key for stream in streams for key in stream.labels})
            raise QueryError(
                f"No series has the dimension {key!r}. There are: {', '.join(usual) or 'none'}.",
                suggestion=near[0] if near else "",
            )
    found: dict[tuple[object, ...], list[Stream]] = {}
    labels: dict[tuple[object, ...], Mapping[str, str]] = {}
    for stream in streams:
        own = stream.labels if group_by is None else {key: stream.label(key) for key in group_by}
        line = (*own.items(), stream.unit, stream.type, stream.is_level)
        found.setdefault(line, []).append(stream)
        labels[line] = own
    return [
        Line(labels[line], some[0].unit, some[0].type, some[0].is_level, tuple(some))
        for line, some in found.items()
    ]


@lru_cache(maxsize=65_536)
def texts(keys: tuple[str, ...], attrs: str) -> Mapping[str, str]:
    """An attribute set as texts, by name; of a key that was sent twice the last one counts."""
    if not keys:
        return {}
    values = map(unescape, attrs.split(SEPARATOR))
    return dict(sorted(zip(keys, values, strict=True)))


def _stream(row: Mapping[str, Any]) -> Stream:
    values = dict(row)
    labels = texts(tuple(values.pop("keys")), values.pop("attrs"))
    resource = texts(tuple(values.pop("resource_keys")), values.pop("resource_attrs"))
    return Stream(**values | {"bounds": tuple(values["bounds"])}, labels=labels, resource=resource)
