"""The decoder that the pipeline gets: requests in OTLP and in X-Ray's form side by side, in one batch.

A group that has only OTLP in it goes straight to its decoder.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from collector.batch import Batch, Signal
from collector.receivers.otlp import OtlpDecoder
from collector.receivers.xray import XrayDecoder
from collector.request import Decoded, Decoder, Format, Outcome, Request


class FormatsDecoder:
    """Decodes each request by its format. One for each thread: it has no lock."""

    def __init__(self) -> None:
        self._decoders: dict[Format, Decoder] = {"otlp": OtlpDecoder(), "xray": XrayDecoder()}

    def __call__(self, signal: Signal, requests: Sequence[Request], now_ns: int) -> Decoded:
        """Decode requests of one signal into one batch; an outcome for each, in their order."""
        formats = {request.format for request in requests}
        if len(formats) <= 1:
            return self._decoders[formats.pop() if formats else "otlp"](signal, requests, now_ns)
        outcomes: dict[int, Outcome] = {}
        batches: list[Batch] = []
        for name in sorted(formats):
            places = [place for place, request in enumerate(requests) if request.format == name]
            decoded = self._decoders[name](signal, [requests[place] for place in places], now_ns)
            batches.append(decoded.batch)
            outcomes.update(zip(places, decoded.outcomes, strict=True))
        return Decoded(_joined(signal, batches), [outcomes[place] for place in range(len(requests))])


def _joined(signal: Signal, batches: Sequence[Batch]) -> Batch:
    """One batch of several. What a name stands for may be in it twice; the store names it once."""
    names = dict.fromkeys(name for batch in batches for name in batch.tables)
    tables = {
        name: pa.concat_tables([batch.tables[name] for batch in batches if name in batch.tables])
        for name in names
    }
    return Batch(signal, tables, sum(batch.size for batch in batches))
