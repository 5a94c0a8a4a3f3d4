"""What a processor is, and a decoder that ends with some of them.

A processor is handed what was decoded of several requests and may change rows and leave some out; it keeps
every request's Outcome true: received = stored + refused + sampled out. What it remembers is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from collector.batch import Signal
from collector.request import Decoded, Decoder, Request


class Processor(Protocol):
    """One step. It is called from one thread, that of its signal's decoder."""

    def __call__(self, signal: Signal, requests: Sequence[Request], decoded: Decoded, now_ns: int) -> Decoded:
        """The same requests, processed. Rows stand in the order of their requests, as decoders leave them."""
        ...


@dataclass(frozen=True, slots=True)
class Processing:
    """A decoder and the processors behind it, in their order."""

    decode: Decoder
    processors: Sequence[Processor]

    def __call__(self, signal: Signal, requests: Sequence[Request], now_ns: int) -> Decoded:
        """As Decoder."""
        decoded = self.decode(signal, requests, now_ns)
        for process in self.processors:
            decoded = process(signal, requests, decoded, now_ns)
        return decoded
