"""The pages. To add one: a file here, a template, one line in PAGES (see docs/ui.md)."""

from __future__ import annotations

from dashboard.pages import (
    analytics,
    components,
    deep_links,
    groups,
    ingest,
    logs,
    metrics,
    more,
    overview,
    sampling,
    service_map,
    settings,
    tail,
    traces,
    views,
    xray_insights,
)
from dashboard.pages.page import Page

PAGES: dict[str, Page] = {
    "overview": overview.PAGE,
    "map": service_map.PAGE,
    "traces": traces.PAGE,
    "analytics": analytics.PAGE,
    "xray-insights": xray_insights.PAGE,
    "groups": groups.PAGE,
    "logs": logs.PAGE,
    "tail": tail.PAGE,
    "metrics": metrics.PAGE,
    "sampling": sampling.PAGE,
    "ingest": ingest.PAGE,
    "settings": settings.PAGE,
    "more": more.PAGE,
    "views": views.PAGE,
    "components": components.PAGE,
    "links": deep_links.PAGE,
}

NAV: tuple[tuple[str, tuple[tuple[str, str, str], ...]], ...] = (
    ("", (("overview", "Overview", "/"),)),
    (
        "Tracing",
        (
            ("map", "Service map", "/map"),
            ("traces", "Traces", "/traces"),
            ("analytics", "Analytics", "/analytics"),
            ("xray-insights", "Insights", "/xray-insights"),
            ("groups", "Groups", "/groups"),
        ),
    ),
    ("Logs", (("logs", "Logs", "/logs"), ("tail", "Live tail", "/tail"))),
    ("Metrics", (("metrics", "Metrics", "/metrics"),)),
    (
        "Configure",
        (
            ("sampling", "Sampling rules", "/sampling"),
            ("ingest", "Ingest health", "/ingest"),
            ("settings", "Settings", "/settings"),
        ),
    ),
)
"""Groups of (page, title, path). What is not in PAGES is not shown."""

SHORT_NAMES = {"map": "Map", "ingest": "Ingest"}
TABBAR = ("overview", "map", "traces", "logs", "metrics")
"""The compact bar of narrow screens; the rest is behind More."""
