"""AWS X-Ray: its topic modules joined to one service."""

from __future__ import annotations

from dashboard.aws import (
    xray_graphs,
    xray_groups,
    xray_ingest,
    xray_sampling,
    xray_settings,
    xray_traces,
)
from dashboard.aws.call import Operations
from dashboard.aws.service import Service

OPERATIONS: Operations = {
    **xray_ingest.OPERATIONS,
    **xray_sampling.OPERATIONS,
    **xray_graphs.OPERATIONS,
    **xray_groups.OPERATIONS,
    **xray_settings.OPERATIONS,
    **xray_traces.OPERATIONS,
}

XRAY = Service(
    name="xray",
    model="xray",
    title="X-Ray",
    operations=OPERATIONS,
    effects={
        "PutTraceSegments": "data",
        "PutTelemetryRecords": "data",
        "GetSamplingRules": "any",
        "GetSamplingTargets": "any",
        "StartTraceRetrieval": "read",
        "CancelTraceRetrieval": "read",
    },
    invalid="InvalidRequestException",
    throttled="ThrottledException",
    repairs=xray_sampling.REPAIRS,
    unbounded=xray_sampling.UNBOUNDED,
    prompt=xray_sampling.PROMPT,
)
