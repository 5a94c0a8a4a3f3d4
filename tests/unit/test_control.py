"""The control database: keys, logins, colours and settings, over restarts and upgrades."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import RaywatchError
from collector.storage.control import (
    COLORS,
    ApiKey,
    Color,
    Control,
    Tenant,
    free_slot,
    hash_secret,
    migrations,
)

NOW = 1_700_000_000 * 10**9
MINUTE = 60 * 10**9


@pytest.fixture
def control() -> Iterator[Control]:
    database = Control(":memory:")
    database.start()
    yield database
    database.close()


def test_the_default_tenant_is_zero_and_others_follow(control: Control) -> None:
    assert control.find_tenants() == [Tenant(0, "123456789012", "us-east-1")]
    assert control.tenant_id("123456789012", "us-east-1") == 0
    assert control.tenant_id("123456789012", "eu-west-1") == 1
    assert control.tenant_id("210987654321", "eu-west-1") == 2
    assert control.tenant_id("123456789012", "eu-west-1") == 1


def test_a_key_is_verified_until_it_is_revoked_and_two_live_side_by_side(control: Control) -> None:
    assert not control.has_keys()
    first, key = control.create_key("laptop", NOW)
    second, other = control.create_key("laptop, new", NOW + 1)
    assert control.has_keys()
    assert first != second
    assert len(first) >= 22 + len("rw_")
    assert control.verify_key(first, NOW) is not None
    assert control.verify_key(second, NOW) is not None
    assert control.verify_key(first[:-1], NOW) is None
    assert control.verify_key("", NOW) is None
    assert control.revoke_key(key.id, NOW + 2)
    assert not control.revoke_key(key.id, NOW + 3)
    assert control.verify_key(first, NOW + 4) is None
    assert control.verify_key(second, NOW + 4) is not None
    assert [(k.id, k.revoked_ns) for k in control.find_keys()] == [(key.id, NOW + 2), (other.id, None)]


def test_the_last_use_of_a_key_is_kept_to_the_minute(control: Control) -> None:
    secret, key = control.create_key("ci", NOW)
    for later in (0, MINUTE // 2, MINUTE):
        control.verify_key(secret, NOW + later)
    assert control.find_keys() == [ApiKey(key.id, "ci", 0, NOW, NOW + MINUTE)]


def test_secrets_are_nowhere_in_the_file(tmp_path: Path) -> None:
    database = Control(tmp_path / "control.sqlite")
    database.start()
    shown = [database.create_key("a", NOW)[0], database.create_login_token(NOW), database.create_session(NOW)]
    database.close()
    assert (tmp_path / "control.sqlite").stat().st_mode & 0o077 == 0
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert hash_secret(shown[0]).encode() in stored
    assert not [secret for secret in shown if secret.encode() in stored]


def test_keys_of_the_configuration_are_valid_without_a_row() -> None:
    database = Control(":memory:", key_hashes=[hash_secret("from the environment").upper()])
    database.start()
    assert database.has_keys()
    key = database.verify_key("from the environment", NOW)
    assert key is not None
    assert key.name == "configured"
    assert database.find_keys() == []
    database.close()


@pytest.mark.parametrize(
    ("required", "before", "after"), [(None, False, True), (True, True, True), (False, False, False)]
)
def test_whether_a_key_is_asked_for_can_be_set(required: bool | None, before: bool, after: bool) -> None:
    database = Control(":memory:", required=required, local_hash=hash_secret("local token"))
    database.start()
    assert database.has_keys() is before
    assert not database.any_key()
    local = database.verify_key("local token", NOW)
    assert local is not None
    assert local.tenant == 0
    assert database.verify_key("", NOW) is None
    database.create_key("first", NOW)
    assert database.has_keys() is after
    assert database.any_key()
    database.close()


def test_a_key_made_by_another_process_is_noticed(tmp_path: Path) -> None:
    clock = [0.0]
    server = Control(tmp_path / "control.sqlite", clock=lambda: clock[0])
    server.start()
    assert not server.has_keys()
    command = Control(tmp_path / "control.sqlite")
    command.start()
    secret, _ = command.create_key("new", NOW)
    command.close()
    clock[0] = 5.0
    assert server.verify_key(secret, NOW) is not None
    server.close()


def test_a_login_token_works_once_and_not_late(control: Control) -> None:
    token, late = control.create_login_token(NOW), control.create_login_token(NOW, ttl_ns=10)
    assert control.use_login_token(token, NOW + 1)
    assert not control.use_login_token(token, NOW + 1)
    assert not control.use_login_token(late, NOW + 10)
    assert not control.use_login_token("no such token", NOW)


def test_a_session_lives_until_it_ends(control: Control) -> None:
    token, short = control.create_session(NOW), control.create_session(NOW, ttl_ns=10)
    session = control.get_session(token, NOW + 5)
    assert session is not None
    assert session.created_ns == NOW
    assert control.get_session(short, NOW + 10) is None
    assert control.get_session("guess", NOW) is None
    control.end_session(token)
    assert control.get_session(token, NOW + 5) is None
    control.create_session(NOW)
    assert control.end_sessions() >= 1


def test_a_secret_of_the_program_is_made_once(tmp_path: Path) -> None:
    values = set()
    for _ in range(2):
        database = Control(tmp_path / "control.sqlite")
        database.start()
        values.add(database.get_secret("forms"))
        database.close()
    assert len(values) == 1


def test_colors_stay_with_their_names_over_a_restart(tmp_path: Path) -> None:
    names = [f"service-{n}" for n in range(30)]
    first = Control(tmp_path / "control.sqlite")
    first.start()
    before = first.get_colors(names[:20], NOW)
    first.close()
    again = Control(tmp_path / "control.sqlite")
    again.start()
    after = again.get_colors(reversed(names), NOW)
    assert {name: after[name] for name in names[:20]} == before
    assert sorted(c.dozen for c in before.values()) == [0] * 12 + [1] * 8
    assert again.get_colors(["service-0"], NOW, kind="log group")["service-0"].dozen == 0
    again.close()


def test_a_name_alone_has_the_color_of_its_checksum(control: Control) -> None:
    assert control.get_colors(["checkout"], NOW) == {"checkout": Color(6, 0)}


@given(st.lists(st.text(), unique=True, max_size=40))
def test_slots_fill_dozen_by_dozen_without_a_double(names: list[str]) -> None:
    taken: set[int] = set()
    for name in names:
        slot = free_slot(name, taken)
        assert slot not in taken
        taken.add(slot)
    assert all(slot < -(-len(names) // COLORS) * COLORS for slot in taken)


def test_settings_are_changed_together_and_taken_back(control: Control) -> None:
    control.change_settings({"retention.traces.age": "7d", "log_level": "debug"}, NOW)
    control.change_settings({"retention.traces.age": "3d", "log_level": None}, NOW)
    assert control.find_settings() == {"retention.traces.age": "3d"}


def test_views_are_saved_per_page_and_replaced_by_name(control: Control) -> None:
    control.save_view("traces", "slow", "q=duration>1", NOW)
    slow = control.save_view("traces", "slow", "q=duration>2", NOW)
    control.save_view("logs", "errors", "q=level=ERROR", NOW)
    assert control.find_views("traces") == [slow]
    assert len(control.find_views()) == 2
    assert control.delete_view(slow.id)
    assert not control.delete_view(slow.id)
    assert control.find_views("traces") == []


def test_many_threads_share_it(control: Control) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(20):
                control.tenant_id("1", f"r{turn}")
                control.get_colors([f"{number}-{turn}"], NOW)
                control.find_tenants()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(control.find_tenants()) == 21


def _stored_at(version: int, path: Path) -> None:
    """A database as the program of that schema left it."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT)")
        for step in migrations()[:version]:
            for statement in step.statements:
                db.execute(statement)
            db.execute("INSERT INTO migrations VALUES (?, ?)", (step.number, step.name))
        db.execute(
            "INSERT INTO api_keys VALUES ('abc', 'old', ?, 0, 1, NULL, NULL)", (hash_secret("old secret"),)
        )
    db.close()


