"""X-Ray's two operations that take telemetry: PutTraceSegments and PutTelemetryRecords.

Documents go to the pipeline as they came and are answered once they are committed; what was refused of them
is told one by one, and the call succeeds all the same (specification of X-Ray, 1.10).
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from collector.batch import Signal
from collector.request import Request
from collector.storage.control_agents import Report, record_report
from dashboard.aws.call import Call, Members, Operations, Parts, Raw

RECEIVER = "xray_http"
SIGNAL: Signal = "traces"

_MOST = 2**53
_COUNTS = {
    "received": "SegmentsReceivedCount",
    "sent": "SegmentsSentCount",
    "spilled": "SegmentsSpilloverCount",
    "rejected": "SegmentsRejectedCount",
}


def put_trace_segments(parts: Parts, call: Call, body: bytes) -> Members:
    """Store documents. Raises Rejected when the body is no list of them, Overloaded to have it sent again."""
    request = Request(SIGNAL, body, call.tenant, receiver=RECEIVER, sender=call.source, format="xray")
    refused = parts.accept(request).unprocessed
    unprocessed = []
    for each in refused:
        told = {"ErrorCode": each.code, "Message": each.message}
        unprocessed.append({"Id": each.id, **told} if each.id else told)
    return {"UnprocessedTraceSegments": unprocessed}


def put_telemetry_records(parts: Parts, call: Call, members: Members) -> Members:
    """Add what a daemon did since its last report to what is known of it."""
    sums: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for record in members["TelemetryRecords"]:
        sums.update({name: _count(record.get(member)) for name, member in _COUNTS.items()})
        failed = record.get("BackendConnectionErrors") or {}
        errors.update({kind.removesuffix("Count"): _count(count) for kind, count in failed.items()})
    report = Report(
        call.tenant,
        members.get("Hostname") or "",
        members.get("EC2InstanceId") or "",
        members.get("ResourceARN") or "",
        errors={kind: count for kind, count in errors.items() if count},
        **sums,
    )
    record_report(parts.control, report, call.now_ns)
    return {}


def _count(value: Any) -> int:
    """A count, 0 when it was not sent; one that cannot be is cut."""
    return min(max(int(value or 0), 0), _MOST)


OPERATIONS: Operations = {
    "PutTraceSegments": Raw(put_trace_segments, RECEIVER, SIGNAL),
    "PutTelemetryRecords": put_telemetry_records,
}
