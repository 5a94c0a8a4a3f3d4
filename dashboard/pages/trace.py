"""One trace: where the time went, what failed first, what it said.

The server computes the geometry of the waterfall as arrays; the script stamps only the rows in view. A
span's panel is a page of its own, which the waterfall fetches when a row is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from collector.errors import QueryError
from collector.query.cause_sets import exception_of, steps_of
from collector.query.graph import trace_graph
from collector.query.logs import logs_of_trace
from collector.query.model_logs import LogRecord, TraceLogs
from collector.query.model_sets import CauseStep
from collector.query.model_traces import OUTCOMES, Span, Trace, TraceSelection
from collector.query.trace_choices import Neighbours, neighbours, typical_trace
from collector.query.xray.documents import TraceDocuments, document_text
from collector.query.xray.load import Stored, get_stored
from collector.query.xray.root_causes import KINDS, SLOW_NS, RootCause, root_causes
from dashboard import units
from dashboard.answers import Answer, Table
from dashboard.context import Context
from dashboard.facets import quoted
from dashboard.layout import lay_out
from dashboard.map_fold import one_client
from dashboard.map_picture import Look, Picture, draw_narrow, draw_wide
from dashboard.pages.page import View
from dashboard.pages.trace_groups import group_expressions
from dashboard.timerange import SECOND
from dashboard.timing import step
from dashboard.trace_compare import compare
from dashboard.trace_xray import blocks, is_xray, pretty
from dashboard.web import Web

VIEWS = (("", "Waterfall"), ("flame", "Flame"), ("table", "Table"), ("map", "Map"), ("compare", "Compare"))
TABS = (
    "overview", "annotations", "metadata", "exceptions", "aws", "sql", "attributes", "events", "links",
    "resource", "logs", "raw",
)  # fmt: skip
TAB_NAMES = {"aws": "AWS", "sql": "SQL"}
CAUSES_MOST = 2000
"""Spans of a trace of which root causes are looked for on every view."""
MARGIN_NS = 60 * SECOND
FLAME_MOST = 5000
FLAME_ROW = 18
FALLBACK = 500
COLUMNS = (
    "span_id", "parent_id", "service", "name", "kind", "outcome", "http_status", "start_ns", "offset_ns",
    "duration_ns", "self_ns", "critical_ns", "depth", "notes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """A span in the flame view: x and width in percent, y in pixels."""

    index: int
    x: float
    width: float
    y: int
    service: str
    text: str
    bad: bool


def show(web: Web, ctx: Context, trace_id: str) -> Answer:
    with step("trace"):
        stored = _stored(web, trace_id)
    if stored is None:
        return _missing(web, trace_id)
    trace = stored.trace
    with step("documents"):
        documents = stored.documents() if len(trace.spans) <= CAUSES_MOST else None
    view = ctx.get("view") if ctx.get("view") in dict(VIEWS) else ""
    span = _chosen(trace, ctx.get("span"))
    extra: dict[str, Any] = {
        "trace": trace,
        "view": view,
        "views": [(text, ctx.url(view=key or None), key == view) for key, text in VIEWS],
        "neighbours": _neighbours(web, ctx, trace),
        "status_of": status_of,
        "critical": sum(s.critical_ns for s in trace.services),
        "fallback": FALLBACK,
        "span_url": lambda s: ctx.url(span=s.span_id),
        "causes": _causes(documents),
        "exception_of": exception_of,
        "raw_url": ctx.url(f"/traces/{trace.trace_id}/raw"),
    }
    if view == "map":
        extra["pictures"] = _pictures(web, trace)
    elif view == "flame":
        extra |= _flame(trace)
    elif view == "compare":
        extra |= _compared(web, ctx, trace)
    elif view == "table":
        extra["spans"] = _sorted(trace.spans, ctx.sort)[:FLAME_MOST]
    else:
        extra["geometry"] = geometry(trace)
    if span is not None and not ctx.get("closed"):
        extra |= _panel(web, ctx, stored, span, documents)
    return Answer(
        template="trace.html",
        title=trace.spans[trace.root].name or "Trace",
        data={"trace": trace},
        extra=extra,
        tables={"spans": Table(COLUMNS, lambda: _rows(trace.spans))},
    )


def show_span(web: Web, ctx: Context, trace_id: str, index: str) -> Answer:
    """The panel of one span; its JSON twin is the span as it is kept."""
    stored = _stored(web, trace_id)
    if stored is None or not index.isdecimal() or int(index) >= len(stored.trace.spans):
        return _missing(web, trace_id)
    trace = stored.trace
    span = trace.spans[int(index)]
    data = {
        "span": span,
        "resource": trace.resources[span.resource],
        "scope": trace.scopes[span.scope],
    }
    return Answer(
        template="trace_panel.html",
        title=span.name,
        data=data,
        extra={"trace": trace, **_panel(web, ctx, stored, span, None)},
    )


def show_raw(web: Web, ctx: Context, trace_id: str) -> Answer:
    """The documents of a trace as BatchGetTraces answers them, but as JSON instead of as texts of it."""
    stored = _stored(web, trace_id)
    if stored is None:
        return _missing(web, trace_id)
    found = stored.documents()
    segments = [{"Id": each["id"], "Document": each} for each in found.documents]
    return Answer(
        template="trace_raw.html",
        title="Documents",
        data={
            "Id": found.trace_id, "Duration": found.duration, "LimitExceeded": False, "Segments": segments,
        },
        extra={
            "trace_url": ctx.url(f"/traces/{stored.trace.trace_id}"), "pretty_document": pretty,
            "sent": len(stored.originals),
        },
        tables={"documents": Table(("id", "document"), lambda: _texts(found))},
    )  # fmt: skip


def _texts(found: TraceDocuments) -> Iterator[Sequence[object]]:
    for each in found.documents:
        yield each["id"], document_text(each)


def _stored(web: Web, trace_id: str) -> Stored | None:
    try:
        return get_stored(web.store, trace_id, deadline=web.settings.deadline, figures=True)
    except QueryError:
        return None


def _get(web: Web, trace_id: str) -> Trace | None:
    stored = _stored(web, trace_id)
    return stored.trace if stored is not None else None


def _causes(documents: TraceDocuments | None) -> Sequence[tuple[str, RootCause, Sequence[CauseStep]]]:
    """The root causes of each kind: (kind, cause, its steps)."""
    if documents is None:
        return ()
    found = root_causes(documents, slow_ns=SLOW_NS)
    return [(kind, cause, steps_of(cause)) for kind in KINDS for cause in found.of(kind)]


def _missing(web: Web, trace_id: str) -> Answer:
    return Answer(
        template="trace_missing.html",
        title="Trace not found",
        data={"trace": None, "trace_id": trace_id},
        extra={"trace_id": trace_id, "oldest": _oldest(web)},
        status=404,
    )


def _oldest(web: Web) -> int:
    """The time of the oldest span that is kept, 0 when there is none."""
    return min((f.least_ns for f in web.store.files() if f.signal == "traces" and f.rows), default=0)


def _chosen(trace: Trace, span_id: str) -> Span | None:
    """The span of the URL, else where the failure began, else the root."""
    asked = next((s for s in trace.spans if s.span_id == span_id.lower()), None) if span_id else None
    if asked is not None:
        return asked
    return trace.spans[trace.root if trace.failed is None else trace.failed]


def status_of(span: Span) -> str:
    return str(span.http_status) if span.http_status else span.outcome.capitalize()


# -- the waterfall


def geometry(trace: Trace) -> dict[str, Any]:
    """Columns for static/trace.js. Times are shares of the trace, services and outcomes are indexes."""
    total = max(trace.duration_ns, 1)
    services = list(dict.fromkeys(s.service for s in trace.spans))
    number = {name: i for i, name in enumerate(services)}
    spans = trace.spans

    def part(value: int) -> float:
        return round(value / total, 6)

    return {
        "id": trace.trace_id,
        "duration": total,
        "services": services,
        "outcomes": OUTCOMES,
        "root": trace.root,
        "parent": [-1 if s.parent is None else s.parent for s in spans],
        "depth": [s.depth for s in spans],
        "service": [number[s.service] for s in spans],
        "name": [s.name for s in spans],
        "peer": [s.peer for s in spans],
        "outcome": [OUTCOMES.index(s.outcome) for s in spans],
        "status": [status_of(s) if s.outcome != "ok" else "" for s in spans],
        "x": [part(s.offset_ns) for s in spans],
        "w": [part(max(s.duration_ns, 0)) for s in spans],
        "ns": [s.duration_ns for s in spans],
        "critical": [[[part(c.start_ns), part(c.end_ns - c.start_ns)] for c in s.critical] for s in spans],
        "notes": [", ".join(s.notes) for s in spans],
        "open": [i for i, s in enumerate(spans) if "open" in s.notes],
        "origin": _origins(trace),
        "span": [s.span_id for s in spans],
    }


def _origins(trace: Trace) -> list[str]:
    """Where each segment ran, in X-Ray's words; '' for subsegments and where nobody said."""
    said = [str(r.attributes.get("aws.xray.origin", "")) for r in trace.resources]
    return [said[s.resource] if s.kind == "server" and s.resource >= 0 else "" for s in trace.spans]


