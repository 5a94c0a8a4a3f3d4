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
from collector.receivers.otlp_attributes import Ambiguous, Memories
from collector.receivers.otlp_descriptors import columns
from collector.receivers.otlp_items import Group, Items, batch_of, outcomes
from collector.receivers.otlp_logs import decode_logs
from collector.receivers.otlp_metrics import decode_metrics
from collector.receivers.otlp_repair import merged, repaired
from collector.receivers.otlp_traces import decode_traces
from collector.receivers.reasons import MALFORMED_REQUEST
from collector.request import Decoded, Outcome, Request

_Decode: TypeAlias = Callable[[pa.RecordBatch, Group], Items]

_SIGNALS: dict[Signal, _Decode] = {"traces": decode_traces, "logs": decode_logs, "metrics": decode_metrics}


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
        requests = list(requests)
        errors: dict[int, Rejected] = {}
        texts: dict[int, int] = {}
        try:
            items = self._decode(signal, requests, now_ns)
        except (ValueError, Ambiguous):
            for place, request in enumerate(requests):
                try:
                    payload, repairs = self._readable(signal, request, now_ns)
                except DecodeError as error:
                    errors[place] = Rejected(MALFORMED_REQUEST, f"not an OTLP {signal} request: {error}")
                    payload, repairs = b"", 0
                requests[place] = replace(request, payload=payload)
                if repairs:
                    texts[place] = repairs
            items = self._decode(signal, requests, now_ns)
        answers = outcomes(signal, items, len(requests), texts)
        for place, rejected in errors.items():
            answers[place] = Outcome(error=rejected, message=str(rejected))
        return Decoded(batch_of(signal, items, sum(len(request.payload) for request in requests)), answers)

    def _decode(self, signal: Signal, requests: Sequence[Request], now_ns: int) -> Items:
        batch = columns(signal).list_to_record_batch([request.payload for request in requests])
        return _SIGNALS[signal](batch, Group(requests, self._memories, now_ns))

    def _readable(self, signal: Signal, request: Request, now_ns: int) -> tuple[bytes, int]:
        """The request in a form that can be decoded with others, and how many texts were repaired for it."""
        try:
            self._decode(signal, [request], now_ns)
        except Ambiguous:
            return merged(signal, request.payload), 0
        except ValueError:
            return repaired(signal, request.payload)
        return request.payload, 0
