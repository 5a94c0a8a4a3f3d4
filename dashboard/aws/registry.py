"""Every AWS service that is spoken here, by the name in credential scopes."""

from __future__ import annotations

from collections.abc import Mapping

from dashboard.aws.service import Service
from dashboard.aws.sts import STS
from dashboard.aws.xray import XRAY

SERVICES: Mapping[str, Service] = {
    XRAY.name: XRAY,
    STS.name: STS,
}
