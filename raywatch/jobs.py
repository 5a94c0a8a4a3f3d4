"""What happens by the clock: which job of which part, and how often."""

from __future__ import annotations

import time

from alarms.group_metrics import GroupMetrics
from alarms.insights_job import InsightsJob
from alarms.scheduler import Job
from raywatch import process
from raywatch.rest import Rest, heard
from raywatch.selfobs import SECONDS
from raywatch.serving import Serving

MAINTAIN_SECONDS = 60
WATCH_SECONDS = 60
SAMPLING_SECONDS = 5
REST_SECONDS = 2


def jobs(server: Serving) -> list[Job]:
    """What happens by the clock."""
    store, control = server.store, server.control
    observation = server.observation
    insights = InsightsJob(store, control)
    figures = GroupMetrics(store, control, server.pipeline.accept)
    resting = Rest(
        lambda: heard(server.accounting.snapshot()),
        process.resident_bytes,
        process.release_memory,
        store.purge,
    )
    own = [] if observation is None else [Job("self-observation", SECONDS, observation.tick)]
    return [
        *own,
        Job("rest", REST_SECONDS, resting.run),
        Job("maintain", MAINTAIN_SECONDS, lambda: store.maintain(time.time_ns())),
        Job("sampling", SAMPLING_SECONDS, lambda: server.sampling.flush(time.time_ns())),
        Job("insights", WATCH_SECONDS, lambda: insights.run(time.time_ns())),
        Job("figures of groups", WATCH_SECONDS, lambda: figures.run(time.time_ns())),
    ]
