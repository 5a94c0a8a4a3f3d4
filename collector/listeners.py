"""Who watches batches as they are committed: the live tail, and nothing that must not miss one.

A listener has its own thread and a short bounded queue. When it is slower than the data, batches are
dropped for it and counted; the committer never waits.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from collector.batch import Batch
from collector.quiet import QuietLog

Listener = Callable[[Batch], None]

_log = QuietLog(logging.getLogger(__name__))


class Subscription:
    """One listener: `offer` puts a batch into its queue or drops it, a thread hands the batches over.

    depth, max_bytes: what may wait; a single batch is taken whatever its size when nothing waits.
    """

    def __init__(self, listener: Listener, *, depth: int = 16, max_bytes: int = 32 << 20) -> None:
        self._listener = listener
        self._depth = depth
        self._max_bytes = max_bytes
        self._queue: deque[Batch] = deque()
        self._bytes = 0
        self._dropped = 0
        self._open = True
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="raywatch-listener", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Items this listener missed because it was slow."""
        return self._dropped

    @property
    def open(self) -> bool:
        """False once closed; such a subscription is given nothing any more."""
        return self._open

    def offer(self, batch: Batch) -> None:
        """Queue the batch for the listener, or count it as dropped. Never blocks."""
        with self._changed:
            full = len(self._queue) >= self._depth or self._bytes + batch.size > self._max_bytes
            if not self._open or (full and self._queue):
                self._dropped += batch.items
                return
            self._queue.append(batch)
            self._bytes += batch.size
            self._changed.notify()

    def close(self) -> None:
        """Stop; what still waits is not handed over. Safe to call twice, also from the listener itself."""
        with self._changed:
            self._open = False
            self._queue.clear()
            self._bytes = 0
            self._changed.notify()

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            try:
                self._listener(batch)
            except Exception as error:
                _log.error("listener", f"a listener failed: {error!r}", cause=error)

    def _next(self) -> Batch | None:
        with self._changed:
            while self._open and not self._queue:
                self._changed.wait()
            if not self._open:
                return None
            batch = self._queue.popleft()
            self._bytes -= batch.size
            return batch
