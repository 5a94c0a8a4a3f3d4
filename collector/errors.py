"""The two kinds of errors that travel from the store and the decoders back to a sender.

A receiver maps them to its protocol's codes; nothing else about a failure leaves the collector.
"""

from __future__ import annotations


class RaywatchError(Exception):
    """Base of the errors that Raywatch raises on purpose; its text is shown to a person."""


class Rejected(RaywatchError):
    """What was sent can never be accepted; sending it again is of no use.

    reason: one of `collector.accounting.REASONS`, the name under which it is counted.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Overloaded(RaywatchError):
    """Not now: the queue is full, the disk is full or the store is closing. Send it again.

    retry_after: seconds until another try makes sense.
    """

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unauthenticated(RaywatchError):
    """The sender did not say who it is, or not truthfully: no key, an unknown or a revoked one."""


class PermissionDenied(RaywatchError):
    """The sender is known and may not do this."""


class ListenError(RaywatchError):
    """An address cannot be listened on; the text is the one line a person needs."""


class QueryError(RaywatchError):
    """A question that cannot be answered as asked.

    line, column, end: 1-based place in the question's text (end is exclusive), 0 when it has none.
    suggestion: what would be right, '' when nothing is near.
    """

    def __init__(
        self, message: str, *, line: int = 0, column: int = 0, end: int = 0, suggestion: str = ""
    ) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.end = end
        self.suggestion = suggestion


class DeadlineExceeded(RaywatchError):
    """A read took longer than its deadline and was interrupted."""
