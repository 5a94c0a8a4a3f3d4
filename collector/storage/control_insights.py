"""Insights with their events, and the counted windows that they are found in, in the control database.

What a window holds and what a detail says is the affair of alarms/insights*.py; here they are JSON text. A
window and what was found in it are kept in one transaction, so that a restart neither loses nor repeats one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from collector.storage.control import Control

State = Literal["ACTIVE", "CLOSED"]

_meta = sa.MetaData()
_text, _int = sa.Text, sa.BigInteger
_insights = sa.Table(
    "insights", _meta, sa.Column("id", _text), sa.Column("tenant", sa.Integer),
    sa.Column("group_name", _text), sa.Column("state", _text), sa.Column("service", _text),
    sa.Column("start_ns", _int), sa.Column("end_ns", _int), sa.Column("updated_ns", _int),
    sa.Column("detail", _text),
)  # fmt: skip
_events = sa.Table(
    "insight_events",
    _meta,
    sa.Column("insight", _text),
    sa.Column("time_ns", _int),
    sa.Column("detail", _text),
)
_windows = sa.Table(
    "insight_windows", _meta, sa.Column("tenant", sa.Integer), sa.Column("group_name", _text),
    sa.Column("start_ns", _int), sa.Column("end_ns", _int), sa.Column("detail", _text),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class InsightRow:
    """An insight as it is kept. service: ServiceId of the root cause. end_ns: None while it is ACTIVE."""

    id: str
    tenant: int
    group: str
    state: State
    service: Mapping[str, Any]
    start_ns: int
    end_ns: int | None
    updated_ns: int
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventRow:
    """One step of an insight, as of that time."""

    insight: str
    time_ns: int
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WindowRow:
    """A counted window of a group: [start_ns, end_ns)."""

    start_ns: int
    end_ns: int
    detail: str


class Insights:
    """Insights, events and windows over an open Control."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def record(
        self,
        tenant: int,
        group: str,
        windows: Iterable[WindowRow],
        insights: Iterable[InsightRow] = (),
        events: Iterable[EventRow] = (),
    ) -> None:
        """Keep windows and what was found in them, all or nothing; what is there already is replaced."""
        with self._control.writing() as db:
            for window in windows:
                db.execute(
                    sa.delete(_windows).where(*_of(tenant, group), _windows.c.start_ns == window.start_ns)
                )
                row = {"start_ns": window.start_ns, "end_ns": window.end_ns, "detail": window.detail}
                db.execute(sa.insert(_windows).values(tenant=tenant, group_name=group, **row))
            for insight in insights:
                _put(db, insight)
            for event in events:
                same = (_events.c.insight == event.insight, _events.c.time_ns == event.time_ns)
                db.execute(sa.delete(_events).where(*same))
                detail = json.dumps(dict(event.detail))
                row = {"insight": event.insight, "time_ns": event.time_ns, "detail": detail}
                db.execute(sa.insert(_events).values(**row))

    def windows(self, tenant: int, group: str, start_ns: int, end_ns: int | None = None) -> list[WindowRow]:
        """The windows that begin in a range, oldest first."""
        query = sa.select(_windows.c.start_ns, _windows.c.end_ns, _windows.c.detail).where(
            *_of(tenant, group), _windows.c.start_ns >= start_ns
        )
        if end_ns is not None:
            query = query.where(_windows.c.start_ns < end_ns)
        with self._control.reading() as db:
            return [WindowRow(*row) for row in db.execute(query.order_by(_windows.c.start_ns))]

    def find(
        self,
        tenant: int = 0,
        *,
        group: str | None = None,
        states: Sequence[State] = (),
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> list[InsightRow]:
        """Insights that were open in a range, newest first."""
        query = sa.select(_insights).where(_insights.c.tenant == tenant)
        if group is not None:
            query = query.where(_insights.c.group_name == group)
        if states:
            query = query.where(_insights.c.state.in_(list(states)))
        if end_ns is not None:
            query = query.where(_insights.c.start_ns < end_ns)
        if start_ns is not None:
            query = query.where(sa.or_(_insights.c.end_ns.is_(None), _insights.c.end_ns >= start_ns))
        with self._control.reading() as db:
            rows = db.execute(query.order_by(_insights.c.start_ns.desc(), _insights.c.id)).all()
        return [_insight(row) for row in rows]

    def active(self) -> list[InsightRow]:
        """The open insights of every tenant and group."""
        query = sa.select(_insights).where(_insights.c.state == "ACTIVE")
        with self._control.reading() as db:
            return [_insight(row) for row in db.execute(query.order_by(_insights.c.start_ns, _insights.c.id))]

    def get(self, insight_id: str, tenant: int = 0) -> InsightRow | None:
        query = sa.select(_insights).where(_insights.c.id == insight_id, _insights.c.tenant == tenant)
        with self._control.reading() as db:
            row = db.execute(query).first()
        return None if row is None else _insight(row)

    def events(self, insight_id: str) -> list[EventRow]:
        """The events of an insight, oldest first."""
        query = sa.select(_events).where(_events.c.insight == insight_id).order_by(_events.c.time_ns)
        with self._control.reading() as db:
            return [EventRow(row[0], row[1], json.loads(row[2])) for row in db.execute(query)]

    def forget_group(self, tenant: int, group: str, *, insights: bool) -> None:
        """Drop what was counted for a group; with `insights` also everything that was found."""
        with self._control.writing() as db:
            db.execute(sa.delete(_windows).where(*_of(tenant, group)))
            if insights:
                own = (_insights.c.tenant == tenant, _insights.c.group_name == group)
                db.execute(sa.delete(_insights).where(*own))

    def forget(self, *, windows_before_ns: int, insights_before_ns: int) -> None:
        """Drop old windows, but for those of an insight that is kept, and insights that ended long ago."""
        inside = sa.exists().where(
            _insights.c.tenant == _windows.c.tenant,
            _insights.c.group_name == _windows.c.group_name,
            _insights.c.start_ns < _windows.c.end_ns,
            sa.or_(_insights.c.end_ns.is_(None), _insights.c.end_ns > _windows.c.start_ns),
        )
        with self._control.writing() as db:
            db.execute(sa.delete(_insights).where(_insights.c.end_ns < insights_before_ns))
            db.execute(sa.delete(_windows).where(_windows.c.end_ns <= windows_before_ns, ~inside))


def _of(tenant: int, group: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return _windows.c.tenant == tenant, _windows.c.group_name == group


def _put(db: sa.Connection, insight: InsightRow) -> None:
    row = {
        "tenant": insight.tenant, "group_name": insight.group, "state": insight.state,
        "service": json.dumps(dict(insight.service)), "start_ns": insight.start_ns, "end_ns": insight.end_ns,
        "updated_ns": insight.updated_ns, "detail": json.dumps(dict(insight.detail)),
    }  # fmt: skip
    change = sa.update(_insights).where(_insights.c.id == insight.id).values(**row)
    if not db.execute(change).rowcount:
        db.execute(sa.insert(_insights).values(id=insight.id, **row))


def _insight(row: Sequence[Any] | sa.Row[*tuple[Any, ...]]) -> InsightRow:
    service, detail = json.loads(row[4]), json.loads(row[8])
    return InsightRow(row[0], row[1], row[2], row[3], service, row[5], row[6], row[7], detail)
