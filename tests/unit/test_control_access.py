"""Access keys and the audit trail in the control database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from collector.errors import RaywatchError
from collector.storage import control_access
from collector.storage.control import Control
from collector.storage.control_access import AccessKey, AccessKeys, Audit, Entry

NOW = 1_700_000_000 * 10**9
ACCOUNT = "111122223333"


@pytest.fixture
def control() -> Iterator[Control]:
    made = Control(":memory:")
    made.start()
    yield made
    made.close()


class Clock:
    """Monotonic seconds that stand still until they are moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_key_is_made_found_used_and_revoked(control: Control) -> None:
    keys = AccessKeys(control)
    assert not keys.any()
    secret, key = keys.create("laptop", NOW, account=ACCOUNT, access="read", services=("xray", "sts"))
    assert len(secret) == 40
    assert key.id.startswith("AKIA")
    assert len(key.id) == 20
    assert keys.any()
    assert keys.get(key.id) == (key, secret)
    assert keys.find() == [key]
    keys.used(key, NOW + 5)
    (found,) = keys.find()
    assert found.last_used_ns == NOW + 5
    keys.used(found, NOW + 6)
    assert keys.find()[0].last_used_ns == NOW + 5, "not more often than once a minute"
    assert keys.revoke(key.id, NOW + 7)
    assert not keys.revoke(key.id, NOW + 8)
    assert keys.get(key.id) is None
    assert not keys.any()
    assert keys.find()[0].revoked_ns == NOW + 7
    assert secret not in repr(keys.find())


def test_what_another_process_changes_is_noticed_within_seconds(control: Control) -> None:
    clock = Clock()
    here, there = AccessKeys(control, clock=clock), AccessKeys(control)
    assert not here.any()
    _, key = there.create("other", NOW, account=ACCOUNT)
    assert not here.any()
    clock.now += 2
    assert here.get(key.id) is not None
    there.revoke(key.id, NOW)
    clock.now += 2
    assert here.get(key.id) is None


@pytest.mark.parametrize("account", ["", "12", "12345678901x", "1234567890123", "\uff11" * 12])
def test_an_account_is_twelve_digits(control: Control, account: str) -> None:
    with pytest.raises(RaywatchError, match="12 digits"):
        AccessKeys(control).create("x", NOW, account=account)


@pytest.mark.parametrize(
    ("access", "allowed"),
    [
        ("all", {"read", "change", "data", "any"}),
        ("read", {"read", "any"}),
        ("write", {"change", "data", "any"}),
    ],
)
def test_rights(access: control_access.Access, allowed: set[str]) -> None:
    key = AccessKey("A", "n", ACCOUNT, access, ("xray",), NOW)
    for effect in ("read", "change", "data", "any"):
        assert key.may(effect, "xray") == (effect in allowed)
        assert not key.may(effect, "logs")
    assert key.may("self", "sts")


def entry(number: int, **fields: str) -> Entry:
    given = {"request": "{}", "error": "", **fields}
    return Entry(NOW + number, 0, "xray", "CreateGroup", "AKIA", "127.0.0.1 boto3", f"id-{number}", **given)


def test_the_trail_gives_the_newest_first_and_by_pages(control: Control) -> None:
    audit = Audit(control)
    for number in range(5):
        audit.record(entry(number))
    first = audit.find(2)
    assert [one.request_id for one in first] == ["id-4", "id-3"]
    assert [one.request_id for one in audit.find(9, before=first[-1].id)] == ["id-2", "id-1", "id-0"]


def test_the_trail_is_bounded(control: Control) -> None:
    audit = Audit(control, rows=10)
    for number in range(57):
        audit.record(entry(number, request="x" * 5000))
    found = audit.find(100)
    assert 10 <= len(found) < 20
    assert found[0].request_id == "id-56"
    assert all(len(one.request) == control_access.REQUEST_LENGTH for one in found)


KEPT = {"migrations", "tenants", "api_keys", "sessions", "login_tokens", "secrets", "colors", "settings",
        "views", "access_keys", "sampling_marks"}  # fmt: skip


def test_a_reset_names_every_table_that_the_apis_keep(control: Control) -> None:
    """Whoever adds a table has to say here whether a reset empties it."""
    with control.reading() as db:
        tables = set(sa.inspect(db).get_table_names())
    assert set(control_access.RESET) | KEPT == tables


def test_a_reset_empties_and_moves_the_mark_of_the_rules(control: Control) -> None:
    keys = AccessKeys(control)
    _, key = keys.create("kept", NOW, account=ACCOUNT)
    Audit(control).record(entry(1))
    with control.writing() as db:
        db.execute(sa.text("INSERT INTO sampling_rules VALUES (0, 'r', '{}', 1, 1)"))
        db.execute(sa.text("INSERT INTO sampling_marks VALUES (0, 5), (1, :later)"), {"later": NOW + 9})
        db.execute(sa.text("INSERT INTO tags VALUES (0, 'arn', 'k', 'v')"))
    control_access.reset(control, NOW)
    assert Audit(control).find() == []
    assert keys.find() == [key]
    with control.reading() as db:
        for table in control_access.RESET:
            assert db.scalar(sa.select(sa.func.count()).select_from(sa.table(table))) == 0
        marks = db.execute(sa.text("SELECT modified_ns FROM sampling_marks ORDER BY tenant")).scalars().all()
    assert marks == [NOW, NOW + 9]
