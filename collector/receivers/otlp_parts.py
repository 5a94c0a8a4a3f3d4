"""How many parts a large request has, found before it is decoded: two bytes of it may cost a hundred.

Looks at one level of messages at a time and stops at the limit, so that counting is cheap in memory itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from collector.batch import Signal
from collector.errors import Rejected
from collector.receivers.otlp_descriptors import REQUESTS, messages_inside, one_level
from collector.receivers.reasons import MALFORMED_REQUEST, MAX_PARTS, REASONS, TOO_MANY_PARTS


def check_size(signal: Signal, payload: bytes) -> None:
    """Raise Rejected for a request of more than MAX_PARTS messages, or a large one that is malformed."""
    if len(payload) <= 2 * MAX_PARTS:
        return  # a part takes two bytes at least
    waiting: list[tuple[str, Sequence[bytes]]] = [(REQUESTS[signal].DESCRIPTOR.full_name, [payload])]
    parts = 0
    while waiting:
        name, messages = waiting.pop()
        try:
            level = one_level(name).list_to_record_batch(messages)
        except ValueError as error:
            raise Rejected(MALFORMED_REQUEST, f"not an OTLP {signal} request: {error}") from error
        for field, inner in messages_inside(name).items():
            column = level.column(field)
            values = column.flatten() if pa.types.is_list(column.type) else column.drop_null()
            parts += len(values)
            if parts > MAX_PARTS:
                raise Rejected(TOO_MANY_PARTS, REASONS[TOO_MANY_PARTS])
            if len(values) and messages_inside(inner):
                waiting.append((inner, values.to_pylist()))
