"""The groups that an expression of a page may name: `group.name = "…"`.

Handed the web front; the expressions are those that GetTraceSummaries answers by.
"""

from __future__ import annotations

from collections.abc import Mapping

from collector.storage.control_xray import Groups
from dashboard.web import Web


def group_expressions(web: Web, tenant: int = 0) -> Mapping[str, str]:
    """Name or ARN of each group -> its expression, '' for every trace."""
    groups = Groups(web.control).find(tenant)
    owner = next((each for each in web.control.find_tenants() if each.id == tenant), None)
    by_arn = {group.arn(owner): group.filter for group in groups} if owner is not None else {}
    return {group.name: group.filter for group in groups} | by_arn
