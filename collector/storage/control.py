"""Control data: tenants, API keys, sessions, login tokens, colours, changed settings, saved views.

Small and transactional, kept in control.sqlite beside the telemetry and never lost with it. Everything
is SQLAlchemy Core on portable SQL. Secrets enter and leave as text and are stored only as hashes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from collector.errors import RaywatchError

DEFAULT_ACCOUNT, DEFAULT_REGION = "123456789012", "us-east-1"
COLORS = 12
"""Colours of the palette; names beyond a dozen repeat them with a mark."""

MEMORY = ":memory:"
KEY_BYTES = 32
KEY_PREFIX = "rw_"
LOGIN_TTL_NS = 24 * 3600 * 10**9
SESSION_TTL_NS = 30 * 24 * 3600 * 10**9

_KEYS_FRESH_S = 2.0
"""How long another process's change of the keys may go unnoticed."""
_USED_GRAIN_NS = 60 * 10**9


@dataclass(frozen=True, slots=True)
class Tenant:
    id: int
    account: str
    region: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it may be shown: never the secret, never its hash."""

    id: str
    name: str
    tenant: int
    created_ns: int
    last_used_ns: int | None = None
    revoked_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    created_ns: int
    expires_ns: int


@dataclass(frozen=True, slots=True)
class Color:
    """slot: 0 to 11 of the palette. dozen: 0 plain, 1 notched, 2 and more with a hole."""

    slot: int
    dozen: int


@dataclass(frozen=True, slots=True)
class View:
    """query: the page's URL query, everything the page needs to show itself again."""

    id: str
    tenant: int
    page: str
    name: str
    query: str
    created_ns: int


_meta = sa.MetaData()
_text, _int = sa.Text, sa.BigInteger
_migrations = sa.Table(
    "migrations", _meta, sa.Column("number", sa.Integer, primary_key=True), sa.Column("name", _text)
)
_tenants = sa.Table(
    "tenants", _meta, sa.Column("id", sa.Integer), sa.Column("account", _text), sa.Column("region", _text)
)
_keys = sa.Table(
    "api_keys", _meta, sa.Column("id", _text), sa.Column("name", _text), sa.Column("hash", _text),
    sa.Column("tenant", sa.Integer), sa.Column("created_ns", _int), sa.Column("last_used_ns", _int),
    sa.Column("revoked_ns", _int),
)  # fmt: skip
_sessions = sa.Table(
    "sessions", _meta, sa.Column("hash", _text), sa.Column("created_ns", _int), sa.Column("expires_ns", _int)
)
_logins = sa.Table(
    "login_tokens", _meta, sa.Column("hash", _text), sa.Column("created_ns", _int),
    sa.Column("expires_ns", _int),
)  # fmt: skip
_secrets = sa.Table("secrets", _meta, sa.Column("name", _text), sa.Column("value", _text))
_colors = sa.Table(
    "colors", _meta, sa.Column("tenant", sa.Integer), sa.Column("kind", _text), sa.Column("name", _text),
    sa.Column("slot", sa.Integer), sa.Column("seen_ns", _int),
)  # fmt: skip
_settings = sa.Table(
    "settings", _meta, sa.Column("name", _text), sa.Column("value", _text), sa.Column("changed_ns", _int)
)
_views = sa.Table(
    "views", _meta, sa.Column("id", _text), sa.Column("tenant", sa.Integer), sa.Column("page", _text),
    sa.Column("name", _text), sa.Column("query", _text), sa.Column("created_ns", _int),
)  # fmt: skip
_KEY_COLUMNS = [_keys.c[name] for name in ApiKey.__dataclass_fields__]


def hash_secret(secret: str) -> str:
    """What is stored of a key or token: its SHA-256 in hex. They are random, so no salt is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret(prefix: str = "") -> str:
    """256 random bits in a form that fits a URL and a header."""
    return prefix + secrets.token_urlsafe(KEY_BYTES)


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    statements: tuple[str, ...]


@cache
def migrations() -> tuple[Migration, ...]:
    """The numbered steps that make today's control database, in order."""
    folder = resources.files("collector.storage") / "control_migrations"
    found = []
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            lines = [line.split("--")[0] for line in file.read_text("utf-8").splitlines()]
            parts = (part.strip() for part in "\n".join(lines).split(";"))
            found.append(Migration(int(number), name, tuple(part for part in parts if part)))
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise RaywatchError("the control migrations are not numbered 1, 2, 3, …")
    return tuple(found)


