"""What happens by the clock: named jobs at fixed intervals, each in turn with itself, failures logged.

The one place that knows APScheduler. A job that is late is run once, not as often as it was missed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

log = logging.getLogger(__name__)

THREADS = 2


@dataclass(frozen=True, slots=True)
class Job:
    """run: called every `seconds`; what it raises is logged and does not stop it."""

    name: str
    seconds: float
    run: Callable[[], object]


class Scheduler:
    """Runs jobs in a few threads of its own between `start` and `close`."""

    def __init__(self, jobs: list[Job]) -> None:
        self._jobs = jobs
        self._scheduler: BackgroundScheduler | None = None

    def start(self) -> None:
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(THREADS)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        for job in self._jobs:
            scheduler.add_job(_guarded(job), "interval", seconds=job.seconds, id=job.name)
        scheduler.start()
        self._scheduler = scheduler

    def close(self) -> None:
        """No job starts any more; one that runs is not waited for. Safe to call twice."""
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None


def _guarded(job: Job) -> Callable[[], None]:
    def run() -> None:
        try:
            job.run()
        except Exception:
            log.exception("%s failed", job.name)

    return run
