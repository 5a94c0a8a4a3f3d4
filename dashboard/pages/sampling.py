"""Sampling rules: control cost without losing faults. Which rule decides, what is kept, what if it changed?

What a rule would do is replayed over the stored traces of the range (collector/query/sampling.py). Figures of
clients are what they report; what the collector itself leaves out is counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from collector.errors import DeadlineExceeded
from collector.query.sampling import Traffic, bytes_per_span, find_traffic, simulate
from collector.sampling.matching import Asked, matches
from collector.sampling.order import in_order
from collector.sampling.replay import Count, Replay
from collector.sampling.rules import DEFAULT, InvalidRule, Record, Rule, RuleSet, members_of, rule_set
from collector.sampling.service import LiveClient, SamplingService
from collector.sampling.statistics import Kept, Window
from dashboard import svg, units
from dashboard.answers import Answer, Table
from dashboard.context import Context
from dashboard.facets import quoted
from dashboard.pages.page import Page
from dashboard.sampling_form import MATCH, NAMES, RuleForm, form_of, new_form
from dashboard.timerange import SECOND
from dashboard.timing import step
from dashboard.web import Web

TENANT = 0
LONGEST_NS = 3600 * SECOND
"""How much of a range is replayed, its end."""
CHART_HEIGHT = 96
BARS = ("f-accent", "f-base")
COLUMNS = (
    "rule",
    "priority",
    "fixed_rate",
    "reservoir",
    "service",
    "method",
    "path",
    "host",
    "type",
    "resource_arn",
    "matched_per_second",
    "kept_per_second",
    "stored_traces",
    "would_keep",
)
CLIENT_COLUMNS = ("rule", "client", "seen_ns", "requests", "sampled", "borrowed", "quota", "ttl_s")
CELL_COLUMNS = (
    "rule", "service", "minute_ns", "traces", "kept", "spans", "kept_spans", "faults", "kept_faults",
)  # fmt: skip
KEPT_COLUMNS = (
    "rule", "service", "minute_s", "kept_traces", "lost_traces", "kept_spans", "lost_spans",
)  # fmt: skip
_SAID = {
    "saved": "Saved. Clients take it up with their next report, within ten seconds.",
    "deleted": "Deleted. Clients take it up with their next report, within ten seconds.",
    "order": "The order is changed.",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A rule in the table. Rates are None where nobody reported; count: of the replay, None without one."""

    rule: Rule
    match: Sequence[tuple[str, str]]
    matched: float | None
    kept: float | None
    count: Count | None
    share: float


@dataclass(frozen=True, slots=True)
class Tried:
    """The test box: the request, the rule that it falls under, and why the ones before it do not match."""

    asked: Asked
    rule: str
    passed: Sequence[tuple[str, str]]


def show(web: Web, ctx: Context) -> Answer:
    rules = _service(web).rules(TENANT)
    return _answer(web, ctx, _open_form(ctx, rules))


def _open_form(ctx: Context, rules: RuleSet) -> RuleForm | None:
    """The form in the panel: of the selected rule or a new one, with what is typed in the URL (draft=1)."""
    record = rules.get(ctx.get("rule"))
    if ctx.get("new"):
        form = new_form(rules.rules)
    elif record is not None:
        form = form_of(record.rule)
    else:
        return None
    if ctx.get("draft"):
        typed = {name: ctx.get(name) for name in NAMES if name in dict(ctx.args)}
        blank = {name: "" for name in NAMES if name not in typed and not form.default and name != "name"}
        return replace(form, texts={**form.texts, **blank, **typed})
    return form


