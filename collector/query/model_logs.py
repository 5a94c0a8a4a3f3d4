"""What the questions about logs take and answer: plain frozen values.

Times are integer nanoseconds since the epoch, ids lower-case hex and '' for none, ranges half open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from collector.levels import Level

AttributeValue: TypeAlias = (
    "str | int | float | bool | list[AttributeValue] | dict[str, AttributeValue] | None"
)
Order = Literal["newest", "oldest"]


@dataclass(frozen=True, slots=True)
class LogSelection:
    """Which records a question is about; what is left empty does not narrow.

    filter: an expression of the filter language, such as `gateway AND level in (ERROR, WARN)`.
    """

    start_ns: int
    end_ns: int
    groups: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    filter: str = ""
    tenant: int = 0


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One log record.

    id: names the record for ever, see `get_log`. body: text; JSON text when body_type is 'j'.
    body_type: the type letter of the body: s i d b y(base64) j n.
    """

    id: str
    time_ns: int
    observed_ns: int
    level: Level
    severity: int
    severity_text: str
    service: str
    group: str
    stream: str
    event_name: str
    body: str
    body_type: str
    trace_id: str
    span_id: str
    flags: int
    attributes: Mapping[str, AttributeValue]
    dropped_attributes: int


@dataclass(frozen=True, slots=True)
class LogDetail:
    """One record with where it came from: its resource's and its scope's attributes."""

    record: LogRecord
    resource: Mapping[str, AttributeValue]
    resource_schema_url: str
    scope_name: str
    scope_version: str
    scope: Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class LogPage:
    """Records in the order asked for. cursor: where the next page begins, '' after the last one."""

    records: Sequence[LogRecord]
    cursor: str


@dataclass(frozen=True, slots=True)
class LogHistogram:
    """Records over time by level: counts[level][i] of [times_ns[i], times_ns[i] + step_ns).

    At most 120 buckets, aligned to the step; the first and last reach beyond the range where it does not
    fall on a step, and count only what is inside it (with `rolled_up`, by whole minutes).
    """

    step_ns: int
    times_ns: Sequence[int]
    counts: Mapping[Level, Sequence[int]]
    total: int
    rolled_up: bool


@dataclass(frozen=True, slots=True)
class FacetValue:
    value: str
    records: int
    selected: bool


@dataclass(frozen=True, slots=True)
class LogFacet:
    """The values of one field, most frequent first, counted without what the selection says of this field.

    more: how many further values there are.
    """

    field: str
    values: Sequence[FacetValue]
    more: int


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A log group over all that is kept. bytes: body bytes + 26 a record, as CloudWatch Logs counts.

    per_minute: records a minute over the range asked for.
    """

    name: str
    streams: int
    records: int
    bytes: int
    first_ns: int
    last_ns: int
    ingested_ns: int
    in_range: int
    per_minute: float


@dataclass(frozen=True, slots=True)
class LogStream:
    name: str
    records: int
    bytes: int
    first_ns: int
    last_ns: int
    ingested_ns: int


@dataclass(frozen=True, slots=True)
class LogContext:
    """A record with what its stream says around it, oldest first; `position` is the record's own index.

    more_before, more_after: the window holds further records beyond the limit.
    """

    records: Sequence[LogRecord]
    position: int
    more_before: bool
    more_after: bool


@dataclass(frozen=True, slots=True)
class TraceLogs:
    """Records of one trace, oldest first. by_text: how many were found by the id in their text alone."""

    records: Sequence[LogRecord]
    by_text: int
    more: bool


@dataclass(frozen=True, slots=True)
class LogField:
    """A field of the selected records. fill: the share of records that carry it, 0 to 1."""

    name: str
    type: str
    records: int
    fill: float


@dataclass(frozen=True, slots=True)
class LogFields:
    fields: Sequence[LogField]
    records: int


@dataclass(frozen=True, slots=True)
class LogPattern:
    """Records that say the same but for numbers and names.

    template: the text with `*` for what varies. trend: records per step of `LogPatterns.times_ns`.
    first_ns, last_ns: in the range. example_id: one of the records. services: who says it, most first.
    """

    template: str
    level: Level
    records: int
    share: float
    first_ns: int
    last_ns: int
    trend: Sequence[int]
    services: Sequence[str]
    example: str
    example_id: str


@dataclass(frozen=True, slots=True)
class LogPatterns:
    """Patterns, most frequent first.

    scanned of total: the newest `scanned` records were read when the selection holds more than the limit.
    distinct: how many patterns there are, of which `patterns` are the first.
    """

    patterns: Sequence[LogPattern]
    distinct: int
    scanned: int
    total: int
    step_ns: int
    times_ns: Sequence[int] = field(default=())
