"""What X-Ray daemons report of themselves (PutTelemetryRecords), summed up; in the control database.

Their names are untrusted text and anyone may send them, so that what is kept is bounded: agents that were not
heard of for a month go, and those that were quiet for longest when there are too many.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from collector.storage.control import Control

MOST_AGENTS = 1_000
"""Of each tenant."""
FORGET_NS = 30 * 24 * 3600 * 10**9

_meta = sa.MetaData()
_text, _int = sa.Text, sa.BigInteger
_agents = sa.Table(
    "xray_agents", _meta, sa.Column("tenant", sa.Integer), sa.Column("host", _text),
    sa.Column("instance", _text), sa.Column("arn", _text), sa.Column("first_ns", _int),
    sa.Column("last_ns", _int), sa.Column("received", _int), sa.Column("sent", _int),
    sa.Column("spilled", _int), sa.Column("rejected", _int), sa.Column("errors", _text),
)  # fmt: skip
_COUNTS = ("received", "sent", "spilled", "rejected")


@dataclass(frozen=True, slots=True)
class Report:
    """What one call told. Counts are of segments since the last call; errors: kind -> failed uploads."""

    tenant: int
    host: str
    instance: str
    arn: str
    received: int = 0
    sent: int = 0
    spilled: int = 0
    rejected: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent since it was first heard of. Counts are of segments; errors: kind -> failed uploads."""

    tenant: int
    host: str
    instance: str
    arn: str
    first_ns: int
    last_ns: int
    received: int
    sent: int
    spilled: int
    rejected: int
    errors: Mapping[str, int]


def record_report(control: Control, report: Report, now_ns: int) -> None:
    """Add a report to what is known of its agent."""
    c = _agents.c
    same = sa.and_(
        c.tenant == report.tenant, c.host == report.host, c.instance == report.instance, c.arn == report.arn
    )
    counts = {name: getattr(report, name) for name in _COUNTS}
    with control.writing() as db:
        row = db.execute(sa.select(_agents).where(same)).first()
        if row is None:
            _make_room(db, report.tenant, now_ns)
            key = {name: getattr(report, name) for name in ("tenant", "host", "instance", "arn")}
            errors = json.dumps(dict(report.errors))
            new = {**key, **counts, "errors": errors, "first_ns": now_ns, "last_ns": now_ns}
            db.execute(sa.insert(_agents).values(**new))
            return
        errors = json.loads(row.errors)
        for kind, count in report.errors.items():
            errors[kind] = errors.get(kind, 0) + count
        sums = {name: getattr(row, name) + counts[name] for name in _COUNTS}
        change = sa.update(_agents).where(same)
        db.execute(change.values(**sums, errors=json.dumps(errors), last_ns=max(row.last_ns, now_ns)))


def _make_room(db: sa.Connection, tenant: int, now_ns: int) -> None:
    c = _agents.c
    db.execute(sa.delete(_agents).where(c.last_ns < now_ns - FORGET_NS))
    kept = sa.select(c.last_ns).where(c.tenant == tenant).order_by(c.last_ns.desc())
    oldest = db.scalar(kept.offset(MOST_AGENTS - 1).limit(1))
    if oldest is not None:
        db.execute(sa.delete(_agents).where(c.tenant == tenant, c.last_ns <= oldest))


def find_agents(control: Control) -> list[Agent]:
    """All agents, those heard of last first."""
    with control.reading() as db:
        rows = db.execute(sa.select(_agents).order_by(_agents.c.last_ns.desc(), _agents.c.host)).all()
    return [
        Agent(
            row.tenant, row.host, row.instance, row.arn, row.first_ns, row.last_ns,
            row.received, row.sent, row.spilled, row.rejected, json.loads(row.errors),
        )
        for row in rows
    ]  # fmt: skip
