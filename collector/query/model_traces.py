"""What the questions about traces, services and the map take and answer: plain frozen values.

Times are integer nanoseconds since the epoch, durations integer nanoseconds, ranges half open. Trace ids are
32, span ids 16 lower-case hex digits, '' for none. Outcomes are 'ok', 'error' (4xx), 'throttle' (429),
'fault'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from collector.attributes import Value

Outcome = Literal["ok", "error", "throttle", "fault"]
OUTCOMES: tuple[Outcome, ...] = ("ok", "error", "throttle", "fault")
Kind = Literal["unspecified", "internal", "server", "client", "producer", "consumer"]
KINDS: tuple[Kind, ...] = ("unspecified", "internal", "server", "client", "producer", "consumer")
TraceOrder = Literal["newest", "oldest", "slowest", "fastest", "largest"]
Attributes: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class TraceSelection:
    """Which traces a question is about; what is left empty does not narrow.

    A trace is in the range when its first span starts in it. filter: an expression such as
    `service("payments"){fault} AND http.route = "/x"`. dmin_ns, dmax_ns: bounds of the whole trace's
    duration, the second one exclusive. one_in: look at one in so many traces, chosen by their ids, and scale
    what is counted (thinning.py). groups: name or ARN of a group -> its expression, for `group.name`.
    """

    start_ns: int
    end_ns: int
    filter: str = ""
    dmin_ns: int | None = None
    dmax_ns: int | None = None
    tenant: int = 0
    one_in: int = 1
    groups: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests (or traces, or spans) by outcome."""

    ok: int = 0
    error: int = 0
    throttle: int = 0
    fault: int = 0
    total: int = 0


# Lists of traces


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One line of a list of traces.

    duration_ns: first start to last end. response_ns: the root span's, None while no root was seen.
    outcome: the root's; of a trace without a root the worst of its spans. service, operation: the root's,
    or of the earliest span of a trace without one (then rooted is False). http_status: 0 for none.
    """

    trace_id: str
    start_ns: int
    duration_ns: int
    response_ns: int | None
    outcome: Outcome
    http_method: str
    http_status: int
    service: str
    operation: str
    rooted: bool
    spans: int
    errors: int
    throttles: int
    faults: int
    services: Sequence[str]


@dataclass(frozen=True, slots=True)
class TracePage:
    """Traces in the order asked for. total: how many match, an estimate for a thinned selection. cursor: of
    the next page, '' after the last.
    """

    traces: Sequence[TraceRow]
    total: int
    cursor: str


@dataclass(frozen=True, slots=True)
class TracePoints:
    """Points of a scatter, column by column; all faults first, then a sample that stays the same.

    total: how many traces match; drawn: how many points there are.
    """

    trace_ids: Sequence[str]
    start_ns: Sequence[int]
    duration_ns: Sequence[int]
    outcomes: Sequence[Outcome]
    labels: Sequence[str]
    total: int
    drawn: int


@dataclass(frozen=True, slots=True)
class TraceHistogram:
    """Traces over time by outcome: counts[outcome][i] in [times_ns[i], times_ns[i] + step_ns).

    Steps are 1, 2 or 5 of a unit; the first and last bucket reach beyond the range but count only what is
    in it.
    """

    step_ns: int
    times_ns: Sequence[int]
    counts: Mapping[Outcome, Sequence[int]]
    total: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """Durations in logarithmic buckets: counts[i] lie in [bounds_ns[i], bounds_ns[i + 1]).

    counts: all; by_outcome: the same by outcome (empty where it is not asked for). p50, p95, p99: None when
    nothing is there. exact: the percentiles are from the rows, otherwise within 4.5 % from buckets.
    """

    bounds_ns: Sequence[int]
    counts: Sequence[int]
    by_outcome: Mapping[Outcome, Sequence[int]]
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    total: int
    exact: bool


@dataclass(frozen=True, slots=True)
class TraceOverview:
    """Everything that the charts of the list of traces show, from one read."""

    points: TracePoints
    histogram: TraceHistogram
    distribution: Distribution
    counts: Counts


@dataclass(frozen=True, slots=True)
class FacetValue:
    """How many traces have the value. selected: the expression keeps it by name."""

    value: str
    traces: int
    selected: bool


@dataclass(frozen=True, slots=True)
class TraceFacet:
    """The values of one field, most frequent first, counted without what the expression says of this field.

    field: as it is written in an expression. more: how many further values there are.
    """

    field: str
    values: Sequence[FacetValue]
    more: int


@dataclass(frozen=True, slots=True)
class TraceGroup:
    """Traces that share a value; '' are those that have none. total_ns: the sum of their durations."""

    value: str
    counts: Counts
    share: float
    p50_ns: int
    p95_ns: int
    p99_ns: int
    total_ns: int


@dataclass(frozen=True, slots=True)
class TraceGroups:
    """Groups by a field, largest first. traces: how many traces are in all of them."""

    field: str
    groups: Sequence[TraceGroup]
    more: int
    traces: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that is more (or less) frequent inside the brush than in the rest.

    inside, outside: traces that have it; *_share: of the traces there. score: bits of evidence that the two
    shares differ (G test, signed: negative when it is rarer inside); p: the chance of as much by accident,
    after correction for the number of values (and pairs) that could have been told (Bonferroni).
    and_field, and_value: the other half of a pair, '' for a single value. same: further fields and values
    that exactly the same traces have.
    """

    field: str
    value: str
    inside: int
    outside: int
    inside_share: float
    outside_share: float
    score: float
    p: float
    and_field: str = ""
    and_value: str = ""
    same: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Differences:
    """Most telling first. inside, outside: how many traces there are; compared: how many values and pairs
    the correction is for.

    sampled: not all of them were looked at; seen: how many of each side were.
    """

    differences: Sequence[Difference]
    inside: int
    outside: int
    compared: int
    sampled: bool
    seen: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class WithoutPart:
    """A part of a filter, the filter without it, and how many traces that matches."""

    part: str
    filter: str
    traces: int


