"""What known X-Ray clients send that the model does not allow, put right before it is checked. Pure.

One sampler calls SampledCount SampleCount, one sends null for an empty list, some send more than 25
statistics at once; X-Ray's service takes what they send.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboard.aws.service import Repair

_STATISTICS = "SamplingStatisticsDocuments"

UNBOUNDED = frozenset({"SamplingStatisticsDocumentList", "SamplingBoostStatisticsDocumentList"})


def sampling_targets(body: dict[str, Any]) -> dict[str, Any]:
    """The body of GetSamplingTargets as the model has it."""
    given = body.get(_STATISTICS)
    if given is None:
        given = []
    if isinstance(given, list):
        given = [_counted(one) if isinstance(one, dict) else one for one in given]
    return {**body, _STATISTICS: given}


def _counted(one: dict[str, Any]) -> dict[str, Any]:
    sampled = one.get("SampledCount")
    if sampled is None:
        sampled = one.get("SampleCount")
    return {**one, "SampledCount": 0 if sampled is None else sampled}


REPAIRS: Mapping[str, Repair] = {"GetSamplingTargets": sampling_targets}
