"""One trace: every span of it, and what follows from them (tree, critical path, where the failure began)."""

from __future__ import annotations

from collector.query.model_traces import Trace
from collector.query.reader import Reader


def trace_number(text: str) -> tuple[int, int]:
    """The two halves of a trace id: 32 hex digits, X-Ray's `1-8-24`, or a URL that ends with or holds one.

    Raises QueryError on anything else.
    """
    raise NotImplementedError


def get_trace(store: Reader, trace_id: str, *, tenant: int = 0, deadline: float = 10.0) -> Trace | None:
    """The trace of an id in any form, None when nothing of it is kept. Raises QueryError on a text that is
    no id.
    """
    raise NotImplementedError
