"""For tests of the OTLP decoder: any request from a seed, and a slow decoder to compare the fast one with.

The slow one goes over parsed messages in plain Python, a row at a time, and shares nothing with the fast
one but the texts of single values.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from collector.attributes import Value, encode, escape, split
from collector.batch import NAME_KEYS, Batch, Signal
from collector.receivers.otlp_descriptors import REQUESTS
from collector.request import Request

NOW = 1_790_000_000_000_000_000
LAST = 2**63 - 1

TEXTS = [
    "",
    "\x1f",
    "\x1b",
    "\x1b0",
    "\x1b1",
    "a\x1fb",
    "ü",
    "\U0001f642",
    "a\x00b",
    "200",
    "redis",
    "aws-api",
]
KEYS = [
    "service.name", "service.namespace", "service.instance.id", "aws.log.group.names", "http.request.method",
    "http.response.status_code", "http.status_code", "db.system", "db.namespace", "server.address",
    "server.port", "peer.service", "messaging.system", "messaging.destination.name", "rpc.system",
    "rpc.service", "url.full", "exception.type", "k", "\x1f", "",
]  # fmt: skip
DOUBLES = [0.0, -0.0, 1.5, 0.1, 1e300, 5e-324, math.inf, -math.inf, math.nan]
IDS = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}
BITS = {
    FieldDescriptor.TYPE_INT32: (31, 31), FieldDescriptor.TYPE_SINT32: (31, 31),
    FieldDescriptor.TYPE_UINT32: (0, 32), FieldDescriptor.TYPE_FIXED32: (0, 32),
    FieldDescriptor.TYPE_INT64: (63, 63), FieldDescriptor.TYPE_SFIXED64: (63, 63),
    FieldDescriptor.TYPE_UINT64: (0, 64), FieldDescriptor.TYPE_FIXED64: (0, 64),
}  # fmt: skip
"""Integer type -> bits below and above zero."""


def any_request(signal: Signal, seed: int) -> Message:
    """A request with every field of the signal's messages in it sooner or later, mostly of legal items."""
    return _message(Random(seed), REQUESTS[signal].DESCRIPTOR, 0)


def _message(rng: Random, descriptor: Descriptor, depth: int) -> Message:
    message = descriptor._concrete_class()
    chosen = {oneof.name: rng.choice([None, *oneof.fields, *oneof.fields]) for oneof in descriptor.oneofs}
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if field.name.endswith("strindex") or (oneof is not None and chosen[oneof.name] is not field):
            continue
        if field.is_repeated:
            _fill(rng, message, field, depth)
        elif field.message_type is None:
            setattr(message, field.name, _scalar(rng, field))
        elif oneof is not None or rng.random() < 0.9:
            inner = _message(rng, field.message_type, depth + 1)
            getattr(message, field.name).CopyFrom(inner)
            getattr(message, field.name).SetInParent()
    return message


def _fill(rng: Random, message: Message, field: FieldDescriptor, depth: int) -> None:
    values = getattr(message, field.name)
    most = {"explicit_bounds": 2, "bucket_counts": 3, "attributes": 4}.get(field.name, 2)
    count = rng.randint(0, most) if depth < 12 else 0
    if (
        field.name == "bucket_counts"
        and "explicit_bounds" in message.DESCRIPTOR.fields_by_name
        and rng.random() < 0.8
    ):
        count = len(message.explicit_bounds) + 1
    for _ in range(count):
        if field.message_type is None:
            values.append(_scalar(rng, field))
        else:
            values.add().CopyFrom(_message(rng, field.message_type, depth + 1))
    if field.name == "explicit_bounds" and rng.random() < 0.8:
        bounds = sorted({value for value in values if value == value})
        del values[:]
        values.extend(bounds)


