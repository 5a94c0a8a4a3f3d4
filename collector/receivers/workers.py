"""A pool of threads that grows with what waits and shrinks when nothing does, up to a bound."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from collector.quiet import QuietLog

T = TypeVar("T")

_log = QuietLog(logging.getLogger(__name__))


class WorkerPool(Generic[T]):
    """Calls `work(item)` for each submitted item in one of at most `most` threads.

    waiting: how many items may wait for a thread. idle_s: after how long a thread without work ends.
    """

    def __init__(self, work: Callable[[T], None], *, most: int, waiting: int, idle_s: float) -> None:
        self._work = work
        self._most = most
        self._waiting = waiting
        self._idle_s = idle_s
        self._items: queue.SimpleQueue[tuple[T] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._idle = self._queued = 0
        self._open = True

    @property
    def threads(self) -> int:
        """How many there are at the moment."""
        return self._threads

    @property
    def roomy(self) -> bool:
        """Whether half of the threads that there may be have nothing to do, so that one may wait a little."""
        return 2 * (self._threads - self._idle) <= self._most and self._queued <= self._idle

    def submit(self, item: T) -> bool:
        """Have the item worked on; False when too many wait already or the pool is closed. Never blocks."""
        with self._lock:
            if not self._open:
                return False
            grow = self._queued >= self._idle
            if grow and self._threads >= self._most:
                if self._queued - self._idle >= self._waiting:
                    return False
                grow = False
            self._queued += 1
            self._threads += grow
        self._items.put((item,))
        if grow:
            threading.Thread(target=self._run, name="raywatch-http", daemon=True).start()
        return True

    def close(self) -> None:
        """Let the threads end once they have nothing more to do. Safe to call twice."""
        with self._lock:
            self._open = False
            threads = self._threads
        for _ in range(threads):
            self._items.put(None)

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._work(item[0])
            except Exception as error:
                _log.error("worker", f"a worker failed: {error!r}", cause=error)

    def _next(self) -> tuple[T] | None:
        """The next item; None when this thread is to end, which is then counted."""
        with self._lock:
            self._idle += 1
        while True:
            try:
                item = self._items.get(timeout=self._idle_s)
            except queue.Empty:
                with self._lock:
                    if self._queued:
                        continue
                    self._idle -= 1
                    self._threads -= 1
                    return None
            with self._lock:
                self._idle -= 1
                if item is None:
                    self._threads -= 1
                else:
                    self._queued -= 1
            return item
