"""AWS X-Ray: its topic modules joined to one service."""

from __future__ import annotations

from dashboard.aws import xray_ingest
from dashboard.aws.call import Operations
from dashboard.aws.service import Service

OPERATIONS: Operations = {**xray_ingest.OPERATIONS}

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
)
