"""OTLP requests -> batches of columns. Pure: bytes and a time in, values out; no sockets, no store.

Several requests of one signal are decoded in one call. What cannot be decoded at all is told to its own
request; what is wrong with an item is told to its request with a reason; nothing else is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import pyarrow as pa
from google.protobuf.message import DecodeError

from collector.batch import Signal
from collector.errors import Rejected
from collector.receivers.otlp_attributes import Ambiguous, Memories, NotText
from collector.receivers.otlp_descriptors import columns
from collector.receivers.otlp_items import Group, Items, batch_of, outcomes
from collector.receivers.otlp_logs import decode_logs
from collector.receivers.otlp_metrics import decode_metrics
from collector.receivers.otlp_parts import check_size
from collector.receivers.otlp_repair import merged, repaired
from collector.receivers.otlp_traces import decode_traces
from collector.receivers.reasons import MALFORMED_REQUEST
from collector.request import Decoded, Outcome, Request

_Decode: TypeAlias = Callable[[pa.RecordBatch, Group], Items]

_SIGNALS: dict[Signal, _Decode] = {"traces": decode_traces, "logs": decode_logs, "metrics": decode_metrics}


class _Unreadable(Exception):
    """Some request is not a message of its signal, or has a text that is not UTF-8."""


class OtlpDecoder:
    """Decodes requests; what it remembers from call to call is bounded and only a shortcut.

    One for each thread: it has no lock.
    """

    def __init__(self) -> None:
        self._memories = Memories()

    def __call__(self, signal: Signal, requests: Sequence[Request], now_ns: int) -> Decoded:
        """Decode requests of one signal into one batch; an outcome for each, in their order.

        now_ns: nanoseconds since the epoch, for what was sent without a time.
        """
        errors: dict[int, Rejected] = {}
        repairs: dict[int, int] = {}
        group = [_sized(signal, request, errors, place) for place, request in enumerate(requests)]
        try:
            items = self._decode(signal, group, now_ns)
        except (_Unreadable, Ambiguous, NotText):
            for place, request in enumerate(group):
                try:
                    payload, repairs[place] = self._readable(signal, request, now_ns)
                except DecodeError as error:
                    errors[place] = Rejected(MALFORMED_REQUEST, f"not an OTLP {signal} request: {error}")
                    payload = b""
                group[place] = replace(request, payload=payload)
            items = self._decode(signal, group, now_ns)
        answers = outcomes(signal, items, len(group), {place: n for place, n in repairs.items() if n})
        for place, rejected in errors.items():
            answers[place] = Outcome(error=rejected, message=str(rejected))
        return Decoded(batch_of(signal, items, sum(len(request.payload) for request in group)), answers)

    def _decode(self, signal: Signal, requests: Sequence[Request], now_ns: int) -> Items:
        """All requests in one call. Raises _Unreadable, Ambiguous or NotText when one needs the slow way."""
        try:
            batch = columns(signal).list_to_record_batch([request.payload for request in requests])
        except ValueError as error:
            raise _Unreadable from error
        return _SIGNALS[signal](batch, Group(requests, self._memories, now_ns))

    def _readable(self, signal: Signal, request: Request, now_ns: int) -> tuple[bytes, int]:
        """The request in a form that can be decoded with others, and how many of its texts were repaired.

        Raises DecodeError.
        """
        try:
            self._decode(signal, [request], now_ns)
        except Ambiguous:
            return merged(signal, request.payload), 0
        except (_Unreadable, NotText):
            return repaired(signal, request.payload)
        return request.payload, 0


def _sized(signal: Signal, request: Request, errors: dict[int, Rejected], place: int) -> Request:
    """The request, or an empty one in its place when it is too much to look at."""
    try:
        check_size(signal, request.payload)
    except Rejected as error:
        errors[place] = error
        return replace(request, payload=b"")
    return request
