"""Spans as plain values, and the batch of a store made from them: for the tests of questions about traces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from collector.attributes import AttributeSet, Value, digest, join
from collector.batch import Batch
from tests.storing import NOON, batch

MS = 1_000_000
OUTCOMES = ("ok", "error", "throttle", "fault")
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True)
class Made:
    """A span as a test writes it: start in milliseconds after NOON, duration in milliseconds."""

    trace: int
    id: int
    parent: int = 0
    start: float = 0
    duration: float = 10
    service: str = "shop"
    name: str = "GET /"
    kind: str = "server"
    outcome: str = "ok"
    message: str = ""
    method: str = ""
    status: int = 0
    peer: str = ""
    peer_type: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    resource: Mapping[str, Value] = field(default_factory=dict)
    events: Sequence[Mapping[str, Any]] = ()
    links: Sequence[tuple[int, int]] = ()
    tenant: int = 0
    in_progress: bool = False

    def but(self, **changes: Any) -> Made:
        """The same span with changes."""
        return replace(self, **changes)

    @property
    def start_ns(self) -> int:
        return NOON + round(self.start * MS)

    @property
    def duration_ns(self) -> int:
        return round(self.duration * MS)

    @property
    def trace_hi(self) -> int:
        return digest(str(self.trace).encode())

    @property
    def trace_id(self) -> str:
        return trace_id(self.trace)


def trace_id(number: int) -> str:
    """The text of the id of the trace that tests know by this number."""
    return f"{digest(str(number).encode()):016x}{number:016x}"


def span_id(number: int) -> str:
    """The text of a span's id."""
    return f"{number:016x}"


def resource_of(span: Made) -> tuple[dict[str, Any], AttributeSet]:
    """The row of a span's resource, and its attributes."""
    named = {"service.name": span.service, **span.resource}
    own = join(named)
    row = {
        "service": span.service, "namespace": named.get("service.namespace", ""),
        "version": named.get("service.version", ""), "instance": named.get("service.instance.id", ""),
        "language": named.get("telemetry.sdk.language", ""),
        "environment": named.get("deployment.environment.name", ""), "shape": own.shape, "attrs": own.attrs,
    }  # fmt: skip
    return {"resource_id": digest(repr(sorted(row.items())).encode()), **row}, own


def traces_batch(spans: Iterable[Made]) -> Batch:
    """The spans with everything they name, as one batch."""
    tables: dict[str, Any] = {"spans": [], "span_events": [], "span_links": []}
    sets: dict[int, AttributeSet] = {}
    resources: dict[int, dict[str, Any]] = {}
    for span in spans:
        own = join(span.attributes)
        resource, of_resource = resource_of(span)
        resources[resource["resource_id"]] = resource
        sets |= {each.shape: each for each in (own, of_resource) if each.shape}
        ids = {"tenant": span.tenant, "trace_hi": span.trace_hi, "trace_lo": span.trace, "span_id": span.id}
        tables["spans"].append(
            {
                **ids, "parent_id": span.parent, "start_ns": span.start_ns, "duration_ns": span.duration_ns,
                "service": span.service, "name": span.name, "kind": KINDS.index(span.kind),
                "outcome": OUTCOMES.index(span.outcome), "status": 2 if span.outcome == "fault" else 0,
                "status_message": span.message, "http_method": span.method, "http_status": span.status,
                "peer": span.peer, "peer_type": span.peer_type, "resource_id": resource["resource_id"],
                "scope_id": 7, "shape": own.shape, "attrs": own.attrs, "in_progress": span.in_progress,
            }
        )  # fmt: skip
        for event in span.events:
            of_event = join(event.get("attributes", {}))
            sets |= {of_event.shape: of_event} if of_event.shape else {}
            tables["span_events"].append(
                {
                    **ids, "span_start_ns": span.start_ns, "time_ns": span.start_ns + event.get("at", 0),
                    "name": event.get("name", "exception"), "exception_type": event.get("type", ""),
                    "shape": of_event.shape, "attrs": of_event.attrs,
                }
            )  # fmt: skip
        for trace, linked in span.links:
            tables["span_links"].append(
                {
                    **ids, "span_start_ns": span.start_ns, "linked_trace_hi": digest(str(trace).encode()),
                    "linked_trace_lo": trace, "linked_span_id": linked,
                }
            )  # fmt: skip
    shapes = [{"shape": each.shape, "keys": list(each.keys), "types": each.types} for each in sets.values()]
    return batch(
        "traces", **tables, resources=list(resources.values()), shapes=shapes,
        scopes=[{"scope_id": 7, "name": "tests", "version": "1"}],
    )  # fmt: skip
