"""A request's body as it was sent and as it reads, each made once and only when somebody wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from collector.receivers.bodies import Reservation, chunks_of, gather, opened, too_large

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_PLAIN = frozenset({"", "identity"})


class Body:
    """A signature is made over the bytes as sent, an operation reads them inflated; both are bounded."""

    def __init__(self, environ: WSGIEnvironment, limit: int, reservation: Reservation) -> None:
        self._environ = environ
        self._limit = limit
        self._reservation = reservation
        self._sent: bytes | None = None
        self._read: bytes | None = None

    def sent(self) -> bytes:
        """As sent. Raises Rejected beyond the limit and Overloaded beyond the budget of all bodies."""
        if self._sent is None:
            # Compressed data can be a little larger than what it holds; chunks_of leaves that room.
            room = 2 * self._limit + 1024
            self._sent = gather(chunks_of(self._environ, self._limit), room, self._reservation)
        return self._sent

    def read(self) -> bytes:
        """Inflated. Raises Rejected and Overloaded."""
        if self._read is None:
            sent = self.sent()
            if self._environ.get("HTTP_CONTENT_ENCODING", "").strip().lower() not in _PLAIN:
                self._read = opened(self._environ, (sent,), self._limit, self._reservation)
            elif len(sent) > self._limit:
                raise too_large(self._limit)
            else:
                self._read = sent
        return self._read