def _flame(trace: Trace) -> dict[str, Any]:
    """Spans as blocks by depth; the widest ones when there are more than can be drawn."""
    total = max(trace.duration_ns, 1)
    widest = sorted(trace.spans, key=lambda s: -s.duration_ns)[:FLAME_MOST]
    blocks = [
        Block(
            s.index, round(s.offset_ns / total * 100, 4), round(max(s.duration_ns, 0) / total * 100, 4),
            s.depth * FLAME_ROW, s.service, f"{s.service} {s.name}  {units.duration(s.duration_ns)}",
            s.outcome == "fault",
        )
        for s in sorted(widest, key=lambda s: s.index)
    ]  # fmt: skip
    return {"blocks": blocks, "flame_height": (trace.depth + 2) * FLAME_ROW, "flame_row": FLAME_ROW}


def _compared(web: Web, ctx: Context, trace: Trace) -> dict[str, Any]:
    """This trace beside the one of median duration with the same operation in the range."""
    root = trace.spans[trace.root]
    selection = TraceSelection(ctx.start_ns, ctx.end_ns, filter=f"operation = {quoted(root.name)}")
    with step("typical"):
        found = typical_trace(web.store, selection, deadline=web.settings.deadline)
        other = _get(web, found) if found else None
    return {"other": other, "compared": compare(trace, other) if other else (), "operation": root.name}


