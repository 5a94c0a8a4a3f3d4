"""Groups, tags, resource policies and the small settings of the X-Ray API, in the control database.

Each class is a view of one table over an open Control. They keep what they are told and hold to limits and
revisions; what a name or an expression may be is checked by the operations and pages above.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from collector.errors import RaywatchError
from collector.storage.control import Control, Tenant

DEFAULT_GROUP = "Default"
"""The group of all traces; it is always there and cannot be renamed, narrowed or deleted."""

_meta = sa.MetaData()
_text, _int = sa.Text, sa.BigInteger
_groups = sa.Table(
    "trace_groups", _meta, sa.Column("tenant", sa.Integer), sa.Column("name", _text), sa.Column("id", _text),
    sa.Column("filter", _text), sa.Column("insights", sa.Boolean), sa.Column("notifications", sa.Boolean),
    sa.Column("created_ns", _int), sa.Column("modified_ns", _int),
)  # fmt: skip
_tags = sa.Table(
    "tags", _meta, sa.Column("tenant", sa.Integer), sa.Column("arn", _text), sa.Column("key", _text),
    sa.Column("value", _text),
)  # fmt: skip
_policies = sa.Table(
    "resource_policies", _meta, sa.Column("tenant", sa.Integer), sa.Column("service", _text),
    sa.Column("name", _text), sa.Column("document", _text), sa.Column("revision", _int),
    sa.Column("updated_ns", _int),
)  # fmt: skip
_settings = sa.Table(
    "aws_settings", _meta, sa.Column("tenant", sa.Integer), sa.Column("name", _text),
    sa.Column("value", _text), sa.Column("changed_ns", _int),
)  # fmt: skip


class Taken(RaywatchError):
    """There is one of this name already."""


class TooMany(RaywatchError):
    """One more than the limit. most: the limit."""

    def __init__(self, message: str, most: int) -> None:
        super().__init__(message)
        self.most = most


class Revised(RaywatchError):
    """The revision that was given is not the latest one."""


@dataclass(frozen=True, slots=True)
class Group:
    """A named filter expression. id: the last part of its ARN. filter: '' for every trace.

    modified_ns: when the expression was last changed; what was learned before is about other traces.
    """

    tenant: int
    name: str
    id: str
    filter: str = ""
    insights: bool = False
    notifications: bool = False
    created_ns: int = 0
    modified_ns: int = 0

    @property
    def resource(self) -> str:
        """The resource part of its ARN."""
        return f"group/{self.name}/{self.id}"

    def arn(self, owner: Tenant) -> str:
        """Its whole ARN, for the account and region that it belongs to."""
        partitions = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
        partition = next((name for at, name in partitions.items() if owner.region.startswith(at)), "aws")
        return f"arn:{partition}:xray:{owner.region}:{owner.account}:{self.resource}"


def default_group(tenant: int) -> Group:
    """The group Default as it is before anything was changed: its id is the same every time."""
    digest = hashlib.sha256(f"{tenant}/{DEFAULT_GROUP}".encode()).digest()
    return Group(tenant, DEFAULT_GROUP, _id(digest[:20]))


def _id(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=")


class Groups:
    """The groups of every tenant. Default needs no row until something of it is changed."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def find(self, tenant: int = 0) -> list[Group]:
        """All groups, Default first, the others by name."""
        query = sa.select(_groups).where(_groups.c.tenant == tenant).order_by(_groups.c.name)
        with self._control.reading() as db:
            found = [Group(*row) for row in db.execute(query)]
        own = [group for group in found if group.name != DEFAULT_GROUP]
        default = next((g for g in found if g.name == DEFAULT_GROUP), default_group(tenant))
        return [default, *own]

    def get(self, name: str, tenant: int = 0) -> Group | None:
        """A group by its name, which is case-sensitive."""
        return next((group for group in self.find(tenant) if group.name == name), None)

    def watched(self) -> list[Group]:
        """The groups of all tenants that have insights enabled."""
        query = sa.select(_groups).where(_groups.c.insights.is_(True))
        with self._control.reading() as db:
            rows = db.execute(query.order_by(_groups.c.tenant, _groups.c.name))
            return [Group(*row) for row in rows]

    def create(self, group: Group, now_ns: int, *, most: int) -> Group:
        """A new group with an id of its own. Raises Taken, and TooMany beyond `most` beside Default."""
        made = replace(group, id=_id(secrets.token_bytes(20)), created_ns=now_ns, modified_ns=now_ns)
        names = sa.select(_groups.c.name).where(_groups.c.tenant == group.tenant)
        with self._control.writing() as db:
            known = {str(name) for name in db.scalars(names)} | {DEFAULT_GROUP}
            if group.name in known:
                raise Taken(f"There is a group named {group.name} already.")
            if len(known) > most:
                raise TooMany(f"There may be {most} groups beside {DEFAULT_GROUP}.", most)
            db.execute(sa.insert(_groups).values(**_row(made)))
        return made

    def put(self, group: Group, now_ns: int) -> Group:
        """Keep a group as it is now. A changed expression begins a new history."""
        old = self.get(group.name, group.tenant)
        changed = old is None or old.filter != group.filter
        kept = replace(
            group,
            created_ns=group.created_ns or now_ns,
            modified_ns=now_ns if changed or not group.created_ns else group.modified_ns,
        )
        with self._control.writing() as db:
            db.execute(sa.delete(_groups).where(*_same(group)))
            db.execute(sa.insert(_groups).values(**_row(kept)))
        return kept

    def delete(self, group: Group) -> bool:
        """Whether there was such a group to delete."""
        with self._control.writing() as db:
            return db.execute(sa.delete(_groups).where(*_same(group))).rowcount > 0


