"""Decoded log requests -> the table logs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from collector.batch import SCHEMAS
from collector.receivers import reasons
from collector.receivers.otlp_attributes import LETTERS, any_values, attribute_sets
from collector.receivers.otlp_columns import Codes, Ints, Mask, halves, lengths, mark_too_long, small, times
from collector.receivers.otlp_items import Group, Items, Rows
from collector.receivers.otlp_resources import Tree, tree
from collector.request import Request

GROUP, STREAM = "x-aws-log-group", "x-aws-log-stream"
_LETTERS = np.frombuffer(LETTERS.encode(), np.uint8)


def decode_logs(batch: pa.RecordBatch, group: Group) -> Items:
    """The log records of all requests of a batch, a row each.

    A record without a time has its observed time, without that the group's now_ns, which also
    stands in for an observed time.
    """
    found = tree(batch, "scope_logs", "log_records", group.memories)
    records = found.items
    sets = attribute_sets(records.field("attributes"), group.memories)
    body = any_values(records.field("body"), group.memories)
    problems = sets.problems.copy()
    for wrong in (body.problems, found.problems[found.scope]):
        problems = np.where(problems == 0, wrong, problems)
    at, observed = _times(records, problems, group.now_ns)
    mark_too_long(problems, records.field("severity_text"), records.field("event_name"))
    trace, trace_right = halves(records.field("trace_id"), 2)
    span, span_right = halves(records.field("span_id"), 1)
    repaired = _wrong_length(records.field("trace_id"), trace_right)
    repaired |= _wrong_length(records.field("span_id"), span_right)
    resource = pa.array(found.resource)
    places = [pa.array(texts, pa.string()).take(resource) for texts in _places(found, group.requests)]
    columns = [
        group.tenants[found.request], at, observed, trace[:, 0], trace[:, 1], span[:, 0],
        records.field("flags"), small(records.field("severity_number")), records.field("severity_text"),
        *places, records.field("event_name"), body.texts, _LETTERS[body.types],
        found.resource_ids[found.resource], found.scope_ids[found.scope], sets.shape, sets.attrs,
        records.field("dropped_attributes_count"),
    ]  # fmt: skip
    table = pa.table(columns, schema=SCHEMAS["logs"]["logs"])
    return Items(
        rows=[Rows("logs", table, problems, found.request)],
        names=found.names,
        shapes=[*sets.shapes, *found.shapes],
        warnings={reasons.INVALID_LINKED_ID: found.request[repaired & (problems == 0)]},
    )


def _wrong_length(ids: pa.BinaryArray, right: Mask) -> Mask:
    wrong: Mask = ~right & (lengths(ids) > 0)
    return wrong


def _times(records: pa.StructArray, problems: Codes, now_ns: int) -> tuple[Ints, Ints]:
    at = times(records.field("time_unix_nano"), problems)
    observed = times(records.field("observed_time_unix_nano"), problems)
    at = np.where(at == 0, observed, at)
    return np.where(at == 0, now_ns, at), np.where(observed == 0, now_ns, observed)


def _places(found: Tree, requests: Sequence[Request]) -> tuple[list[str], list[str], list[str]]:
    """Service, log group and log stream of each resource entry; what the request says comes first."""
    hints = [requests[place].hints for place in found.request_of_resource.tolist()]
    both = list(zip(found.resources, hints, strict=True))
    return (
        [resource.service for resource, _ in both],
        [hint.get(GROUP) or resource.log_group for resource, hint in both],
        [hint.get(STREAM) or resource.log_stream for resource, hint in both],
    )