def _answer(web: Web, ctx: Context, form: RuleForm | None) -> Answer:
    service = _service(web)
    rules = service.rules(TENANT)
    start_s, end_s = ctx.start_ns // SECOND, -(-ctx.end_ns // SECOND)
    windows = service.find_windows(TENANT, start_s, end_s)
    kept = service.find_kept(TENANT, start_s - start_s % 60, end_s)
    clients = service.clients(TENANT, ctx.now_ns)
    with step("replay"):
        traffic = _traffic(web, ctx)
        size = bytes_per_span(web.store.stats().files)
        today = simulate(traffic, rules.rules, bytes_span=size) if traffic else None
    rows = _rows(rules, windows, kept, today, ctx)
    changed, draft, problem = _preview(form, rules, traffic, size)
    tried = _tried(ctx, rules.rules)
    return Answer(
        template="sampling.html",
        title="Sampling rules",
        data={
            "rules": [_plain(row, rules) for row in rows],
            "modified_ns": rules.modified_ns,
            "clients": clients,
            "kept": kept,
            "replay": _summary(today, rules.rules),
            "preview": _summary(changed, draft),
            "tried": tried,
        },
        extra={
            "rows": rows, "form": form, "match_fields": MATCH, "problem_text": problem,
            "today": today, "changed": changed, "traffic": traffic,
            "own_clients": [c for c in clients if form and c.rule == form.of],
            "said": _SAID.get(ctx.get("done"), ""), "wrong": "",
            "chart": _chart(ctx, changed or today) if traffic and traffic.trips else None,
            "services": sorted(today.by_service.items(), key=lambda i: (-i[1].traces, i[0])) if today else [],
            "tried": tried, "otlp": _otlp(kept), "otlp_on": _otlp_on(web), "reported": bool(windows),
            "order": orjson.dumps([row.rule.name for row in rows if row.rule.name != DEFAULT]).decode(),
            "moved": lambda name, by: _moved(rows, name, by),
            "fault_url": lambda one: ctx.url(f"/traces/{one.trace_id}"),
            "service_url": lambda name: ctx.url("/traces", q=f"service({quoted(name)})"),
            "DEFAULT": DEFAULT, "percent_of": lambda a, b: a / b if b else None,
        },
        tables=_tables(rows, clients, changed or today, kept),
        status=400 if form and form.problem else 200,
    )  # fmt: skip


def _traffic(web: Web, ctx: Context) -> Traffic | None:
    """The stored traces of the range's last hour, None when they cannot be read in time."""
    start = max(ctx.start_ns, ctx.end_ns - LONGEST_NS)
    try:
        return find_traffic(web.store, start, ctx.end_ns, tenant=TENANT, deadline=web.settings.deadline)
    except DeadlineExceeded:
        return None


def _preview(
    form: RuleForm | None, rules: RuleSet, traffic: Traffic | None, size: float
) -> tuple[Replay | None, Sequence[Rule], str]:
    """The replay with the form's rule in place, the rules of it, and what is wrong with the form."""
    if form is None:
        return None, (), ""
    record = rules.get(form.of) if form.of else None
    try:
        rule = form.rule(record.rule if record else None)
    except InvalidRule as error:
        return None, (), form.problem or str(error)
    others = [one for one in rules.records if one.rule.name not in (form.of, rule.name)]
    draft = rule_set([*others, Record(rule)]).rules
    return (simulate(traffic, draft, bytes_span=size) if traffic else None), draft, form.problem


def _rows(
    rules: RuleSet, windows: Sequence[Window], kept: Sequence[Kept], today: Replay | None, ctx: Context
) -> list[Row]:
    seconds = max((min(ctx.end_ns, ctx.now_ns) - ctx.start_ns) / SECOND, 1.0)
    rows = []
    for rule in rules.rules:
        own = [w for w in windows if w.rule == rule.name]
        here = [k for k in kept if k.rule == rule.name]
        matched = sum(w.requests for w in own) + sum(k.kept_traces + k.lost_traces for k in here)
        sampled = sum(w.sampled for w in own) + sum(k.kept_traces for k in here)
        known = bool(own or here)
        count = today.by_rule.get(rule.name, Count()) if today else None
        share = count.traces / today.total.traces if today and count and today.total.traces else 0.0
        rows.append(
            Row(
                rule,
                _match(rule),
                matched / seconds if known else None,
                sampled / seconds if known else None,
                count,
                share,
            )
        )
    return rows


def _match(rule: Rule) -> list[tuple[str, str]]:
    """What a rule asks for, in words; empty when it takes everything."""
    members = members_of(rule)
    found = [(title.lower(), members[member]) for _, member, title, _ in MATCH if members[member] != "*"]
    return found + list(rule.attributes)


def _plain(row: Row, rules: RuleSet) -> dict[str, Any]:
    record = rules.get(row.rule.name)
    return {
        **members_of(row.rule),
        "created_ns": record.created_ns if record else 0,
        "modified_ns": record.modified_ns if record else 0,
        "matched_per_second": row.matched,
        "kept_per_second": row.kept,
        "replay": row.count,
    }


