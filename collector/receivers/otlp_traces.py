"""Decoded trace requests -> the tables spans, span_events and span_links."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from collector.batch import SCHEMAS
from collector.receivers import reasons
from collector.receivers.otlp_attributes import AttributeSets, Memories, Shape, attribute_sets
from collector.receivers.otlp_columns import (
    BLANK,
    Codes,
    Ids,
    Ints,
    blank,
    children,
    codes,
    halves,
    lengths,
    mark,
    mark_parents,
    mark_too_long,
    numbers,
    small,
    times,
)
from collector.receivers.otlp_items import Group, Items, Rows
from collector.receivers.otlp_peers import peers
from collector.receivers.otlp_resources import tree

_METHOD = ("http.request.method", "http.method")
_STATUS = ("http.response.status_code", "http.status_code")
_EXCEPTION = ("exception.type",)
_NO_STATUS = pa.scalar("0")
_FINISHED = pa.scalar(False)  # noqa: FBT003 -- the value itself
_ERROR = 2
_THROTTLED = 429


def decode_traces(batch: pa.RecordBatch, group: Group) -> Items:
    """The spans of all requests of a batch, a row each."""
    memories = group.memories
    found = tree(batch, "scope_spans", "spans", memories)
    spans = found.items
    sets = attribute_sets(spans.field("attributes"), memories)
    problems = np.where(sets.problems == 0, found.problems[found.scope], sets.problems)
    keys = _keys(spans, group.tenants[found.request], problems)
    end = times(spans.field("end_time_unix_nano"), problems)
    mark_too_long(problems, spans.field("name"), spans.field("trace_state"))
    kind = small(spans.field("kind"))
    status, message = _status(spans.field("status"), problems)
    http_status = _http_status(sets)
    services = pa.array([resource.service for resource in found.resources], pa.string())
    columns = [
        *keys.columns, _parents(spans, problems), keys.start, end - keys.start,
        services.take(pa.array(found.resource)), spans.field("name"), kind, _outcome(http_status, status),
        status, message, _or_empty(sets.text(_METHOD), len(spans)), http_status, *peers(sets, kind),
        spans.field("trace_state"), spans.field("flags"),
        found.resource_ids[found.resource], found.scope_ids[found.scope], sets.shape, sets.attrs,
        spans.field("dropped_attributes_count"), spans.field("dropped_events_count"),
        spans.field("dropped_links_count"), pa.repeat(_FINISHED, len(spans)),
    ]  # fmt: skip
    found_parts = (decode(spans, keys, problems, memories) for decode in (_events, _links))
    parts = [part for part in found_parts if part is not None]
    repaired = np.concatenate([np.zeros(0, np.int64), *(part.repaired for part in parts)])
    return Items(
        rows=[
            Rows("spans", pa.table(columns, schema=SCHEMAS["traces"]["spans"]), problems, found.request),
            *(part.rows(problems, found.request) for part in parts),
        ],
        names=found.names,
        shapes=chain(sets.shapes, found.shapes, *(part.shapes for part in parts)),
        warnings={reasons.INVALID_LINKED_ID: found.request[repaired[problems[repaired] == 0]]},
    )


@dataclass(frozen=True, slots=True)
class _Keys:
    """What spans hand down to their events and links."""

    tenant: npt.NDArray[np.uint32]
    trace: Ids
    span: Ids
    start: Ints

    @property
    def columns(self) -> list[npt.NDArray[np.generic]]:
        """tenant, trace_hi, trace_lo, span_id."""
        return [self.tenant, self.trace[:, 0], self.trace[:, 1], self.span]

    def of(self, rows: Ints) -> list[npt.NDArray[np.generic]]:
        """The leading columns of the events or links that belong to the spans."""
        return [column[rows] for column in (*self.columns, self.start)]


@dataclass(frozen=True, slots=True)
class _Part:
    """Events or links: their table, the span of each row, the spans in whose rows something was put right."""

    name: str
    table: pa.Table
    span: Ints
    shapes: list[Shape]
    repaired: Ints

    def rows(self, problems: Codes, requests: Ints) -> Rows:
        """As rows that share the fate of their spans."""
        return Rows(self.name, self.table, problems[self.span], requests[self.span])


def _keys(spans: pa.StructArray, tenant: npt.NDArray[np.uint32], problems: Codes) -> _Keys:
    trace, _ = halves(spans.field("trace_id"), 2)
    span, _ = halves(spans.field("span_id"), 1)
    mark(problems, (trace[:, 0] | trace[:, 1]) == 0, reasons.INVALID_TRACE_ID)
    mark(problems, span[:, 0] == 0, reasons.INVALID_SPAN_ID)
    return _Keys(tenant, trace, span[:, 0], times(spans.field("start_time_unix_nano"), problems))


def _parents(spans: pa.StructArray, problems: Codes) -> Ids:
    field = spans.field("parent_span_id")
    parent, right = halves(field, 1)
    mark(problems, ~right & (lengths(field) > 0), reasons.INVALID_PARENT_ID)
    ids: Ids = parent[:, 0]
    return ids


def _status(status: pa.StructArray, problems: Codes) -> tuple[Codes, pa.StringArray]:
    if status.null_count == len(status):
        return codes(len(status)), _or_empty(None, len(status))
    message = pc.struct_field(status, "message").fill_null(BLANK)
    mark_too_long(problems, message)
    return small(pc.struct_field(status, "code")), message


def _http_status(sets: AttributeSets) -> npt.NDArray[np.uint16]:
    """The response's status code, sent as a number or as a text of digits; 0 for anything else."""
    texts = sets.text(_STATUS)
    if texts is None:
        return np.zeros(len(sets.shape), np.uint16)
    usual = pc.match_substring_regex(texts, "^[1-9][0-9][0-9]$")
    return numbers(pc.if_else(usual, texts, _NO_STATUS).cast(pa.uint16()))


