"""What happens by the clock: which job of which part, and how often."""

from __future__ import annotations

import time

from alarms.group_metrics import GroupMetrics
from alarms.insights_job import InsightsJob
from alarms.scheduler import Job
from raywatch.serving import Serving

MAINTAIN_SECONDS = 60
WATCH_SECONDS = 60
SAMPLING_SECONDS = 5


def jobs(server: Serving) -> list[Job]:
    """What happens by the clock."""
    store, control = server.store, server.control
    insights = InsightsJob(store, control)
    figures = GroupMetrics(store, control, server.pipeline.accept)
    return [
        Job("maintain", MAINTAIN_SECONDS, lambda: store.maintain(time.time_ns())),
        Job("sampling", SAMPLING_SECONDS, lambda: server.sampling.flush(time.time_ns())),
        Job("insights", WATCH_SECONDS, lambda: insights.run(time.time_ns())),
        Job("figures of groups", WATCH_SECONDS, lambda: figures.run(time.time_ns())),
    ]