class Control:
    """The control database; safe to use from any thread.

    path: a file, or ':memory:' for one that is thrown away. key_hashes: SHA-256 of keys that come from
    the configuration; they are valid as long as they stand there and cannot be revoked here. local_hash:
    of the token of this user's own commands, valid without making anyone else need a key. required:
    whether a key is asked for; None: as soon as there is one.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        key_hashes: Iterable[str] = (),
        local_hash: str = "",
        required: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = str(path)
        self._configured = tuple(h.lower() for h in key_hashes)
        self._local = local_hash
        self._required = required
        self._clock = clock
        self._lock = threading.RLock()
        self._engine: sa.Engine | None = None
        self._live: tuple[tuple[str, ApiKey], ...] = ()
        self._live_until = float("-inf")
        self._color_cache: dict[tuple[int, str, str], Color] = {}

    def start(self) -> None:
        """Open the database and bring it to today's schema.

        Raises RaywatchError when it was written by a newer program or is not a control database.
        """
        if self._engine is None:
            self._engine = _open(self._path)
            try:
                _migrate(self._engine, self._path)
                if self._path != MEMORY:
                    Path(self._path).chmod(0o600)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None

    @property
    def version(self) -> int:
        """Number of the last migration the database has."""
        with self.reading() as db:
            return int(db.scalar(sa.select(sa.func.max(_migrations.c.number))) or 0)

    def backup(self, path: Path) -> None:
        """Write a consistent copy to a file that must not exist yet."""
        with self._lock, self._connected().connect() as db:
            db.exec_driver_sql("COMMIT")  # VACUUM INTO wants no transaction
            db.exec_driver_sql("VACUUM INTO ?", (str(path),))
            db.exec_driver_sql("BEGIN")

    # -- tenants

    def tenant_id(self, account: str, region: str) -> int:
        """The number of an (account, region) in telemetry rows; a new pair gets the next one."""
        same = sa.select(_tenants.c.id).where(_tenants.c.account == account, _tenants.c.region == region)
        with self.writing() as db:
            found = db.scalar(same)
            if found is None:
                found = int(db.scalar(sa.select(sa.func.max(_tenants.c.id))) or 0) + 1
                db.execute(sa.insert(_tenants).values(id=found, account=account, region=region))
            return int(found)

    def find_tenants(self) -> list[Tenant]:
        with self.reading() as db:
            return [Tenant(*row) for row in db.execute(sa.select(_tenants).order_by(_tenants.c.id))]

    # -- API keys

    def create_key(self, name: str, now_ns: int, tenant: int = 0) -> tuple[str, ApiKey]:
        """A new key and its secret, which cannot be shown again. Older keys stay valid."""
        secret = new_secret(KEY_PREFIX)
        key = ApiKey(secrets.token_hex(4), name, tenant, now_ns)
        row = {"id": key.id, "name": name, "tenant": tenant, "created_ns": now_ns}
        with self.writing() as db:
            db.execute(sa.insert(_keys).values(hash=hash_secret(secret), **row))
        self._live_until = float("-inf")
        return secret, key

    def find_keys(self) -> list[ApiKey]:
        """All keys ever made, oldest first."""
        with self.reading() as db:
            rows = db.execute(sa.select(*_KEY_COLUMNS).order_by(_keys.c.created_ns, _keys.c.id))
            return [ApiKey(*row) for row in rows]

    def revoke_key(self, key_id: str, now_ns: int) -> bool:
        """End a key; False when there is no such key alive."""
        change = sa.update(_keys).where(_keys.c.id == key_id, _keys.c.revoked_ns.is_(None))
        with self.writing() as db:
            changed = db.execute(change.values(revoked_ns=now_ns)).rowcount > 0
        self._live_until = float("-inf")
        return changed

    @property
    def required(self) -> bool | None:
        """Whether a key is asked for by setting; None: as soon as there is one."""
        return self._required

    def has_keys(self) -> bool:
        """Whether senders and people are asked who they are: by setting, or because a key is alive."""
        return self.any_key() if self._required is None else self._required

    def any_key(self) -> bool:
        """Whether any key is alive."""
        return bool(self._configured or self._live_keys())

    def verify_key(self, secret: str, now_ns: int) -> ApiKey | None:
        """The key that has this secret, or None. Takes the same time for every wrong secret."""
        given = hash_secret(secret)
        found: ApiKey | None = None
        for known, key in self._live_keys():
            if hmac.compare_digest(given, known):
                found = key
        if self._local and hmac.compare_digest(given, self._local):
            found = ApiKey("local", "this user's own commands", 0, 0)
        for known in self._configured:
            if hmac.compare_digest(given, known):
                found = ApiKey(f"configured-{known[:8]}", "configured", 0, 0)
        if found and now_ns - (found.last_used_ns or 0) >= _USED_GRAIN_NS:
            self._used(found, now_ns)
        return found

    def _live_keys(self) -> tuple[tuple[str, ApiKey], ...]:
        now = self._clock()
        if now >= self._live_until:
            query = sa.select(_keys.c.hash, *_KEY_COLUMNS).where(_keys.c.revoked_ns.is_(None))
            with self.reading() as db:
                self._live = tuple((row[0], ApiKey(*row[1:])) for row in db.execute(query))
            self._live_until = now + _KEYS_FRESH_S
        return self._live

    def _used(self, key: ApiKey, now_ns: int) -> None:
        if any(key.id == live.id for _, live in self._live):
            with self.writing() as db:
                db.execute(sa.update(_keys).where(_keys.c.id == key.id).values(last_used_ns=now_ns))
            self._live_until = float("-inf")

    # -- sessions and login tokens of the pages

    def create_login_token(self, now_ns: int, ttl_ns: int = LOGIN_TTL_NS) -> str:
        """A token for one login, as it stands in the link that the first start prints."""
        return self._issue(_logins, now_ns, ttl_ns)

    def use_login_token(self, token: str, now_ns: int) -> bool:
        """Whether the token was good; it is not any more."""
        gone = sa.delete(_logins).where(_logins.c.hash == hash_secret(token), _logins.c.expires_ns > now_ns)
        with self.writing() as db:
            return db.execute(gone).rowcount > 0

    def create_session(self, now_ns: int, ttl_ns: int = SESSION_TTL_NS) -> str:
        """The secret of a new session, for the cookie."""
        return self._issue(_sessions, now_ns, ttl_ns)

    def get_session(self, token: str, now_ns: int) -> Session | None:
        query = sa.select(_sessions.c.created_ns, _sessions.c.expires_ns).where(
            _sessions.c.hash == hash_secret(token), _sessions.c.expires_ns > now_ns
        )
        with self.reading() as db:
            row = db.execute(query).first()
        return Session(*row) if row else None

    def end_session(self, token: str) -> None:
        with self.writing() as db:
            db.execute(sa.delete(_sessions).where(_sessions.c.hash == hash_secret(token)))

    def end_sessions(self) -> int:
        """Log everyone out; how many sessions that were."""
        with self.writing() as db:
            return int(db.execute(sa.delete(_sessions)).rowcount)

    def _issue(self, table: sa.Table, now_ns: int, ttl_ns: int) -> str:
        token = new_secret()
        row = {"hash": hash_secret(token), "created_ns": now_ns, "expires_ns": now_ns + ttl_ns}
        with self.writing() as db:
            db.execute(sa.delete(table).where(table.c.expires_ns <= now_ns))
            db.execute(sa.insert(table).values(**row))
        return token

    def get_secret(self, name: str) -> str:
        """A random secret of the program itself, such as what signs forms; made when first asked for."""
        query = sa.select(_secrets.c.value).where(_secrets.c.name == name)
        with self.writing() as db:
            value = db.scalar(query)
            if value is None:
                value = new_secret()
                db.execute(sa.insert(_secrets).values(name=name, value=value))
            return str(value)

    # -- colours

    def get_colors(
        self, names: Iterable[str], now_ns: int, *, kind: str = "service", tenant: int = 0
    ) -> dict[str, Color]:
        """The colour of each name: crc32 % 12 or the next free one, and the same for ever after."""
        wanted = dict.fromkeys(names)
        missing = [name for name in wanted if (tenant, kind, name) not in self._color_cache]
        if missing:
            self._assign_colors(tenant, kind, missing, now_ns)
        return {name: self._color_cache[tenant, kind, name] for name in wanted}

    def _assign_colors(self, tenant: int, kind: str, names: list[str], now_ns: int) -> None:
        query = sa.select(_colors.c.name, _colors.c.slot).where(
            _colors.c.tenant == tenant, _colors.c.kind == kind
        )
        with self.writing() as db:
            slots = {str(name): int(slot) for name, slot in db.execute(query)}
            taken = set(slots.values())
            rows = []
            for name in names:
                if name not in slots:
                    slots[name] = free_slot(name, taken)
                    taken.add(slots[name])
                    row = {"tenant": tenant, "kind": kind, "name": name}
                    rows.append({**row, "slot": slots[name], "seen_ns": now_ns})
            if rows:
                db.execute(sa.insert(_colors), rows)
        for name, slot in slots.items():
            self._color_cache[tenant, kind, name] = Color(slot % COLORS, slot // COLORS)

    # -- settings that were changed in the pages

    def find_settings(self) -> dict[str, str]:
        with self.reading() as db:
            rows = db.execute(sa.select(_settings.c.name, _settings.c.value).order_by(_settings.c.name))
            return {str(name): str(value) for name, value in rows}

    def change_settings(self, values: Mapping[str, str | None], now_ns: int) -> None:
        """Keep changed settings, all or none; None goes back to what the configuration says."""
        with self.writing() as db:
            for name, value in values.items():
                db.execute(sa.delete(_settings).where(_settings.c.name == name))
                if value is not None:
                    db.execute(sa.insert(_settings).values(name=name, value=value, changed_ns=now_ns))

    # -- saved views

    def save_view(self, page: str, name: str, query: str, now_ns: int, tenant: int = 0) -> View:
        """Keep a page's URL query under a name; the same name on the same page is replaced."""
        view = View(secrets.token_hex(6), tenant, page, name, query, now_ns)
        same = sa.and_(_views.c.tenant == tenant, _views.c.page == page, _views.c.name == name)
        row = {field: getattr(view, field) for field in View.__dataclass_fields__}
        with self.writing() as db:
            db.execute(sa.delete(_views).where(same))
            db.execute(sa.insert(_views).values(**row))
        return view

    def find_views(self, page: str | None = None, tenant: int = 0) -> list[View]:
        query = sa.select(_views).where(_views.c.tenant == tenant).order_by(_views.c.page, _views.c.name)
        with self.reading() as db:
            rows = db.execute(query if page is None else query.where(_views.c.page == page))
            return [View(*row) for row in rows]

    def delete_view(self, view_id: str, tenant: int = 0) -> bool:
        gone = sa.delete(_views).where(_views.c.id == view_id, _views.c.tenant == tenant)
        with self.writing() as db:
            return db.execute(gone).rowcount > 0

    # -- the connection

    def _connected(self) -> sa.Engine:
        if self._engine is None:
            raise RaywatchError("the control database is not open")
        return self._engine

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for SELECTs, here and in the other modules of the control store."""
        with self._lock, self._connected().connect() as db:
            yield db

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """The same in one transaction, committed when the block ends and rolled back when it fails."""
        with self._lock, self._connected().connect() as db, db.execution_options(**_WRITES).begin():
            yield db


_WRITES = {"raywatch_writes": True}


def free_slot(name: str, taken: set[int]) -> int:
    """Where a new name goes: its own slot or the next free one of the first dozen that has one."""
    first = zlib.crc32(name.encode()) % COLORS
    dozen = 0
    while True:
        for step in range(COLORS):
            slot = dozen * COLORS + (first + step) % COLORS
            if slot not in taken:
                return slot
        dozen += 1


def _open(path: str) -> sa.Engine:
    """One connection for the process, behind the lock of Control; other processes wait their turn."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=path),
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "timeout": 5.0},
    )

    def connected(dbapi: object, _record: object) -> None:
        dbapi.isolation_level = None  # type: ignore[attr-defined] # we say BEGIN ourselves
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            dbapi.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]

    def begin(db: sa.Connection) -> None:
        writes = db.get_execution_options().get("raywatch_writes", False)
        db.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    sa.event.listen(engine, "connect", connected)
    sa.event.listen(engine, "begin", begin)
    return engine


def _migrate(engine: sa.Engine, path: str) -> None:
    known = migrations()
    try:
        with engine.connect().execution_options(**_WRITES) as db, db.begin():
            db.execute(sa.schema.CreateTable(_migrations, if_not_exists=True))
            have = int(db.scalar(sa.select(sa.func.max(_migrations.c.number))) or 0)
            if have > len(known):
                raise RaywatchError(
                    f"{path} was written by a newer Raywatch (schema {have}, this program knows up to "
                    f"{len(known)}). Install that version again, or restore a backup made by this one."
                )
            for step in known[have:]:
                for statement in step.statements:
                    db.exec_driver_sql(statement)
                db.execute(sa.insert(_migrations).values(number=step.number, name=step.name))
    except sa.exc.DBAPIError as error:
        raise RaywatchError(f"{path} cannot be opened as a control database: {error.orig}") from error
