"""Which traces GetTraceSummaries is about: by id, by activity or by end of a segment, newest first, page by
page.

Handed a reader and a question. The ids come from the machinery of all trace questions (query/matching.py),
what a page says of them from one read of all its traces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from collector.errors import QueryError
from collector.query.buckets import HOUR
from collector.query.cursors import decode_cursor, encode_cursor
from collector.query.filters.predicate import Predicate
from collector.query.filters.spans import IN_RANGE
from collector.query.matching import AROUND, Row, find, within
from collector.query.model_traces import TraceSelection
from collector.query.reader import FILTER, Reader, Timed, ask, load_sql
from collector.query.trace_ids import trace_text
from collector.query.xray.cause_filter import TooManyCandidates
from collector.query.xray.documents_otlp import BRIEF
from collector.query.xray.load import load_traces
from collector.query.xray.summaries import TraceSummary, summarize

RangeType = Literal["TraceId", "Event", "Service"]
RANGE_TYPES: tuple[RangeType, ...] = ("TraceId", "Event", "Service")
PAGE = 100
_LAST = (1 << 63) - 1
_LOWEST = -_LAST
_NARROWEST = 1_000_000_000
"""A range of a second with too many candidates is refused."""

# An X-Ray id begins with the second of the original request. An id of W3C is random there, so the number only
# counts as a time when the trace began within minutes of it; any other trace has the time of its first span.
_EPOCH = "(t.trace_hi >> 32)::BIGINT * 1000000000"
_ID_TIME = (
    f"CASE WHEN t.first_ns - {_EPOCH} BETWEEN -60000000000 AND 300000000000 THEN {_EPOCH} ELSE t.first_ns END"
)
_IN_IDS = f"({_ID_TIME}) >= $since_ns AND ({_ID_TIME}) < $until_ns"
_ACTIVE = "t.first_ns < $until_ns AND t.first_ns::HUGEINT + t.duration_ns >= $since_ns"
_SEGMENT_ENDS = (
    f"{IN_RANGE.format('s')} AND (s.kind IN (2, 5) OR s.parent_id = 0) AND NOT s.in_progress"
    " AND s.start_ns + s.duration_ns >= $since_ns AND s.start_ns + s.duration_ns < $until_ns"
)
_ENDED = f"(t.trace_hi, t.trace_lo) IN (SELECT s.trace_hi, s.trace_lo FROM spans s WHERE {_SEGMENT_ENDS})"
_RANGES: Mapping[RangeType, tuple[str, str, int, int]] = {
    "TraceId": (_IN_IDS, _ID_TIME, AROUND, AROUND),
    "Event": (_ACTIVE, "t.first_ns", HOUR, 0),
    "Service": (_ENDED, "t.first_ns", HOUR, 0),
}
"""The condition of a range, what pages are ordered by, and how far before and after it traces may begin."""


@dataclass(frozen=True, slots=True)
class SummaryQuestion:
    """The traces of [start_ns, end_ns) that match a filter.

    range_type: 'TraceId' by the time in the id, 'Event' by anything that went on in the range, 'Service' by
    the end of a segment in it; the last two find traces that began up to an hour before. fraction: of the
    traces, 0..1, the same ones every time. groups: name or ARN of a group -> its expression.
    """

    start_ns: int
    end_ns: int
    filter: str = ""
    range_type: RangeType = "TraceId"
    fraction: float = 1.0
    tenant: int = 0
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SummaryPage:
    """approximate_ns: how far back the page goes. processed: traces it went over, those that do not match
    too.

    cursor: of the next page, '' after the last.
    """

    summaries: Sequence[TraceSummary]
    approximate_ns: int
    processed: int
    cursor: str


def find_summaries(
    store: Reader, question: SummaryQuestion, *, limit: int = PAGE, cursor: str = "", deadline: float = 10.0
) -> SummaryPage:
    """A page of summaries. Raises QueryError for a filter, a range or a cursor that is wrong.

    A page can be empty and have a cursor: when conditions on root causes would have to look at too many
    traces at once, the page goes only as far back as it can.
    """
    if question.end_ns < question.start_ns:
        raise QueryError("The end of the range is before its start.")
    timed = Timed.of(store, deadline)
    after = _after(question, cursor)
    found, part = _reaching(timed, question, limit, after)
    page = found[:limit]
    last = page[-1] if len(found) > limit else None
    place = None if part.low <= _LOWEST else (part.low, "0")
    if last is not None:
        place = (last["key"], trace_text(last["trace_hi"], last["trace_lo"]))
    return SummaryPage(
        summaries=_summaries(timed, question, page),
        approximate_ns=max(place[0], question.start_ns) if place else question.start_ns,
        processed=_processed(timed, part, after, last),
        cursor=encode_cursor((question.range_type, *place)) if place else "",
    )


@dataclass(frozen=True, slots=True)
class _After:
    """The last trace of the page before, by what pages are ordered by and its id; the first page has none."""

    first: bool
    key: int
    number: int

    @property
    def values(self) -> dict[str, Any]:
        """What statements bind of it."""
        high, low = self.number >> 64, self.number & (1 << 64) - 1
        return {"first_page": self.first, "after_key": self.key, "after_hi": high, "after_lo": low}


def _after(question: SummaryQuestion, cursor: str) -> _After:
    if not cursor:
        return _After(first=True, key=_LAST, number=0)
    kind, key, ids = decode_cursor(cursor, (str, int, str))
    if kind != question.range_type:
        raise QueryError("The token belongs to another type of time range: begin again with the first page.")
    try:
        return _After(first=False, key=int(str(key)), number=int(str(ids), 16))
    except ValueError as error:
        raise QueryError("The token is broken: begin again with the first page.") from error


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of a range that a page is looked for in.

    inside: the condition on a trace `t`; key: what pages are ordered by; low: how far back it goes.
    """

    selection: TraceSelection
    inside: Predicate
    key: str
    low: int


