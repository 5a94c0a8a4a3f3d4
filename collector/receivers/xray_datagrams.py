"""What a datagram to the X-Ray daemon holds (specification of X-Ray, 2.1 and 2.3). Pure.

A header line, then a segment document, or OTLP in base64 as AWS's distribution of OpenTelemetry sends it.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from typing import Literal, NamedTuple

import orjson
from google.protobuf.message import DecodeError

from collector.batch import Signal
from collector.errors import Rejected
from collector.receivers.otlp_descriptors import REQUESTS
from collector.receivers.reasons import MALFORMED_DATAGRAM

Kind = Literal["document", "traces", "metrics"]

_USUAL_HEADERS = frozenset(
    {b'{"format":"json","version":1}', b'{"format": "json", "version": 1}', b'{"format":"json","version":1} '}
)
_OTLP: tuple[tuple[bytes, Kind], ...] = ((b"T1S", "traces"), (b"T1U", "traces"), (b"M1", "metrics"))
"""Sampled traces, unsampled ones, metrics."""


class Content(NamedTuple):
    """kind 'document': `payload` is a segment document's text; else a request in OTLP of that signal."""

    kind: Kind
    payload: bytes


def parse(datagram: bytes) -> Content:
    """A datagram's content. Raises Rejected."""
    header, newline, body = datagram.partition(b"\n")
    if header not in _USUAL_HEADERS:
        _check_header(header)
    first = body[:1]
    if first == b"{":
        return Content("document", body)
    stripped = body.strip()
    if not newline or not stripped:
        raise Rejected(MALFORMED_DATAGRAM, "there is nothing after the header line")
    if stripped[:1] in {b"{", b"["}:
        return Content("document", stripped)
    for prefix, kind in _OTLP:
        if stripped.startswith(prefix):
            return Content(kind, _unpacked(stripped[len(prefix) :]))
    raise Rejected(MALFORMED_DATAGRAM, "neither a JSON document nor T1S, T1U or M1 follows the header line")


def _check_header(header: bytes) -> None:
    """As the daemon does: `format` is json in any case, `version` is 1."""
    try:
        fields = orjson.loads(header)
    except orjson.JSONDecodeError as error:
        raise Rejected(MALFORMED_DATAGRAM, "the header line is not JSON") from error
    given = fields if isinstance(fields, dict) else {}
    if str(given.get("format", "")).lower() != "json" or given.get("version") != 1:
        raise Rejected(MALFORMED_DATAGRAM, 'the header line is not {"format":"json","version":1}')


def _unpacked(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise Rejected(MALFORMED_DATAGRAM, f"the base64 is damaged: {error}") from error


def documents_request(documents: Sequence[bytes]) -> bytes:
    """Documents as one body of PutTraceSegments. What is not UTF-8 becomes U+FFFD, as with AWS's daemon."""
    return orjson.dumps({"TraceSegmentDocuments": [text.decode("utf-8", "replace") for text in documents]})


def joined(signal: Signal, payloads: Sequence[bytes]) -> list[bytes]:
    """Requests in OTLP as few requests: one after the other is one message. Doubtful ones stay alone."""
    sound: list[bytes] = []
    doubtful: list[bytes] = []
    for payload in payloads:
        try:
            REQUESTS[signal].FromString(payload)
            sound.append(payload)
        except DecodeError:
            doubtful.append(payload)
    return [b"".join(sound), *doubtful] if sound else doubtful
