"""Access keys of the AWS APIs, and the audit trail of what was done through them; in the control database.

SigV4 is computed from the secret, so an access key's secret is kept as it is, in a file that only its owner
may read; it is handed out when the key is made and to whoever verifies a signature, and never shown again.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import sqlalchemy as sa

from collector.errors import RaywatchError
from collector.storage.control import Control

Access: TypeAlias = Literal["all", "read", "write"]
ACCESSES: tuple[Access, ...] = ("all", "read", "write")

AUDIT_ROWS = 20_000
"""How many entries the audit trail keeps; the oldest go first."""
REQUEST_LENGTH = 2000
"""Characters of a request that an entry keeps."""

_FRESH_S = 2.0
"""How long another process's change of the keys may go unnoticed."""
_USED_GRAIN_NS = 60 * 10**9
_PRUNE_EVERY = 200
_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

_meta = sa.MetaData()
_text, _int = sa.Text, sa.BigInteger
_keys = sa.Table(
    "access_keys", _meta, sa.Column("id", _text), sa.Column("secret", _text), sa.Column("name", _text),
    sa.Column("account", _text), sa.Column("access", _text), sa.Column("services", _text),
    sa.Column("created_ns", _int), sa.Column("last_used_ns", _int), sa.Column("revoked_ns", _int),
)  # fmt: skip
_audit = sa.Table(
    "audit", _meta, sa.Column("id", sa.Integer, primary_key=True), sa.Column("time_ns", _int),
    sa.Column("tenant", sa.Integer), sa.Column("service", _text), sa.Column("operation", _text),
    sa.Column("who", _text), sa.Column("source", _text), sa.Column("request_id", _text),
    sa.Column("request", _text), sa.Column("error", _text),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key as it may be shown: never its secret. services: which it may speak to, () for all."""

    id: str
    name: str
    account: str
    access: Access
    services: tuple[str, ...]
    created_ns: int
    last_used_ns: int | None = None
    revoked_ns: int | None = None

    def may(self, effect: str, service: str) -> bool:
        """Whether it may call an operation with this effect ('read', 'change', 'data', 'any' or 'self')."""
        if effect == "self":
            return True
        if self.services and service not in self.services:
            return False
        if self.access == "all" or effect == "any":
            return True
        return (effect == "read") == (self.access == "read")


class AccessKeys:
    """The access keys; safe to use from any thread."""

    def __init__(self, control: Control, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._control = control
        self._clock = clock
        self._lock = threading.Lock()
        self._live: dict[str, tuple[AccessKey, str]] = {}
        self._live_until = float("-inf")

    def create(
        self, name: str, now_ns: int, *, account: str, access: Access = "all", services: Iterable[str] = ()
    ) -> tuple[str, AccessKey]:
        """A new key and its secret, which is shown this once. Raises RaywatchError for what cannot be."""
        if not (account.isascii() and account.isdecimal() and len(account) == 12):
            raise RaywatchError("an account is 12 digits")
        if access not in ACCESSES:
            raise RaywatchError(f"access is one of {', '.join(ACCESSES)}, not {access!r}")
        identity = "AKIA" + "".join(secrets.choice(_ID_LETTERS) for _ in range(16))
        secret = secrets.token_urlsafe(30)
        key = AccessKey(identity, name, account, access, tuple(services), now_ns)
        row = {
            "id": key.id, "secret": secret, "name": name, "account": account, "access": access,
            "services": " ".join(key.services), "created_ns": now_ns,
        }  # fmt: skip
        with self._control.writing() as db:
            db.execute(sa.insert(_keys).values(**row))
        self._stale()
        return secret, key

    def find(self) -> list[AccessKey]:
        """All keys ever made, oldest first."""
        with self._control.reading() as db:
            rows = db.execute(sa.select(_keys).order_by(_keys.c.created_ns, _keys.c.id)).mappings()
            return [_key(row) for row in rows]

    def revoke(self, key_id: str, now_ns: int) -> bool:
        """End a key; False when there is no such key alive."""
        change = sa.update(_keys).where(_keys.c.id == key_id, _keys.c.revoked_ns.is_(None))
        with self._control.writing() as db:
            changed = db.execute(change.values(revoked_ns=now_ns)).rowcount > 0
        self._stale()
        return changed

    def any(self) -> bool:
        """Whether any key is alive."""
        return bool(self._fresh())

    def get(self, key_id: str) -> tuple[AccessKey, str] | None:
        """A key that is alive and its secret, for verifying a signature."""
        return self._fresh().get(key_id)

    def used(self, key: AccessKey, now_ns: int) -> None:
        """Note that it was used, once a minute at most."""
        if now_ns - (key.last_used_ns or 0) >= _USED_GRAIN_NS:
            with self._control.writing() as db:
                db.execute(sa.update(_keys).where(_keys.c.id == key.id).values(last_used_ns=now_ns))
            self._stale()

    def _stale(self) -> None:
        with self._lock:
            self._live_until = float("-inf")

    def _fresh(self) -> Mapping[str, tuple[AccessKey, str]]:
        now = self._clock()
        if now < self._live_until:
            return self._live
        with self._lock:
            if now >= self._live_until:
                with self._control.reading() as db:
                    rows = db.execute(sa.select(_keys).where(_keys.c.revoked_ns.is_(None))).mappings()
                    self._live = {row["id"]: (_key(row), str(row["secret"])) for row in rows}
                self._live_until = now + _FRESH_S
            return self._live


def _key(row: sa.RowMapping) -> AccessKey:
    return AccessKey(
        row["id"], row["name"], row["account"], row["access"], tuple(row["services"].split()),
        row["created_ns"], row["last_used_ns"], row["revoked_ns"],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One call in the audit trail. who: access key id, '' for anonymous. source: address and program.

    request: its members as JSON, cut to REQUEST_LENGTH. error: '' when it succeeded, else 'Code: text'.
    id: 0 before it is recorded.
    """

    time_ns: int
    tenant: int
    service: str
    operation: str
    who: str
    source: str
    request_id: str
    request: str
    error: str
    id: int = 0


_ENTRY = [_audit.c[name] for name in Entry.__dataclass_fields__]


class Audit:
    """The audit trail: every call that changes control data, and every one whose caller was refused.

    It is bounded: beyond `rows` the oldest entries go.
    """

    def __init__(self, control: Control, *, rows: int = AUDIT_ROWS) -> None:
        self._control = control
        self._rows = rows

    def record(self, entry: Entry) -> None:
        """Keep an entry; it is on the disk when this returns."""
        row = {name: getattr(entry, name) for name in Entry.__dataclass_fields__ if name != "id"}
        row["request"] = entry.request[:REQUEST_LENGTH]
        with self._control.writing() as db:
            number = int(db.scalar(sa.insert(_audit).values(**row).returning(_audit.c.id)) or 0)
            if number % min(_PRUNE_EVERY, self._rows) == 0:
                db.execute(sa.delete(_audit).where(_audit.c.id <= number - self._rows))

    def find(self, limit: int = 100, *, before: int | None = None) -> list[Entry]:
        """The newest entries first; before: only those older than this id, for the next page."""
        query = sa.select(*_ENTRY).order_by(_audit.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(_audit.c.id < before)
        with self._control.reading() as db:
            return [Entry(*row) for row in db.execute(query)]


RESET = (
    "insight_events", "insight_windows", "insights", "trace_groups", "tags", "resource_policies",
    "aws_settings",
    "sampling_rules", "sampling_windows", "sampling_kept", "xray_agents", "trace_retrievals", "audit",
)  # fmt: skip
"""What a reset empties: everything that the AWS APIs keep. Keys, tenants, views and colours stay."""


def reset(control: Control, now_ns: int) -> None:
    """Forget everything that the AWS APIs keep but the keys.

    LastRuleModification moves on instead: samplers must notice that the rules are gone.
    """
    marks = sa.table("sampling_marks", sa.column("modified_ns"))
    with control.writing() as db:
        for name in RESET:
            db.execute(sa.delete(sa.table(name)))
        db.execute(sa.update(marks).where(marks.c.modified_ns < now_ns).values(modified_ns=now_ns))
