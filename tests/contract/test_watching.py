"""The program's clock: what it runs every minute is wired to store, pipeline and control database."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from collector.query.metrics import metric_names
from collector.storage.control_insights import Insights
from collector.storage.control_xray import Groups
from raywatch.assemble import serving
from raywatch.config import load
from raywatch.jobs import jobs as jobs_of
from tests.pages.shop import MINUTE, Shop


def test_groups_are_watched_every_minute(tmp_path: Path) -> None:
    environment = {
        "XDG_CONFIG_HOME": "/nonexistent", "RAYWATCH_DATA": str(tmp_path / "data"), "RAYWATCH_PORT": "0",
        "RAYWATCH_OTLP_HTTP": "off", "RAYWATCH_OTLP_GRPC": "off", "RAYWATCH_SELF_OBSERVATION": "off",
    }  # fmt: skip
    with serving(load(environment=environment), "test") as server:
        for request in Shop(now_ns=time.time_ns() // MINUTE * MINUTE).requests():
            server.pipeline.accept(request)
        server.store.settle(remote=True)
        groups = Groups(server.control)
        groups.put(replace(groups.find()[0], insights=True), time.time_ns())
        jobs = {job.name: job for job in jobs_of(server)}
        assert [jobs[name].seconds for name in ("insights", "figures of groups")] == [60, 60]
        jobs["insights"].run()
        jobs["figures of groups"].run()
        server.store.settle(remote=True)
        (insight,) = Insights(server.control).find()
        assert insight.service["Name"] == "card-gateway.example"
        assert "ApproximateTraceCount" in {each.name for each in metric_names(server.store, "AWS/X-Ray")}