# One trace


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """An event of a span; an exception when exception_type or the name says so."""

    time_ns: int
    name: str
    exception_type: str
    attributes: Attributes
    dropped_attributes: int


@dataclass(frozen=True, slots=True)
class SpanLink:
    trace_id: str
    span_id: str
    trace_state: str
    flags: int
    attributes: Attributes
    dropped_attributes: int


@dataclass(frozen=True, slots=True)
class Resource:
    service: str
    namespace: str
    version: str
    instance: str
    language: str
    environment: str
    schema_url: str
    attributes: Attributes
    dropped_attributes: int


@dataclass(frozen=True, slots=True)
class Scope:
    name: str
    version: str
    schema_url: str
    attributes: Attributes
    dropped_attributes: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the critical path: nanoseconds after the trace's start."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it was sent, and its place in the tree.

    index: position in Trace.spans, which are in the order of the tree. parent: the index of its parent
    there, None for the top. depth: 0 at the top. children: indexes. offset_ns: start after the trace's start.
    resource, scope: indexes into Trace.resources and Trace.scopes.

    What is odd about it is said in `notes`:
    'orphan' its parent is not in the trace · 'cycle' its parent link would have closed a ring, and was cut ·
    'duplicate' an earlier row has the same id · 'skew' starts before its parent, or ends after it although
    the parent waits for it · 'late' ends after its trace's root has ended · 'negative' ends before it starts
    · 'open' was sent before its end, which has not come: its duration is 0.
    self_ns: time in which none of its children ran. critical: its own stretches of the critical path.
    """

    index: int
    span_id: str
    parent_id: str
    parent: int | None
    depth: int
    children: Sequence[int]
    service: str
    name: str
    kind: Kind
    outcome: Outcome
    status: Literal["unset", "ok", "error"]
    status_message: str
    start_ns: int
    duration_ns: int
    offset_ns: int
    self_ns: int
    critical: Sequence[Segment]
    notes: Sequence[str]
    http_method: str
    http_status: int
    peer: str
    peer_type: str
    trace_state: str
    flags: int
    resource: int
    scope: int
    attributes: Attributes
    events: Sequence[SpanEvent]
    links: Sequence[SpanLink]
    dropped_attributes: int
    dropped_events: int
    dropped_links: int


@dataclass(frozen=True, slots=True)
class ServiceTime:
    """What a service contributed: spans, time of its own, and its part of the critical path."""

    service: str
    spans: int
    self_ns: int
    critical_ns: int


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace with what follows from its spans.

    start_ns, duration_ns: first start, to the last end. root: index of the span it began with. outcome:
    the root's, or the worst of the spans when no span without a parent was seen. failed: index of the span
    where the failure began, None when nothing failed. services: by critical time. notes: sentences about
    what is odd, such as "2 spans have no parent yet".
    """

    trace_id: str
    xray_id: str
    start_ns: int
    duration_ns: int
    outcome: Outcome
    root: int
    failed: int | None
    rooted: bool
    complete: bool
    spans: Sequence[Span]
    resources: Sequence[Resource]
    scopes: Sequence[Scope]
    services: Sequence[ServiceTime]
    critical_ns: int
    depth: int
    counts: Counts
    notes: Sequence[str]