def _scalar(rng: Random, field: FieldDescriptor) -> Any:
    if field.name in IDS:
        size = IDS[field.name]
        return rng.choice([*[rng.randbytes(size)] * 20, b"", bytes(size), rng.randbytes(size - 1)])
    if field.name.endswith("time_unix_nano"):
        return rng.choice([*[rng.randint(1, LAST)] * 30, 0, 1, LAST, LAST + 1, 2**64 - 1])
    if field.name == "key":
        return rng.choice(KEYS)
    if field.type == FieldDescriptor.TYPE_STRING:
        return rng.choice(TEXTS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return rng.randbytes(rng.randint(0, 5))
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return rng.choice([*DOUBLES, rng.gauss(0, 1e9)])
    if field.type == FieldDescriptor.TYPE_BOOL:
        return rng.random() < 0.5
    if field.type == FieldDescriptor.TYPE_ENUM:
        return rng.choice([*range(26), -1, 255, 256, 2**31 - 1])
    below, above = BITS[field.type]
    bits = rng.randint(0, above)
    return rng.randint(-(2 ** min(bits, below)) if below else 0, 2**bits - 1)


# What a batch says, in a form that can be compared.

Row = Mapping[str, Any]


def as_requests(signal: Signal, messages: Sequence[Message]) -> list[Request]:
    """The messages as requests."""
    return [Request(signal, message.SerializeToString()) for message in messages]


def check(batch: Batch) -> None:
    """What holds for every batch: sound columns, and every name is there once and used."""
    known: dict[str, list[int]] = {}
    for name, table in batch.tables.items():
        table.validate(full=True)
        assert table.num_rows, f"{name} is empty"
        assert not any(column.null_count for column in table.columns), f"{name} has a null"
        if name in NAME_KEYS:
            known[NAME_KEYS[name]] = table[NAME_KEYS[name]].to_pylist()
    used: dict[str, set[int]] = {key: set() for key in known}
    for name, table in batch.tables.items():
        for column, key in (("metadata_shape", "shape"), *((key, key) for key in NAME_KEYS.values())):
            if column in table.column_names and NAME_KEYS.get(name) != column:
                used.setdefault(key, set()).update(table[column].to_pylist())
    used.get("shape", set()).discard(0)
    for key in known.keys() | used.keys():
        ids = known.get(key, [])
        assert len(ids) == len(set(ids)), f"a {key} twice"
        assert set(ids) == used.get(key, set()), f"{key}: named and used differ"


def contents(batch: Batch) -> dict[str, Counter[str]]:
    """Table -> its rows, with what their ids refer to in place of the ids, in no order."""
    shapes = {row["shape"]: (row["keys"], row["types"]) for row in _rows(batch, "shapes")} | {0: ([], "")}
    names = {key: {row[key]: row for row in _rows(batch, name)} for name, key in NAME_KEYS.items()}

    def plain(row: Row) -> dict[str, Any]:
        flat = {
            column: value for column, value in row.items() if column not in ("attrs", "metadata", *IDS_OF)
        }
        if "shape" in row:
            flat["shape"] = _pairs(*shapes[row["shape"]], row["attrs"])
        if "metadata_shape" in row:
            flat["metadata_shape"] = _pairs(*shapes[row["metadata_shape"]], row["metadata"])
        for key, name in IDS_OF.items():
            if key in row:
                flat[name] = plain({k: v for k, v in names[key][row[key]].items() if k != key})
        return flat

    tables = [name for name in batch.tables if name not in NAME_KEYS]
    return {name: Counter(text(plain(row)) for row in _rows(batch, name)) for name in tables}


IDS_OF = {"resource_id": "resource", "scope_id": "scope", "series_id": "series"}


def text(row: Any) -> str:
    """A row as a text that is the same for the same values; NaN equals NaN, 1 and 1.0 differ."""
    if isinstance(row, Mapping):
        return "{" + ", ".join(f"{key}: {text(row[key])}" for key in sorted(row)) + "}"
    return repr(row)


def _rows(batch: Batch, table: str) -> list[dict[str, Any]]:
    return batch.tables[table].to_pylist() if table in batch.tables else []


def _pairs(keys: Sequence[str], types: str, attrs: str) -> list[tuple[str, str, Value]]:
    """An attribute set as (key, type letter, value) in its order, also with a key twice."""
    texts = attrs.split("\x1f") if keys else []
    values = [split([""], letter, part)[""] for letter, part in zip(types, texts, strict=True)]
    return list(zip(keys, types, values, strict=True))


# The slow decoder.


class Expected:
    """What decoding must give: rows by table, and for each request what may be said of each refused item."""

    def __init__(
        self, signal: Signal, messages: Sequence[Message], hints: Mapping[str, str] | None = None
    ) -> None:
        self.rows: dict[str, Counter[str]] = {}
        self.refused: list[list[set[str]]] = [[] for _ in messages]
        self.accepted = [0] * len(messages)
        self.repaired = [0] * len(messages)
        self._hints = hints or {}
        self._wrong = 0
        for self._request, message in enumerate(messages):
            getattr(self, f"_{signal}")(message)

    def _add(self, table: str, row: Row) -> None:
        self.rows.setdefault(table, Counter())[text(row)] += 1

    def _settle(self, problems: set[str], rows: Sequence[tuple[str, Row]]) -> None:
        """Count an item, and keep its rows when nothing is wrong with it."""
        wrong, self._wrong = self._wrong, 0
        if problems:
            self.refused[self._request].append(problems)
            return
        self.repaired[self._request] += wrong
        self.accepted[self._request] += 1
        for table, row in rows:
            self._add(table, row)

    def _linked(self, ids: Message, *, empty_is_fine: bool) -> dict[str, int]:
        trace, span = ids.trace_id, ids.span_id
        legal = (b"",) if empty_is_fine else ()
        wrong = (len(trace) != 16 and trace not in legal) or (len(span) != 8 and span not in legal)
        self._wrong += wrong
        trace, span = trace if len(trace) == 16 else bytes(16), span if len(span) == 8 else bytes(8)
        return _ids(trace, span)

    def _traces(self, message: Message) -> None:
        for resource, owner in _resources(message.resource_spans):
            for group in owner.scope_spans:
                scope = _scope(group)
                for span in group.spans:
                    self._span(span, resource, scope)

    def _span(self, span: Message, resource: dict[str, Any], scope: dict[str, Any]) -> None:
        times = [span.start_time_unix_nano, span.end_time_unix_nano]
        times += [event.time_unix_nano for event in span.events]
        problems = {"time_out_of_range"} if max(times) > LAST else set()
        if len(span.trace_id) != 16 or not any(span.trace_id):
            problems.add("invalid_trace_id")
        if len(span.span_id) != 8 or not any(span.span_id):
            problems.add("invalid_span_id")
        if len(span.parent_span_id) not in (0, 8):
            problems.add("invalid_parent_id")
        found = attributes(span.attributes)
        texts = {key: encode(value)[1] for key, _, value in found}
        ids = _ids(span.trace_id, span.span_id)
        start, kind = span.start_time_unix_nano, _byte(span.kind)
        code, status = _http_status(texts), _byte(span.status.code)
        peer, peer_type = peer_of(texts, kind)
        outcome = 2 if code == 429 else 1 if code // 100 == 4 else 3 if code // 100 == 5 or status == 2 else 0
        row = ids | {
            "tenant": 0, "parent_id": int.from_bytes(span.parent_span_id), "start_ns": start,
            "duration_ns": span.end_time_unix_nano - start, "service": resource["service"], "name": span.name,
            "kind": kind, "outcome": outcome, "status": status, "status_message": span.status.message,
            "http_method": _first(texts, "http.request.method", "http.method"), "http_status": code,
            "peer": peer, "peer_type": peer_type, "trace_state": span.trace_state, "flags": span.flags,
            "resource": resource, "scope": scope, "shape": found,
            "dropped_attributes": span.dropped_attributes_count,
            "dropped_events": span.dropped_events_count, "dropped_links": span.dropped_links_count,
            "in_progress": False,
        }  # fmt: skip
        key = ids | {"tenant": 0, "span_start_ns": start}
        rows: list[tuple[str, Row]] = [("spans", row)]
        for event in span.events:
            own = attributes(event.attributes)
            rows.append(("span_events", key | {
                "time_ns": event.time_unix_nano, "name": event.name, "shape": own,
                "exception_type": {k: encode(v)[1] for k, _, v in own}.get("exception.type", ""),
                "dropped_attributes": event.dropped_attributes_count,
            }))  # fmt: skip
        for link in span.links:
            linked = {
                f"linked_{name}": value for name, value in self._linked(link, empty_is_fine=False).items()
            }
            rows.append(("span_links", key | linked | {
                "trace_state": link.trace_state, "flags": link.flags, "shape": attributes(link.attributes),
                "dropped_attributes": link.dropped_attributes_count,
            }))  # fmt: skip
        self._settle(problems, rows)

    def _logs(self, message: Message) -> None:
        for resource, owner in _resources(message.resource_logs):
            values = {key: value for key, _, value in resource["shape"]}
            named = _name(values, "service.namespace", "service.name")
            group = _text(values, "aws.log.group.names").split("&")[0] or named
            stream = _text(values, "aws.log.stream.names").split("&")[0]
            stream = stream or _text(values, "service.instance.id", "host.name", "host.id")
            place = {
                "log_group": self._hints.get("x-aws-log-group") or group or "default",
                "log_stream": self._hints.get("x-aws-log-stream") or stream or "default",
            }
            for group in owner.scope_logs:
                for record in group.log_records:
                    self._record(record, resource, {"scope": _scope(group)} | place)

    def _record(self, record: Message, resource: dict[str, Any], place: dict[str, Any]) -> None:
        times = [record.time_unix_nano, record.observed_time_unix_nano]
        letter, body = encode(any_value(record.body))
        row = self._linked(record, empty_is_fine=True) | place | {
            "tenant": 0, "time_ns": times[0] or times[1] or NOW, "observed_ns": times[1] or NOW,
            "flags": record.flags, "severity": _byte(record.severity_number),
            "severity_text": record.severity_text, "service": resource["service"],
            "event_name": record.event_name, "body": body, "body_type": ord(letter), "resource": resource,
            "shape": attributes(record.attributes), "dropped_attributes": record.dropped_attributes_count,
        }  # fmt: skip
        self._settle({"time_out_of_range"} if max(times) > LAST else set(), [("logs", row)])

    def _metrics(self, message: Message) -> None:
        for resource, owner in _resources(message.resource_metrics):
            values = {key: value for key, _, value in resource["shape"]}
            space = self._hints.get("x-aws-metric-namespace") or _name(
                values, "service.namespace", "service.name"
            )
            for group in owner.scope_metrics:
                for metric in group.metrics:
                    kind = metric.WhichOneof("data")
                    if kind is None:
                        continue
                    data = getattr(metric, kind)
                    series = {
                        "tenant": 0, "namespace": space or "default", "name": metric.name,
                        "unit": metric.unit, "description": metric.description, "type": kind,
                        "temporality": _byte(getattr(data, "aggregation_temporality", 0)),
                        "monotonic": getattr(data, "is_monotonic", False), "service": resource["service"],
                        "resource": resource, "scope": _scope(group),
                        "metadata_shape": attributes(metric.metadata),
                    }  # fmt: skip
                    for point in data.data_points:
                        self._point(kind, point, series)

    def _point(self, kind: str, point: Message, metric: dict[str, Any]) -> None:
        exemplars = list(getattr(point, "exemplars", []))
        times = [
            point.time_unix_nano,
            point.start_time_unix_nano,
            *(each.time_unix_nano for each in exemplars),
        ]
        problems = {"time_out_of_range"} if max(times) > LAST else set()
        bounds = list(point.explicit_bounds) if kind == "histogram" else []
        series = metric | {"bounds": bounds, "shape": attributes(point.attributes)}
        row = {
            "series": series, "time_ns": point.time_unix_nano, "start_ns": point.start_time_unix_nano,
            "flags": point.flags,
        }  # fmt: skip
        if kind in ("gauge", "sum"):
            rows = [("numbers", row | _number(point))]
            if point.WhichOneof("value") is None and not point.flags & 1:
                problems.add("malformed_point")
        else:
            rows = [("distributions", row | _distribution(kind, point))]
        if kind == "histogram":
            buckets = len(point.bucket_counts)
            rising = all(low < high for low, high in pairwise(bounds))
            if not rising or (buckets != len(bounds) + 1 if buckets else bounds):
                problems.add("malformed_point")
        for each in exemplars:
            rows.append(("exemplars", {
                "series": series, "point_ns": point.time_unix_nano, "time_ns": each.time_unix_nano,
                "shape": attributes(each.filtered_attributes),
            } | self._linked(each, empty_is_fine=True) | _number(each)))  # fmt: skip
        self._settle(problems, rows)


def _ids(trace: bytes, span: bytes) -> dict[str, int]:
    return {
        "trace_hi": int.from_bytes(trace[:8]), "trace_lo": int.from_bytes(trace[8:]),
        "span_id": int.from_bytes(span),
    }  # fmt: skip


def _byte(number: int) -> int:
    return number if 0 <= number <= 255 else 0


def _number(point: Message) -> dict[str, Any]:
    member = point.WhichOneof("value")
    value = math.nan if member is None else float(getattr(point, member))
    return {"value": value, "value_int": point.as_int, "is_int": member == "as_int"}


def _distribution(kind: str, point: Message) -> dict[str, Any]:
    row = {
        "count": point.count, "sum": point.sum, "has_sum": True, "min": 0.0, "max": 0.0, "has_min_max": False,
        "counts": [], "scale": 0, "offset": 0, "zero_count": 0, "zero_threshold": 0.0, "negative_offset": 0,
        "negative_counts": [], "quantiles": [], "quantile_values": [],
    }  # fmt: skip
    if kind == "summary":
        values = point.quantile_values
        return row | {"quantiles": [v.quantile for v in values], "quantile_values": [v.value for v in values]}
    row |= {
        "has_sum": point.HasField("sum"), "min": point.min, "max": point.max,
        "has_min_max": point.HasField("min") and point.HasField("max"),
    }  # fmt: skip
    if kind == "histogram":
        return row | {"counts": list(point.bucket_counts)}
    return row | {
        "counts": list(point.positive.bucket_counts), "scale": point.scale, "offset": point.positive.offset,
        "zero_count": point.zero_count, "zero_threshold": point.zero_threshold,
        "negative_offset": point.negative.offset, "negative_counts": list(point.negative.bucket_counts),
    }  # fmt: skip


def _resources(owners: Sequence[Message]) -> Iterator[tuple[dict[str, Any], Message]]:
    for owner in owners:
        found = attributes(owner.resource.attributes)
        values = {key: value for key, _, value in found}
        if owner.resource.entity_refs:
            references = [
                {"schema_url": ref.schema_url, "type": ref.type, "id_keys": list(ref.id_keys),
                 "description_keys": list(ref.description_keys)}
                for ref in owner.resource.entity_refs
            ]  # fmt: skip
            found.append(("otel.entity_refs", "j", references))
        yield {
            "service": _text(values, "service.name") or "unknown_service",
            "namespace": _text(values, "service.namespace"), "version": _text(values, "service.version"),
            "instance": _text(values, "service.instance.id"),
            "language": _text(values, "telemetry.sdk.language"),
            "environment": _text(values, "deployment.environment.name", "deployment.environment"),
            "schema_url": owner.schema_url, "shape": found,
            "dropped_attributes": owner.resource.dropped_attributes_count,
        }, owner  # fmt: skip


def _scope(group: Message) -> dict[str, Any]:
    scope = group.scope
    return {
        "name": scope.name, "version": scope.version, "schema_url": group.schema_url,
        "shape": attributes(scope.attributes), "dropped_attributes": scope.dropped_attributes_count,
    }  # fmt: skip


def attributes(given: Sequence[Message]) -> list[tuple[str, str, Value]]:
    """KeyValues as (key, type letter, value)."""
    found = []
    for pair in given:
        value = any_value(pair.value)
        letter, written = encode(value)
        found.append((pair.key, letter, split([""], letter, escape(written))[""]))
    return found


def any_value(value: Message) -> Value:
    """An AnyValue as a Python value."""
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [any_value(each) for each in value.array_value.values]
        case "kvlist_value":
            return {pair.key: any_value(pair.value) for pair in value.kvlist_value.values}
        case name:
            return getattr(value, name)


def _text(values: Mapping[str, Value], *names: str) -> str:
    for name in names:
        value = values.get(name)
        if isinstance(value, list):
            value = value[0] if value else None
        if found := encode(value)[1]:
            return found
    return ""


def _name(values: Mapping[str, Value], space: str, name: str) -> str:
    parts = [_text(values, space), _text(values, name)]
    return "/".join(parts) if all(parts) else parts[1]


def _first(texts: Mapping[str, str], *names: str) -> str:
    return next((texts[name] for name in names if name in texts), "")


def _http_status(texts: Mapping[str, str]) -> int:
    code = _first(texts, "http.response.status_code", "http.status_code")
    return int(code) if re.fullmatch("[1-9][0-9][0-9]", code) else 0


PEER = ("peer.service", "service.peer.name", "aws.remote.service")
ADDRESS = ("server.address", "net.peer.name", "http.host")


def peer_of(texts: Mapping[str, str], kind: int) -> tuple[str, str]:
    """The rule of collector/receivers/otlp_peers.py for the attributes in KEYS."""

    def first(*names: str) -> str:
        return next((texts[name] for name in names if texts.get(name)), "")

    if kind not in (3, 4, 5):
        return "", ""
    system, port = first("db.system"), first("server.port")
    if first("messaging.system", "messaging.destination.name"):
        return first("messaging.destination.name", *PEER, "messaging.system"), "queue"
    if kind == 5:
        return "", ""
    if first("rpc.system") == "aws-api":
        name, type_ = first("rpc.service", *PEER, *ADDRESS), "aws"
    elif system in ("redis", "memcached", "valkey"):
        name, type_ = first(*PEER, *ADDRESS, "db.system"), "cache"
    elif system:
        name, type_ = first(*PEER, "db.namespace", *ADDRESS, "db.system"), "database"
    elif first("rpc.system", "rpc.service"):
        name, type_ = first(*PEER, "rpc.service", *ADDRESS, "rpc.system"), "rpc"
    else:
        address, type_ = first(*ADDRESS), "remote"
        with_port = f"{address}:{port}" if port not in ("", "80", "443") else address
        name = first(*PEER) or (with_port if address else "")
    return name, type_ if name else ""