def _pictures(web: Web, trace: Trace) -> Sequence[Picture]:
    graph = trace_graph(web.store, trace.trace_id, deadline=web.settings.deadline)
    if graph is None:
        return ()
    graph = one_client(graph)
    layout = lay_out([n.id for n in graph.nodes], [(e.source, e.target) for e in graph.edges])
    return draw_wide(graph, layout, Look()), draw_narrow(graph, layout, Look())


def critical_ns(span: Span) -> int:
    """How much of the critical path is the span's own."""
    return sum(c.end_ns - c.start_ns for c in span.critical)


_KEYS: Mapping[str, Callable[[Span], Any]] = {
    "start": lambda s: s.offset_ns,
    "service": lambda s: s.service,
    "name": lambda s: s.name,
    "duration": lambda s: s.duration_ns,
    "self": lambda s: s.self_ns,
    "critical": critical_ns,
}


def _sorted(spans: Sequence[Span], sort: str) -> Sequence[Span]:
    key = _KEYS.get(sort.removeprefix("-"))
    return spans if key is None else sorted(spans, key=key, reverse=sort.startswith("-"))


def _rows(spans: Sequence[Span]) -> list[Sequence[object]]:
    return [
        (
            s.span_id, s.parent_id, s.service, s.name, s.kind, s.outcome, s.http_status or None, s.start_ns,
            s.offset_ns, s.duration_ns, s.self_ns, critical_ns(s), s.depth, " ".join(s.notes),
        )
        for s in spans
    ]  # fmt: skip


# -- around it