# The map

NodeType = Literal["service", "client", "database", "cache", "queue", "rpc", "remote", "aws"]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node of the map. id: `type:name`. A client has no figures of its own; what is not instrumented itself
    has those that its callers saw. namespace: service.namespace, '' when there is none or several. xray_type:
    of an AWS service or resource, such as AWS::DynamoDB::Table.
    """

    id: str
    name: str
    type: NodeType
    namespace: str
    counts: Counts
    rate: float
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    xray_type: str = ""


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """A call as the caller sees it. link: joined by a queue or a link, not by a waiting caller."""

    id: str
    source: str
    target: str
    link: bool
    counts: Counts
    rate: float
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and edges in a stable order. seconds: what rates are divided by, the part of the range with data.
    traces: how many, None from roll-ups.
    """

    start_ns: int
    end_ns: int
    seconds: float
    nodes: Sequence[GraphNode]
    edges: Sequence[GraphEdge]
    traces: int | None


# Services


@dataclass(frozen=True, slots=True)
class Series:
    """Figures per step: element i belongs to [times_ns[i], times_ns[i] + step_ns). None: no requests."""

    step_ns: int
    times_ns: Sequence[int]
    ok: Sequence[int]
    error: Sequence[int]
    throttle: Sequence[int]
    fault: Sequence[int]
    p50_ns: Sequence[int | None]
    p95_ns: Sequence[int | None]
    p99_ns: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Deployment:
    """A version of a service that was first seen in the range while another one had been there before."""

    service: str
    version: str
    previous: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """A service in a range. fault_rate: 0..1. series: for sparklines. versions: latest first."""

    service: str
    namespaces: Sequence[str]
    languages: Sequence[str]
    versions: Sequence[str]
    environments: Sequence[str]
    instances: int
    counts: Counts
    rate: float
    fault_rate: float
    error_rate: float
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    series: Series
    last_ns: int


@dataclass(frozen=True, slots=True)
class ServiceList:
    """Worst first: by faults, then by requests. seconds: what rates are divided by, the part with data."""

    start_ns: int
    end_ns: int
    seconds: float
    services: Sequence[ServiceRow]
    deployments: Sequence[Deployment]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, or that nothing is. state: 'calm', 'failing' (faults) or 'slow' (p95).

    service: the worst one. before, after: its fault rate (0..1) or p95 (ns) before and since the change.
    since_ns: when that began (change point), None when it was so all the time. change: the last deployment
    before it, None when there is none near. others: further services that changed.
    """

    state: Literal["calm", "failing", "slow", "empty"]
    service: str = ""
    since_ns: int | None = None
    before: float = 0.0
    after: float = 0.0
    change: Deployment | None = None
    others: Sequence[str] = ()
    services: int = 0


@dataclass(frozen=True, slots=True)
class Overview:
    """The whole installation in a range, from roll-ups: requests are the spans that services served.

    before: the same figures over the range of equal length just before.
    """

    start_ns: int
    end_ns: int
    seconds: float
    counts: Counts
    before: Counts
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    before_p95_ns: int | None
    series: Series
    services: Sequence[ServiceRow]
    deployments: Sequence[Deployment]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Operation:
    """A span name of a service. total_ns: the sum of durations, which says where the time goes."""

    operation: str
    kind: Kind
    counts: Counts
    rate: float
    p50_ns: int
    p95_ns: int
    p99_ns: int
    total_ns: int


@dataclass(frozen=True, slots=True)
class OperationPage:
    operations: Sequence[Operation]
    total: int
    cursor: str


@dataclass(frozen=True, slots=True)
class ExceptionRow:
    """Exceptions of one type and operation. message: of the latest one; trace_id, span_id: where it
    happened.
    """

    type: str
    message: str
    service: str
    operation: str
    count: int
    traces: int
    first_ns: int
    last_ns: int
    trace_id: str
    span_id: str


# Attributes and completion


@dataclass(frozen=True, slots=True)
class AttributeKey:
    """A key that was seen. types: letters s i d b y j n. places: 'item' (spans, records) and 'resource'."""

    key: str
    types: str
    places: Sequence[str]
    items: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class AttributeValue:
    value: str
    items: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """text replaces [start, end) of the expression (0-based). kind: what it is, for its colour.

    count: how often a value occurs, None where nobody counted.
    """

    text: str
    kind: Literal["field", "attribute", "operator", "value", "function", "word"]
    help: str = ""
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    start: int
    end: int
    suggestions: Sequence[Suggestion] = field(default_factory=tuple)