def _summary(found: Replay | None, rules: Sequence[Rule]) -> dict[str, Any] | None:
    """A replay as data."""
    if found is None:
        return None
    return {
        "start_ns": found.start_ns, "end_ns": found.end_ns, "total": found.total,
        "errors": found.errors, "kept_errors": found.kept_errors,
        "slow_ns": found.slow_ns, "slow": found.slow, "kept_slow": found.kept_slow,
        "by_rule": {rule.name: found.by_rule.get(rule.name, Count()) for rule in rules},
        "by_service": found.by_service, "by_minute": found.by_minute,
        "missed": found.missed, "bytes_per_span": found.bytes_span, "saved_bytes": found.saved_bytes,
    }  # fmt: skip


def _tried(ctx: Context, rules: Sequence[Rule]) -> Tried | None:
    """The rule of the request in the test box; a whole URL may stand in its path."""
    given = {name: ctx.get(f"t_{name}").strip() for name in ("service", "method", "host", "path", "type")}
    if not any(given.values()):
        return None
    method, path, host = given["method"], given["path"], given["host"]
    words = path.split()
    if len(words) > 1 and words[0].isalpha():  # a pasted request line: GET /pay HTTP/1.1
        method, path = method or words[0], words[1]
    if "://" in path:
        rest = path.partition("://")[2]
        host, path = host or rest.partition("/")[0].partition("?")[0], "/" + rest.partition("/")[2]
    of = Asked(given["service"], given["type"], host, method, path.partition("?")[0].partition("#")[0])
    passed: list[tuple[str, str]] = []
    for rule in rules:
        if matches(rule, of):
            return Tried(of, rule.name, passed)
        passed.append((rule.name, _why_not(rule, of)))
    return None


def _why_not(rule: Rule, of: Asked) -> str:
    """The first condition of a rule that a request does not meet."""
    everything = Rule(rule.name, rule.priority, 0, 0)
    attributes = (
        ("service", "service_name"), ("method", "http_method"), ("path", "url_path"), ("host", "host"),
        ("service type", "service_type"), ("resource ARN", "resource_arn"),
    )  # fmt: skip
    for title, name in attributes:
        if not matches(replace(everything, **{name: getattr(rule, name)}), of):
            return f"{title} is not {getattr(rule, name)}"
    return f"attributes are not {', '.join(f'{k}={v}' for k, v in rule.attributes)}"


def _chart(ctx: Context, found: Replay | None) -> svg.Chart | None:
    """Kept and lost traces a minute."""
    if found is None or not found.by_minute:
        return None
    first, last = min(found.by_minute), max(found.by_minute)
    minutes = range(first, last + 1, 60 * SECOND)
    counts = [found.by_minute.get(minute, Count()) for minute in minutes]
    most = max(count.traces for count in counts)
    full, _ = svg.nice_top(most)
    return svg.Chart(
        height=CHART_HEIGHT,
        label=f"{units.count(found.total.kept)} of {units.count(found.total.traces)} traces would be kept",
        y=svg.linear_ticks(full, CHART_HEIGHT, 2),
        x=svg.time_axis(first, last + 60 * SECOND, ctx.zone),
        rects=svg.bars([(c.kept, c.traces - c.kept) for c in counts], BARS, full, CHART_HEIGHT),
        x_lo=first / 1e6,
        x_hi=(last + 60 * SECOND) / 1e6,
        x_step=60_000,
        points=[
            [
                units.clock(minute, ctx.zone),
                ["kept", units.count(c.kept)],
                ["lost", units.count(c.traces - c.kept)],
            ]
            for minute, c in zip(minutes, counts, strict=True)
        ],
    )


def _otlp(kept: Sequence[Kept]) -> list[tuple[str, int, int]]:
    """Services of which the collector left something out in the range: name, kept and all traces."""
    sums: dict[str, tuple[int, int]] = {}
    for one in kept:
        had, of = sums.get(one.service, (0, 0))
        sums[one.service] = had + one.kept_traces, of + one.kept_traces + one.lost_traces
    return sorted((name, had, of) for name, (had, of) in sums.items() if had < of)


def _otlp_on(web: Web) -> bool:
    rows = web.configuration.rows() if web.configuration else ()
    return any(row.name == "sampling.otlp" and row.value == "true" for row in rows)