def test_an_older_database_is_upgraded_and_keeps_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "control.sqlite"
    _stored_at(1, path)
    database = Control(path)
    database.start()
    assert database.version == len(migrations())
    assert database.verify_key("old secret", NOW) is not None
    assert database.find_views() == []
    database.close()


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sqlite"
    _stored_at(len(migrations()), path)
    with sqlite3.connect(path) as db:
        db.execute("INSERT INTO migrations VALUES (99, 'from the future')")
        before = list(db.iterdump())
    db.close()
    with pytest.raises(RaywatchError, match=r"newer Raywatch \(schema 99"):
        Control(path).start()
    with sqlite3.connect(path) as db:
        assert list(db.iterdump()) == before
    db.close()


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "control.sqlite"
    path.write_bytes(b"not a database, " * 100)
    with pytest.raises(RaywatchError, match="cannot be opened"):
        Control(path).start()


def test_a_backup_is_a_whole_database(control: Control, tmp_path: Path) -> None:
    secret, _ = control.create_key("kept", NOW)
    control.backup(tmp_path / "copy.sqlite")
    copy = Control(tmp_path / "copy.sqlite")
    copy.start()
    assert copy.verify_key(secret, NOW) is not None
    copy.close()


def test_nothing_is_answered_before_the_start() -> None:
    with pytest.raises(RaywatchError, match="not open"):
        Control(":memory:").find_keys()
