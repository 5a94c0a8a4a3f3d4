"""Retrievals of traces in the control database: which traces a token stands for, and for how long.

Handed the control database; times are passed in. What the traces hold is asked of the store each time.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from collector.storage.control import Control

LIFE_NS = 60 * 60 * 1_000_000_000
"""How long a token lives: 60 minutes (section 4.10 of X-Ray's specification)."""

_retrievals = sa.Table(
    "trace_retrievals", sa.MetaData(), sa.Column("token", sa.Text), sa.Column("tenant", sa.Integer),
    sa.Column("traces", sa.Text), sa.Column("start_ns", sa.BigInteger), sa.Column("end_ns", sa.BigInteger),
    sa.Column("cancelled", sa.Boolean), sa.Column("created_ns", sa.BigInteger),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Retrieval:
    """traces: ids of 32 hex digits. start_ns, end_ns: when they began, both inclusive."""

    token: str
    traces: tuple[str, ...]
    start_ns: int
    end_ns: int
    cancelled: bool


def start_retrieval(
    control: Control, traces: Sequence[str], start_ns: int, end_ns: int, now_ns: int, *, tenant: int = 0
) -> str:
    """Keep a retrieval; answers its token. Those whose time is over are forgotten."""
    token = secrets.token_urlsafe(32)
    row = {
        "token": token, "tenant": tenant, "traces": " ".join(traces), "start_ns": start_ns, "end_ns": end_ns,
        "cancelled": False, "created_ns": now_ns,
    }  # fmt: skip
    with control.writing() as db:
        db.execute(sa.delete(_retrievals).where(_retrievals.c.created_ns <= now_ns - LIFE_NS))
        db.execute(sa.insert(_retrievals).values(row))
    return token


def get_retrieval(control: Control, token: str, now_ns: int, tenant: int = 0) -> Retrieval | None:
    """The retrieval of a token, None for an unknown one and for one whose time is over."""
    with control.reading() as db:
        row = db.execute(sa.select(_retrievals).where(*_alive(token, now_ns, tenant))).one_or_none()
    if row is None:
        return None
    return Retrieval(row.token, tuple(row.traces.split()), row.start_ns, row.end_ns, row.cancelled)


def cancel_retrieval(control: Control, token: str, now_ns: int, tenant: int = 0) -> bool:
    """Cancel it; answers whether there is one."""
    with control.writing() as db:
        done = db.execute(sa.update(_retrievals).where(*_alive(token, now_ns, tenant)).values(cancelled=True))
        return bool(done.rowcount)


def _alive(token: str, now_ns: int, tenant: int) -> tuple[sa.ColumnElement[bool], ...]:
    columns = _retrievals.c
    return columns.token == token, columns.tenant == tenant, columns.created_ns > now_ns - LIFE_NS