def _moved(rows: Sequence[Row], name: str, by: int) -> str:
    """The order, as the form sends it, with one rule moved; '' where it cannot go further."""
    names = [row.rule.name for row in rows if row.rule.name != DEFAULT]
    if name not in names:
        return ""
    place = names.index(name)
    if not 0 <= place + by < len(names):
        return ""
    names[place], names[place + by] = names[place + by], names[place]
    return orjson.dumps(names).decode()


def _tables(
    rows: Sequence[Row], clients: Sequence[LiveClient], found: Replay | None, kept: Sequence[Kept]
) -> dict[str, Table]:
    return {
        "rules": Table(COLUMNS, lambda: map(_rule_line, rows)),
        "clients": Table(CLIENT_COLUMNS, lambda: ([getattr(c, n) for n in CLIENT_COLUMNS] for c in clients)),
        "replay": Table(CELL_COLUMNS, lambda: _cells(found)),
        "kept": Table(KEPT_COLUMNS, lambda: ([getattr(k, n) for n in KEPT_COLUMNS] for k in kept)),
    }


def _rule_line(row: Row) -> list[object]:
    r, count = row.rule, row.count
    return [
        r.name, r.priority, r.fixed_rate, r.reservoir_size, r.service_name, r.http_method, r.url_path, r.host,
        r.service_type, r.resource_arn, row.matched, row.kept, count.traces if count else None,
        count.kept if count else None,
    ]  # fmt: skip


def _cells(found: Replay | None) -> list[list[object]]:
    cells = sorted(found.by_cell.items(), key=lambda item: (item[0][2], *item[0][:2])) if found else []
    return [[*key, *(getattr(count, name) for name in CELL_COLUMNS[3:])] for key, count in cells]


# -- what is changed


def save(web: Web, ctx: Context, form: Mapping[str, str]) -> str | Answer:
    """Create or change a rule; what cannot be is said beside the form, with all that was typed."""
    service = _service(web)
    typed = RuleForm(form.get("of", ""), {name: form.get(name, "") for name in NAMES})
    try:
        record = _edited(service, typed.of)
        rule = typed.rule(record.rule if record else None)
        if record is None:
            service.create(TENANT, rule, web.clock())
        else:
            service.replace(TENANT, rule, web.clock())
    except InvalidRule as error:
        return _answer(web, ctx, replace(typed, problem=str(error)))
    return ctx.url("/sampling", rule=rule.name, done="saved")


def _edited(service: SamplingService, name: str) -> Record | None:
    """The rule that a form edits, None for a new one. Raises InvalidRule when it is gone."""
    record = service.rules(TENANT).get(name) if name else None
    if name and record is None:
        raise InvalidRule(f"The rule {name!r} is not there any more.")
    return record


def delete(web: Web, ctx: Context, form: Mapping[str, str]) -> str | Answer:
    """Delete a rule; one that is gone already is no error."""
    service = _service(web)
    name = form.get("of", "")
    record = service.rules(TENANT).get(name)
    if record is not None:
        try:
            service.delete(TENANT, name, web.clock())
        except InvalidRule as error:
            return _answer(web, ctx, replace(form_of(record.rule), problem=str(error)))
    return ctx.url("/sampling", done="deleted")


def order(web: Web, ctx: Context, form: Mapping[str, str]) -> str | Answer:
    """Give the rules another order: `order` is a JSON list of their names."""
    service = _service(web)
    try:
        names = orjson.loads(form.get("order", ""))
        rules = service.rules(TENANT).rules
        service.reorder(TENANT, in_order(rules, [str(name) for name in names]), web.clock())
    except (InvalidRule, orjson.JSONDecodeError, TypeError) as error:
        text = str(error) if isinstance(error, InvalidRule) else "The order could not be read."
        answer = _answer(web, ctx, None)
        return replace(answer, status=400, extra={**answer.extra, "wrong": text})
    return ctx.url("/sampling", done="order")


def _service(web: Web) -> SamplingService:
    if web.sampling is None:
        raise RuntimeError("this web front was made without sampling")
    return web.sampling


PAGE = Page(
    routes={"/sampling": show},
    posts={"/sampling/save": save, "/sampling/delete": delete, "/sampling/order": order},
)
