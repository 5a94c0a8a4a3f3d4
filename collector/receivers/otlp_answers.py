"""The answers of an OTLP server, as values: the export responses and google.rpc.Status with its details.

Pure: handed an Outcome or an error, gives back messages. Both transports answer from here, so that a
failure means the same on either (OTLP 1.11.0, "OTLP/gRPC Response" and "OTLP/HTTP Response").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import orjson
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb2

from collector.accounting import (
    INCOMPLETE,
    INTERNAL,
    OVERLOADED,
    PERMISSION_DENIED,
    TOO_LARGE,
    UNAUTHENTICATED,
    UNSUPPORTED_ENCODING,
    UNSUPPORTED_TYPE,
)
from collector.batch import Signal
from collector.errors import Overloaded, PermissionDenied, RaywatchError, Rejected, Unauthenticated
from collector.quiet import printable
from collector.request import Outcome

MAX_MESSAGE = 2_000
"""Characters of the text beside a partial success; it keeps every answer far below 4 MiB."""
MAX_ERROR = 500
"""Characters of an error's text; gRPC sends it in headers, three times, and clients take 16 KiB of those."""


@dataclass(frozen=True, slots=True)
class Code:
    """One failure in both protocols: the google.rpc (= gRPC) code and the HTTP status."""

    rpc: int
    http: int


_UNAVAILABLE = Code(code_pb2.UNAVAILABLE, 503)
_INVALID = Code(code_pb2.INVALID_ARGUMENT, 400)
_CODES: dict[str, Code] = {
    OVERLOADED: _UNAVAILABLE,
    TOO_LARGE: Code(code_pb2.RESOURCE_EXHAUSTED, 413),
    INCOMPLETE: Code(code_pb2.INVALID_ARGUMENT, 400),
    UNSUPPORTED_TYPE: Code(code_pb2.INVALID_ARGUMENT, 415),
    UNSUPPORTED_ENCODING: Code(code_pb2.UNIMPLEMENTED, 415),
    UNAUTHENTICATED: Code(code_pb2.UNAUTHENTICATED, 401),
    PERMISSION_DENIED: Code(code_pb2.PERMISSION_DENIED, 403),
    INTERNAL: Code(code_pb2.INTERNAL, 500),
}


def reason_of(error: RaywatchError) -> str:
    """The name under which a failure is counted."""
    match error:
        case Rejected():
            return error.reason
        case Overloaded():
            return OVERLOADED
        case Unauthenticated():
            return UNAUTHENTICATED
        case PermissionDenied():
            return PERMISSION_DENIED
    return INTERNAL


def code_of(error: RaywatchError) -> Code:
    """Its codes; what is not in the table cannot be decoded and is the sender's mistake."""
    return _CODES.get(reason_of(error), _INVALID)


def retry_seconds(error: RaywatchError) -> int | None:
    """After how many whole seconds another try makes sense; None when it never does."""
    return max(1, math.ceil(error.retry_after)) if isinstance(error, Overloaded) else None


def status(error: RaywatchError) -> status_pb2.Status:
    """The failure as google.rpc.Status: BadRequest says what was wrong, RetryInfo when to come again."""
    code, text = code_of(error), _text(error)
    message = status_pb2.Status(code=code.rpc, message=text)
    if (seconds := retry_seconds(error)) is not None:
        retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=seconds))
        message.details.append(_any(retry))
    elif code.rpc == code_pb2.INVALID_ARGUMENT:
        violation = error_details_pb2.BadRequest.FieldViolation(description=text)
        message.details.append(_any(error_details_pb2.BadRequest(field_violations=[violation])))
    return message


def status_json(error: RaywatchError) -> bytes:
    """The same as protobuf's JSON."""
    code, text = code_of(error), _text(error)
    details: list[dict[str, object]] = []
    if (seconds := retry_seconds(error)) is not None:
        details = [{"@type": _TYPE + "RetryInfo", "retryDelay": f"{seconds}s"}]
    elif code.rpc == code_pb2.INVALID_ARGUMENT:
        details = [{"@type": _TYPE + "BadRequest", "fieldViolations": [{"description": text}]}]
    return orjson.dumps({"code": code.rpc, "message": text, "details": details})


def response(signal: Signal, outcome: Outcome) -> bytes:
    """The Export…ServiceResponse; `partial_success` is set only when there is something to say."""
    rejected, text = outcome.rejected, printable(outcome.message, MAX_MESSAGE)
    if not rejected and not text:
        return b""
    match signal:
        case "traces":
            traces = trace_pb2.ExportTracePartialSuccess(rejected_spans=rejected, error_message=text)
            return trace_pb2.ExportTraceServiceResponse(partial_success=traces).SerializeToString()
        case "logs":
            logs = logs_pb2.ExportLogsPartialSuccess(rejected_log_records=rejected, error_message=text)
            return logs_pb2.ExportLogsServiceResponse(partial_success=logs).SerializeToString()
        case "metrics":
            points = metrics_pb2.ExportMetricsPartialSuccess(
                rejected_data_points=rejected, error_message=text
            )
            return metrics_pb2.ExportMetricsServiceResponse(partial_success=points).SerializeToString()


def response_json(signal: Signal, outcome: Outcome) -> bytes:
    """The same as protobuf's JSON: 64-bit integers are strings, fields with their default are left out."""
    rejected, text = outcome.rejected, printable(outcome.message, MAX_MESSAGE)
    if not rejected and not text:
        return b"{}"
    partial: dict[str, str] = {_REJECTED[signal]: str(rejected)} if rejected else {}
    if text:
        partial["errorMessage"] = text
    return orjson.dumps({"partialSuccess": partial})


_TYPE = "type.googleapis.com/google.rpc."
_REJECTED: dict[Signal, str] = {
    "traces": "rejectedSpans",
    "logs": "rejectedLogRecords",
    "metrics": "rejectedDataPoints",
}


def _text(error: RaywatchError) -> str:
    return printable(str(error), MAX_ERROR)


def _any(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed
