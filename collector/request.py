"""What travels between a receiver, the decoder and the pipeline: one request and what became of it.

A receiver builds a Request from its socket, the decoder answers several of them with one batch and an
Outcome each, and the receiver turns its Outcome into its protocol's answer once the batch is committed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from collector.batch import Batch, Signal
from collector.errors import Rejected

Format = Literal["otlp", "xray"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request, inflated. format 'otlp': protobuf, an `Export…ServiceRequest` of its signal. 'xray': the
    JSON object of PutTraceSegments, `{"TraceSegmentDocuments": [text, …]}`; its signal is traces.

    hints: lower-case header names that say where its items go: x-aws-log-group, x-aws-log-stream,
    x-aws-metric-namespace.
    receiver, sender: under which it is counted, e.g. 'otlp_grpc' and '127.0.0.1'.
    """

    signal: Signal
    payload: bytes
    tenant: int = 0
    hints: Mapping[str, str] = field(default_factory=dict)
    receiver: str = ""
    sender: str = ""
    format: Format = "otlp"


@dataclass(frozen=True, slots=True)
class Unprocessed:
    """An X-Ray document that was refused. id: '' when it has none. code: X-Ray's, e.g. 'InvalidTraceId'."""

    id: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request's items.

    refused: reason (collector.receivers.reasons) -> items. sampled_out: items left out on purpose, which
    is no refusal. message: an English sentence for the sender, '' when nothing was refused. error: set
    when the whole request cannot be decoded; then nothing of it is in the batch. warnings: reason -> how
    often something was put right in what was accepted. unprocessed: for X-Ray, every refused document.
    """

    accepted: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    message: str = ""
    error: Rejected | None = None
    sampled_out: int = 0
    warnings: Mapping[str, int] = field(default_factory=dict)
    unprocessed: Sequence[Unprocessed] = ()

    @property
    def rejected(self) -> int:
        """How many items were refused."""
        return sum(self.refused.values())


@dataclass(frozen=True, slots=True)
class Decoded:
    """Several requests as one batch, and an outcome for each request, in their order."""

    batch: Batch
    outcomes: Sequence[Outcome]


class Decoder(Protocol):
    """Turns requests of one signal into columns; pure but for bounded caches."""

    def __call__(self, signal: Signal, requests: Sequence[Request], now_ns: int) -> Decoded:
        """Decode requests of the signal; `now_ns` stands in for a time that was not sent."""
        ...