def _part(question: SummaryQuestion, after: _After, low: int) -> _Part:
    inside, key, before, behind = _RANGES[question.range_type]
    bounds: dict[str, Any] = {"since_ns": question.start_ns, "until_ns": question.end_ns}
    if question.fraction < 1:
        inside = f"{inside}{_SAMPLED}"
        bounds["sampled"] = int(question.fraction * 2**32)
    start, end = question.start_ns - before, question.end_ns + behind
    if low > _LOWEST:
        inside, start = f"{inside} AND ({key}) >= $low_key", max(start, low - AROUND)
        bounds["low_key"] = low
    if not after.first:
        inside, end = f"{inside} AND ({key}) <= $high_key", min(end, after.key + AROUND)
        bounds["high_key"] = after.key
    selection = TraceSelection(
        max(start, _LOWEST), min(end, _LAST), question.filter, tenant=question.tenant, groups=question.groups
    )
    return _Part(selection, Predicate(f"({inside})", bounds), f"({key})", low)


def _reaching(timed: Timed, question: SummaryQuestion, limit: int, after: _After) -> tuple[list[Row], _Part]:
    """The rows of a page and what it looked at: half as far back as long as that is too much at once."""
    low = _LOWEST
    high = min(question.end_ns, after.key)
    while True:
        part = _part(question, after, low)
        try:
            return _find(timed, part, limit, after), part
        except TooManyCandidates:
            before = max(low, question.start_ns - _RANGES[question.range_type][2])
            low = (before + high) // 2
            if high - low < _NARROWEST:
                raise


def _find(timed: Timed, part: _Part, limit: int, after: _After) -> list[Row]:
    """The matching traces behind the page before, one more than a page if there is one."""
    return find(
        timed, part.selection, "summaries_page", ("/*key*/", part.key),
        also=part.inside, limit=limit + 1, **after.values,
    )  # fmt: skip


def _processed(timed: Timed, part: _Part, after: _After, last: Mapping[str, Any] | None) -> int:
    """How many traces the page went over, whatever its filter says of them; last: of the page, if not the
    last.
    """
    until = last or {"key": _LOWEST, "trace_hi": 0, "trace_lo": 0}
    start, end = part.selection.start_ns, part.selection.end_ns
    around = within(start, end)
    values = {
        "tenant": part.selection.tenant, "start_ns": start, "end_ns": end, **around, **part.inside.params,
        **after.values, "last_key": until["key"], "last_hi": until["trace_hi"], "last_lo": until["trace_lo"],
    }  # fmt: skip
    text = load_sql("summaries_processed").replace("/*key*/", part.key).replace(FILTER, part.inside.sql)
    table = ask(timed, text, values, start_ns=around["before_ns"], end_ns=around["reach_ns"])
    return int(table["traces"][0].as_py())


_SAMPLED = " AND ((t.trace_lo & 4294967295) * 2654435761) % 4294967296 < $sampled"
"""Whether a trace is in the sample: the low half of its id, multiplied so that counters are spread too."""


def _summaries(
    timed: Timed, question: SummaryQuestion, page: Sequence[Mapping[str, Any]]
) -> tuple[TraceSummary, ...]:
    if not page:
        return ()
    first = min(row["first_ns"] for row in page)
    last = max(min(row["first_ns"] + row["duration_ns"], _LAST) for row in page)
    keys = [(row["trace_hi"], row["trace_lo"]) for row in page]
    stored = load_traces(timed, keys, first, last, question.tenant)
    events = (question.start_ns, question.end_ns) if question.range_type == "Event" else None
    return tuple(
        summarize(stored[key].documents(BRIEF), revision=stored[key].revision, event_range=events)
        for key in keys
        if key in stored
    )
