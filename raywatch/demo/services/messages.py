"""A client of the orders queue, instrumented by hand as the messaging conventions ask.

The sender's span context travels inside the message. The receiver does not continue that trace: it may handle
messages of many senders at once, so it starts a trace of its own and links to theirs.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.trace import Link, SpanKind

from raywatch.demo.services.context import Context

NAME = "orders"
_HOST = "orders-queue.shop.internal"

tracer = trace.get_tracer("shop.queue")


def _attributes(operation: str, kind: str) -> dict[str, str]:
    return {
        "messaging.system": "shopqueue",
        "messaging.destination.name": NAME,
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        "server.address": _HOST,
    }


class Queue:
    """Sends to and receives from the broker."""

    def __init__(self, context: Context) -> None:
        self._addresses = context.addresses

    def send(self, event: str, body: Mapping[str, object]) -> None:
        """Puts a message in; raises OSError when the broker cannot be reached."""
        with tracer.start_as_current_span(f"send {NAME}", kind=SpanKind.PRODUCER) as span:
            span.set_attributes({**_attributes("send", "send"), "shop.event": event})
            headers: dict[str, str] = {}
            propagate.inject(headers)
            message = {"headers": headers, "event": event, "body": body}
            number = self._request("/messages", json.dumps(message).encode())["id"]
            span.set_attribute("messaging.message.id", str(number))

    def receive(self) -> list[Any]:
        """Takes some messages out; waits a moment for the first one."""
        return list(self._request("/messages"))

    def depth(self) -> tuple[int, float]:
        """Messages waiting, and the seconds that the oldest has waited."""
        answer = self._request("/depth")
        return answer["messages"], answer["oldest"]

    def _request(self, path: str, body: bytes | None = None) -> Any:
        url = f"http://127.0.0.1:{self._addresses[_HOST]}{path}"
        with urllib.request.urlopen(url, data=body, timeout=5) as answer:
            return json.load(answer)


def process(message: Any) -> trace.Span:
    """The span in which a received message is handled, linked to the one that sent it."""
    sender = trace.get_current_span(propagate.extract(message["headers"])).get_span_context()
    return tracer.start_span(
        f"process {NAME}",
        kind=SpanKind.CONSUMER,
        links=[Link(sender)] if sender.is_valid else [],
        attributes={**_attributes("process", "process"), "shop.event": message["event"]},
    )