def _neighbours(web: Web, ctx: Context, trace: Trace) -> Neighbours:
    """Links to the traces next to this one by time, within the filter and range that the list had."""
    selection = TraceSelection(ctx.start_ns, ctx.end_ns, filter=ctx.q, groups=group_expressions(web))

    def link(trace_id: str) -> str:
        return ctx.url(f"/traces/{trace_id}", q=ctx.q or None) if trace_id else ""

    with step("neighbours"):
        try:
            found = neighbours(
                web.store, selection, trace.trace_id, trace.start_ns, deadline=web.settings.deadline
            )
        except QueryError:
            return Neighbours()
        return Neighbours(link(found.newer), link(found.older))


def _logs(web: Web, trace: Trace) -> TraceLogs:
    with step("logs"):
        return logs_of_trace(
            web.store, trace.trace_id, trace.start_ns - MARGIN_NS,
            trace.start_ns + trace.duration_ns + MARGIN_NS, limit=500, deadline=web.settings.deadline,
        )  # fmt: skip


def _panel(
    web: Web, ctx: Context, stored: Stored, span: Span, documents: TraceDocuments | None
) -> dict[str, Any]:
    """What the panel of a span shows. documents: of the trace, where somebody has them already."""
    trace = stored.trace
    sent = is_xray(span) or any(span.span_id in each.document for each in stored.originals)
    asked = sent or ctx.get("tab") == "raw"
    with step("documents"):
        found = (documents or stored.documents()).documents if asked else ()
        xray = blocks(found, span.span_id) if found else None
    shown = xray if sent else None
    logs = _logs(web, trace)
    own = [r for r in logs.records if r.span_id == span.span_id]
    tab = ctx.get("tab") if ctx.get("tab") in TABS else "overview"
    here = f"/traces/{trace.trace_id}"
    exceptions = [e for e in span.events if e.exception_type or e.name == "exception"]
    counts: dict[str, int | None] = {
        "annotations": len(shown.annotations) if shown else 0,
        "metadata": len(shown.metadata) if shown else 0,
        "exceptions": len(shown.exceptions) if shown else 0,
        "aws": len(shown.aws) if shown else 0,
        "sql": len(shown.sql) if shown else 0,
        "overview": None, "attributes": len(span.attributes), "events": len(span.events),
        "links": len(span.links), "resource": None, "logs": len(own), "raw": None,
    }  # fmt: skip
    keep = {"span": span.span_id, "view": ctx.get("view") or None, "q": ctx.q or None}
    return {
        "span": span,
        "resource": trace.resources[span.resource],
        "scope": trace.scopes[span.scope],
        "tab": tab,
        "tabs": [
            (key, TAB_NAMES.get(key, key.capitalize()), ctx.url(here, tab=key, **keep), counts[key])
            for key in TABS
            if counts[key] != 0 or key == tab
        ],
        "exceptions": exceptions,
        "xray": shown,
        "document": xray.document if xray else "",
        "raw_url": ctx.url(f"{here}/raw"),
        "own_logs": own,
        "trace_logs": logs.records,
        "critical_ns": critical_ns(span),
        "keep_url": lambda key, value: ctx.url("/traces", q=f"{_key(key)} = {_value(value)}"),
        "logs_url": ctx.between(
            trace.start_ns - MARGIN_NS, trace.start_ns + trace.duration_ns + MARGIN_NS, "/logs",
            q=f'trace_id = "{trace.trace_id}" OR "{trace.xray_id}" OR "{trace.trace_id}"',
        ),
        "close_url": ctx.url(here, closed="1", **{**keep, "span": None}),
        "offset": lambda r: _offset(trace, r),
        "status_of": status_of,
        "show": _text,
    }  # fmt: skip


def _offset(trace: Trace, record: LogRecord) -> str:
    after = record.time_ns - trace.start_ns
    sign = "\N{MINUS SIGN}" if after < 0 else "+"
    return sign + units.duration(abs(after))


def _key(key: str) -> str:
    plain = key.replace(".", "").replace("_", "").replace("-", "").isalnum() and not key[0].isdigit()
    return key if plain else f"attr[{quoted(key)}]"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else quoted(_text(value))


def _text(value: object) -> str:
    """An attribute's value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


ROUTES: Mapping[str, View] = {
    "/traces/<trace_id>": show,
    "/traces/<trace_id>/raw": show_raw,
    "/traces/<trace_id>/spans/<index>": show_span,
}
"""Of the page of all traces, in whose place in the navigation a single one stands."""
