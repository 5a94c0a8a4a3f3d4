"""X-Ray documents for tests, and what the decoder makes of them as plain values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collector.attributes import split
from collector.receivers.formats import FormatsDecoder
from collector.request import Decoded, Outcome, Request

TRACE = "1-581cf771-a006649127e371903a2de979"
HALVES = (0x581CF771A0066491, 0x27E371903A2DE979)
ID, SUB, DEEP = "70de5b6f19ff9a0a", "1234567890abcdef", "fedcba0987654321"
START, END = 1478293361.271, 1478293361.449
NOW = 1_478_293_362 * 10**9


def segment(**fields: Any) -> dict[str, Any]:
    """A minimal complete segment, with more or other fields; None takes one away."""
    whole = {"name": "shop", "id": ID, "trace_id": TRACE, "start_time": START, "end_time": END, **fields}
    return {name: value for name, value in whole.items() if value is not None}


def subsegment(**fields: Any) -> dict[str, Any]:
    """A subsegment as it stands embedded."""
    whole = {"name": "work", "id": SUB, "start_time": START, "end_time": END, **fields}
    return {name: value for name, value in whole.items() if value is not None}


def alone(**fields: Any) -> dict[str, Any]:
    """A subsegment as it is sent alone."""
    return subsegment(**{"type": "subsegment", "trace_id": TRACE, "parent_id": ID, **fields})


def body(documents: Iterable[Any]) -> bytes:
    """A body of PutTraceSegments; texts are taken as they are."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in documents]
    return json.dumps({"TraceSegmentDocuments": texts}).encode()


def request(*documents: Any, tenant: int = 0) -> Request:
    return Request("traces", body(documents), tenant, format="xray")


@dataclass(frozen=True)
class Found:
    """What became of some documents."""

    decoded: Decoded

    @property
    def outcome(self) -> Outcome:
        """Of the only request."""
        (outcome,) = self.decoded.outcomes
        return outcome

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table, their attributes under 'attributes' by key."""
        tables = self.decoded.batch.tables
        if table not in tables:
            return []
        shapes = {row["shape"]: row for row in tables["shapes"].to_pylist()} if "shapes" in tables else {}
        rows: list[dict[str, Any]] = tables[table].to_pylist()
        for row in rows:
            if "shape" in row:
                shape = shapes.get(row["shape"], {"keys": (), "types": ""}) if row["shape"] else {}
                row["attributes"] = split(shape.get("keys", ()), shape.get("types", ""), row["attrs"])
                row["types"] = dict(zip(shape.get("keys", ()), shape.get("types", ""), strict=True))
        return rows

    @property
    def span(self) -> dict[str, Any]:
        """The first span."""
        return self.rows("spans")[0]

    def named(self, name: str) -> dict[str, Any]:
        """The span of this name."""
        (row,) = [row for row in self.rows("spans") if row["name"] == name]
        return row

    @property
    def resource(self) -> Mapping[str, Any]:
        """The resource of the first span."""
        wanted = self.span["resource_id"]
        (row,) = [row for row in self.rows("resources") if row["resource_id"] == wanted]
        return row


def decode(*documents: Any, tenant: int = 0, decoder: FormatsDecoder | None = None) -> Found:
    """What the decoder makes of one request with these documents."""
    return decode_all([request(*documents, tenant=tenant)], decoder)


def decode_all(requests: Sequence[Request], decoder: FormatsDecoder | None = None) -> Found:
    """The same for several requests in one group."""
    return Found((decoder or FormatsDecoder())("traces", requests, NOW))