def _outcome(http_status: npt.NDArray[np.uint16], status: Codes) -> Codes:
    """0 ok, 1 error, 2 throttle, 3 fault: by the response when it says so, else by the span's status."""
    family = http_status // 100
    conditions = [http_status == _THROTTLED, family == 4, (family == 5) | (status == _ERROR)]
    return np.select(conditions, [np.uint8(2), np.uint8(1), np.uint8(3)], np.uint8(0))


def _events(spans: pa.StructArray, keys: _Keys, problems: Codes, memories: Memories) -> _Part | None:
    parents, events = children(spans.field("events"))
    if not len(events):
        return None
    sets = attribute_sets(events.field("attributes"), memories)
    wrong = sets.problems.copy()
    at = times(events.field("time_unix_nano"), wrong)
    mark_too_long(wrong, events.field("name"))
    mark_parents(problems, parents, wrong)
    exception = _or_empty(sets.text(_EXCEPTION), len(events))
    columns = [
        *keys.of(parents), at, events.field("name"), exception, sets.shape, sets.attrs,
        events.field("dropped_attributes_count"),
    ]  # fmt: skip
    table = pa.table(columns, schema=SCHEMAS["traces"]["span_events"])
    return _Part("span_events", table, parents, sets.shapes, np.zeros(0, np.int64))


def _links(spans: pa.StructArray, keys: _Keys, problems: Codes, memories: Memories) -> _Part | None:
    parents, links = children(spans.field("links"))
    if not len(links):
        return None
    sets = attribute_sets(links.field("attributes"), memories)
    wrong = sets.problems.copy()
    mark_too_long(wrong, links.field("trace_state"))
    mark_parents(problems, parents, wrong)
    trace, trace_right = halves(links.field("trace_id"), 2)
    span, span_right = halves(links.field("span_id"), 1)
    columns = [
        *keys.of(parents), trace[:, 0], trace[:, 1], span[:, 0], links.field("trace_state"),
        links.field("flags"), sets.shape, sets.attrs, links.field("dropped_attributes_count"),
    ]  # fmt: skip
    table = pa.table(columns, schema=SCHEMAS["traces"]["span_links"])
    return _Part("span_links", table, parents, sets.shapes, parents[~(trace_right & span_right)])


def _or_empty(texts: pa.StringArray | None, rows: int) -> pa.StringArray:
    return blank(rows) if texts is None else texts
