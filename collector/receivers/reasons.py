"""Why an item or a request is refused: the names under which it is counted, and what a person reads.

Every reason that a decoder gives stands here; the page about ingest shows the sentence beside the count.
"""

from __future__ import annotations

from typing import Final

MALFORMED_REQUEST: Final = "malformed_request"
TOO_MANY_PARTS: Final = "too_many_parts"
INVALID_TRACE_ID: Final = "invalid_trace_id"
INVALID_SPAN_ID: Final = "invalid_span_id"
INVALID_PARENT_ID: Final = "invalid_parent_id"
TIME_OUT_OF_RANGE: Final = "time_out_of_range"
TOO_MANY_ATTRIBUTES: Final = "too_many_attributes"
ATTRIBUTE_TOO_LONG: Final = "attribute_too_long"
ATTRIBUTE_KEY_TOO_LONG: Final = "attribute_key_too_long"
TEXT_TOO_LONG: Final = "text_too_long"
NESTED_TOO_DEEP: Final = "nested_too_deep"
MALFORMED_VALUE: Final = "malformed_value"
MALFORMED_POINT: Final = "malformed_point"
TOO_MANY_BUCKETS: Final = "too_many_buckets"
INVALID_UTF8: Final = "invalid_utf8"
INVALID_LINKED_ID: Final = "invalid_linked_id"
MALFORMED_DOCUMENT: Final = "malformed_document"
DOCUMENT_TOO_LARGE: Final = "document_too_large"
MISSING_ID: Final = "missing_id"
MISSING_TRACE_ID: Final = "missing_trace_id"
MISSING_NAME: Final = "missing_name"
INVALID_NAME: Final = "invalid_name"
MISSING_START_TIME: Final = "missing_start_time"
MISSING_END_TIME: Final = "missing_end_time"
INVALID_TIME: Final = "invalid_time"
MISSING_PARENT_ID: Final = "missing_parent_id"
ANNOTATION_LEFT_OUT: Final = "annotation_left_out"
MALFORMED_DATAGRAM: Final = "malformed_datagram"
KERNEL_DROPPED: Final = "kernel_dropped"

MAX_ATTRIBUTES: Final = 1_000
MAX_VALUE_BYTES: Final = 1 << 20
MAX_KEY_BYTES: Final = 4 << 10
MAX_BUCKETS: Final = 16_384
MAX_NESTING: Final = 50
MAX_PARTS: Final = 4_000_000
MAX_DOCUMENT_BYTES: Final = 64 << 10
MAX_DOCUMENTS: Final = 100_000
MAX_ANNOTATIONS: Final = 1_000

REASONS: Final[dict[str, str]] = {
    MALFORMED_REQUEST: "the request is not a message of its signal",
    TOO_MANY_PARTS: f"the request has more than {MAX_PARTS:,} spans, attributes and other parts",
    INVALID_TRACE_ID: "the trace id is not 16 bytes (in X-Ray 1-, 8 and 24 hex digits) or is all zero",
    INVALID_SPAN_ID: "the span id is not 8 bytes (in X-Ray 16 hex digits) or is all zero",
    INVALID_PARENT_ID: "the parent span id is neither absent nor 8 bytes (in X-Ray 16 hex digits)",
    TIME_OUT_OF_RANGE: "a time does not fit 63 bits of nanoseconds (after the year 2262)",
    TOO_MANY_ATTRIBUTES: f"more than {MAX_ATTRIBUTES:,} attributes",
    ATTRIBUTE_TOO_LONG: f"an attribute value or a body is longer than {MAX_VALUE_BYTES:,} bytes",
    ATTRIBUTE_KEY_TOO_LONG: f"an attribute key is longer than {MAX_KEY_BYTES:,} bytes",
    TEXT_TOO_LONG: f"a name or another text is longer than {MAX_VALUE_BYTES:,} bytes",
    NESTED_TOO_DEEP: f"an attribute value or a body has more than {MAX_NESTING} arrays or maps in each other",
    MALFORMED_VALUE: "the bytes of an array or a map in an attribute value or a body are malformed",
    MALFORMED_POINT: "a data point has no value, or its buckets do not fit its bounds",
    TOO_MANY_BUCKETS: f"a data point has more than {MAX_BUCKETS:,} buckets or quantiles",
    MALFORMED_DOCUMENT: "a segment document is not a JSON object",
    DOCUMENT_TOO_LARGE: f"a segment document is larger than {MAX_DOCUMENT_BYTES:,} bytes",
    MISSING_ID: "a segment or subsegment has no id",
    MISSING_TRACE_ID: "a segment document has no trace_id",
    MISSING_NAME: "a segment or subsegment has no name",
    INVALID_NAME: "a segment's name is longer than 200 characters or has others than letters, digits, blanks"
    " and _.:/%&#=+-@",
    MISSING_START_TIME: "a segment or subsegment has no start_time",
    MISSING_END_TIME: "a segment document has neither end_time nor in_progress",
    INVALID_TIME: "a segment's time is not a number of seconds since 1970 before 2262; milliseconds are not",
    MISSING_PARENT_ID: "a subsegment that is sent alone has no parent_id",
    MALFORMED_DATAGRAM: "a datagram is not the daemon's header line and then a document, or OTLP in base64",
    KERNEL_DROPPED: "the system had no room for a datagram; a larger net.core.rmem_max gives it some",
}
"""Reason -> what it means, for items and requests that are refused."""

WARNINGS: Final[dict[str, str]] = {
    INVALID_UTF8: "a text was not UTF-8; what could not be read is now U+FFFD",
    INVALID_LINKED_ID: "the id on a log record, a link or an exemplar had a wrong length and was left out",
    ANNOTATION_LEFT_OUT: "an annotation was no string, number or boolean, had a key over 500 characters or"
    f" was one of more than {MAX_ANNOTATIONS:,}; it stands in the original document only",
}
"""Reason -> what it means, for items that were accepted all the same."""