def _same(group: Group) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return _groups.c.tenant == group.tenant, _groups.c.name == group.name


def _row(group: Group) -> dict[str, Any]:
    return {name: getattr(group, name) for name in Group.__dataclass_fields__}


class Tags:
    """Tags of any resource, by its ARN."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def find(self, arn: str, tenant: int = 0) -> list[tuple[str, str]]:
        """(key, value) by key."""
        query = sa.select(_tags.c.key, _tags.c.value).where(_tags.c.tenant == tenant, _tags.c.arn == arn)
        with self._control.reading() as db:
            return [(str(key), str(value)) for key, value in db.execute(query.order_by(_tags.c.key))]

    def put(self, arn: str, tags: Mapping[str, str], tenant: int = 0, *, most: int) -> None:
        """Set tags; a key that is there gets the new value. All or none: raises TooMany beyond `most`."""
        here = (_tags.c.tenant == tenant, _tags.c.arn == arn)
        with self._control.writing() as db:
            known = {str(key) for key in db.scalars(sa.select(_tags.c.key).where(*here))}
            if len(known | set(tags)) > most:
                raise TooMany(f"A resource may have {most} tags.", most)
            if tags:
                db.execute(sa.delete(_tags).where(*here, _tags.c.key.in_(list(tags))))
                rows = [{"tenant": tenant, "arn": arn, "key": k, "value": v} for k, v in tags.items()]
                db.execute(sa.insert(_tags), rows)

    def remove(self, arn: str, keys: Iterable[str] | None = None, tenant: int = 0) -> None:
        """Take tags away, all of them without `keys`; one that is not there is no error."""
        gone = sa.delete(_tags).where(_tags.c.tenant == tenant, _tags.c.arn == arn)
        with self._control.writing() as db:
            db.execute(gone if keys is None else gone.where(_tags.c.key.in_(list(keys))))


@dataclass(frozen=True, slots=True)
class Policy:
    """A resource policy as it was put. revision: 1 for the first, one more for each change."""

    name: str
    document: str
    revision: int
    updated_ns: int


class Policies:
    """Resource policies of one AWS service, kept and reported; nothing here grants or refuses anything."""

    def __init__(self, control: Control, service: str) -> None:
        self._control = control
        self._service = service

    def find(self, tenant: int = 0) -> list[Policy]:
        """All policies by name."""
        with self._control.reading() as db:
            return self._known(db, tenant)

    def put(
        self, name: str, document: str, now_ns: int, tenant: int = 0, *, revision: int | None, most: int
    ) -> Policy:
        """Keep a policy. revision: None always, 0 only a new one, else only over that one: raises Revised.

        Raises TooMany for one more than `most`.
        """
        with self._control.writing() as db:
            known = {policy.name: policy for policy in self._known(db, tenant)}
            latest = known[name].revision if name in known else 0
            if revision is not None and revision != latest:
                raise Revised(_revised(name, latest))
            if name not in known and len(known) >= most:
                raise TooMany(f"There may be {most} resource policies.", most)
            made = Policy(name, document, latest + 1, now_ns)
            db.execute(sa.delete(_policies).where(*self._same(name, tenant)))
            row = {field: getattr(made, field) for field in Policy.__dataclass_fields__}
            db.execute(sa.insert(_policies).values(tenant=tenant, service=self._service, **row))
        return made

    def delete(self, name: str, tenant: int = 0, *, revision: int | None) -> bool:
        """Whether there was one. Raises Revised when `revision` is given and not its latest."""
        with self._control.writing() as db:
            known = {policy.name: policy.revision for policy in self._known(db, tenant)}
            if name not in known:
                return False
            if revision is not None and revision != known[name]:
                raise Revised(_revised(name, known[name]))
            db.execute(sa.delete(_policies).where(*self._same(name, tenant)))
        return True

    def _known(self, db: sa.Connection, tenant: int) -> list[Policy]:
        columns = [_policies.c[name] for name in Policy.__dataclass_fields__]
        query = sa.select(*columns).where(_policies.c.tenant == tenant, _policies.c.service == self._service)
        return [Policy(*row) for row in db.execute(query.order_by(_policies.c.name))]

    def _same(self, name: str, tenant: int) -> Sequence[sa.ColumnElement[bool]]:
        return _policies.c.tenant == tenant, _policies.c.service == self._service, _policies.c.name == name


def _revised(name: str, latest: int) -> str:
    if not latest:
        return f"There is no policy named {name} yet: leave the revision out, or give 0."
    return f"The latest revision of the policy {name} is {latest}."


@dataclass(frozen=True, slots=True)
class Setting:
    """A value of the API. changed_ns: 0 for the default."""

    value: Mapping[str, Any]
    changed_ns: int = 0


class AwsSettings:
    """What an API stores and reports as one value, by name."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def get(self, name: str, default: Mapping[str, Any], tenant: int = 0) -> Setting:
        """The value, or the default that it has until it is changed."""
        query = sa.select(_settings.c.value, _settings.c.changed_ns).where(*_named(name, tenant))
        with self._control.reading() as db:
            row = db.execute(query).first()
        return Setting(default) if row is None else Setting(json.loads(row[0]), int(row[1]))

    def put(self, name: str, value: Mapping[str, Any], now_ns: int, tenant: int = 0) -> Setting:
        """Keep a value."""
        row = {"tenant": tenant, "name": name, "value": json.dumps(dict(value)), "changed_ns": now_ns}
        with self._control.writing() as db:
            db.execute(sa.delete(_settings).where(*_named(name, tenant)))
            db.execute(sa.insert(_settings).values(**row))
        return Setting(value, now_ns)


def _named(name: str, tenant: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return _settings.c.tenant == tenant, _settings.c.name == name
