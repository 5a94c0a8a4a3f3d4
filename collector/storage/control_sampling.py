"""Sampling in the control database: rules, the mark of their last change, and counts by window and minute.

It implements collector.sampling.service.Keeper; the rules about rules are in collector/sampling.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from collector.sampling.rules import Record, RuleSet, members_of, rule_set, stored_rule
from collector.sampling.statistics import Kept, Window
from collector.storage.control import Control

_meta = sa.MetaData()
_text, _int = sa.Text, sa.BigInteger
_rules = sa.Table(
    "sampling_rules", _meta, sa.Column("tenant", sa.Integer), sa.Column("name", _text),
    sa.Column("rule", _text), sa.Column("created_ns", _int), sa.Column("modified_ns", _int),
)  # fmt: skip
_marks = sa.Table("sampling_marks", _meta, sa.Column("tenant", sa.Integer), sa.Column("modified_ns", _int))
_windows = sa.Table(
    "sampling_windows", _meta, sa.Column("tenant", sa.Integer), sa.Column("rule", _text),
    sa.Column("start_s", _int), sa.Column("requests", _int), sa.Column("sampled", _int),
    sa.Column("borrowed", _int),
)  # fmt: skip
_kept = sa.Table(
    "sampling_kept", _meta, sa.Column("tenant", sa.Integer), sa.Column("rule", _text),
    sa.Column("service", _text), sa.Column("minute_s", _int), sa.Column("kept_traces", _int),
    sa.Column("lost_traces", _int), sa.Column("kept_spans", _int), sa.Column("lost_spans", _int),
)  # fmt: skip
_WINDOW_KEY = ("tenant", "rule", "start_s")
_KEPT_KEY = ("tenant", "rule", "service", "minute_s")


class SamplingStore:
    """Rules and counts of an open control database. Safe from any thread."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def load(self, tenant: int) -> RuleSet:
        """The tenant's rules with Default among them, and the mark of their last change."""
        query = sa.select(_rules.c.rule, _rules.c.created_ns, _rules.c.modified_ns)
        with self._control.reading() as db:
            mark = db.scalar(sa.select(_marks.c.modified_ns).where(_marks.c.tenant == tenant))
            rows = db.execute(query.where(_rules.c.tenant == tenant)).all()
        records = [Record(stored_rule(orjson.loads(text)), created, at) for text, created, at in rows]
        return rule_set(records, int(mark or 0))

    def put(self, tenant: int, record: Record, now_ns: int) -> int:
        """Create or replace a rule; the mark of the change."""
        row = {
            "tenant": tenant,
            "name": record.rule.name,
            "rule": orjson.dumps(members_of(record.rule)).decode(),
            "created_ns": record.created_ns,
            "modified_ns": record.modified_ns,
        }
        with self._control.writing() as db:
            db.execute(sa.delete(_rules).where(*_same(tenant, record.rule.name)))
            db.execute(sa.insert(_rules).values(**row))
            return _mark(db, tenant, now_ns)

    def remove(self, tenant: int, name: str, now_ns: int) -> int:
        """Delete a rule; the mark of the change."""
        with self._control.writing() as db:
            db.execute(sa.delete(_rules).where(*_same(tenant, name)))
            return _mark(db, tenant, now_ns)

    def add(self, windows: Sequence[Window], kept: Sequence[Kept]) -> None:
        """Add counts to what is there of the same windows and minutes."""
        with self._control.writing() as db:
            _add(db, _windows, _WINDOW_KEY, [asdict(one) for one in windows])
            _add(db, _kept, _KEPT_KEY, [asdict(one) for one in kept])

    def forget(self, windows_before_s: int, kept_before_s: int) -> None:
        """Drop counts that are older."""
        with self._control.writing() as db:
            db.execute(sa.delete(_windows).where(_windows.c.start_s < windows_before_s))
            db.execute(sa.delete(_kept).where(_kept.c.minute_s < kept_before_s))

    def find_windows(self, tenant: int, start_s: int, end_s: int) -> list[Window]:
        """Windows that begin in the range, oldest first."""
        at = _windows.c.start_s
        query = sa.select(_windows).where(_windows.c.tenant == tenant, at >= start_s, at < end_s)
        with self._control.reading() as db:
            return [Window(*row) for row in db.execute(query.order_by(at, _windows.c.rule))]

    def find_kept(self, tenant: int, start_s: int, end_s: int) -> list[Kept]:
        """Minutes that begin in the range, oldest first."""
        at = _kept.c.minute_s
        query = sa.select(_kept).where(_kept.c.tenant == tenant, at >= start_s, at < end_s)
        with self._control.reading() as db:
            return [Kept(*row) for row in db.execute(query.order_by(at, _kept.c.rule, _kept.c.service))]


def _same(tenant: int, name: str) -> tuple[sa.ColumnElement[bool], ...]:
    return _rules.c.tenant == tenant, _rules.c.name == name


def _mark(db: sa.Connection, tenant: int, now_ns: int) -> int:
    """Move LastRuleModification: to now, but never back and never not at all (specification 10.12)."""
    before = db.scalar(sa.select(_marks.c.modified_ns).where(_marks.c.tenant == tenant))
    mark = max(now_ns, int(before or 0) + 1)
    db.execute(sa.delete(_marks).where(_marks.c.tenant == tenant))
    db.execute(sa.insert(_marks).values(tenant=tenant, modified_ns=mark))
    return mark


def _add(db: sa.Connection, table: sa.Table, key: Iterable[str], rows: list[dict[str, Any]]) -> None:
    """Insert rows; where the key is there already, add the numbers to it."""
    if not rows:
        return
    keys = tuple(key)
    insert = sqlite.insert(table)
    sums = {
        column.name: column + insert.excluded[column.name] for column in table.c if column.name not in keys
    }
    db.execute(insert.on_conflict_do_update(index_elements=list(keys), set_=sums), rows)
