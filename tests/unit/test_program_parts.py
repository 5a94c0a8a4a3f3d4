"""The small parts of the program: addresses, the lock, what a table shows, the clock, who is let in."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from receiving import wait_until

from alarms.scheduler import Job, Scheduler
from collector.errors import RaywatchError, Unauthenticated
from collector.storage.control import Control
from raywatch import process, running, show
from raywatch.application import allowed_hosts, authenticator
from raywatch.listen import Bind, binds, explain_busy, refuse_open_doors
from raywatch.process import figures
from raywatch.running import DataLock, Running
from raywatch.settings import Settings

NOTE = Running(4242, "http://localhost:8000", "", "", "token", "1")


@pytest.mark.parametrize(
    ("text", "host", "bind"),
    [
        ("4317", "localhost", Bind("localhost", 4317, "otlp_grpc")),
        ("0.0.0.0:1", "localhost", Bind("0.0.0.0", 1, "otlp_grpc")),
        ("[::1]:2", "localhost", Bind("::1", 2, "otlp_grpc")),
        ("3", "::", Bind("::", 3, "otlp_grpc")),
        ("off", "localhost", None),
    ],
)
def test_addresses(text: str, host: str, bind: Bind | None) -> None:
    assert binds(Settings(host=host, otlp_grpc=text)).otlp_grpc == bind


@pytest.mark.parametrize(
    ("host", "grpc", "any_key", "auth", "refused"),
    [
        ("localhost", "4317", False, "auto", ""),
        ("127.0.0.1", "[::1]:4317", False, "off", ""),
        ("0.0.0.0", "4317", True, "auto", ""),
        ("0.0.0.0", "4317", True, "on", ""),
        ("0.0.0.0", "4317", False, "auto", "0.0.0.0 (host) can be reached"),
        ("192.0.2.1", "4317", False, "on", "192.0.2.1 (host) can be reached"),
        ("localhost", "0.0.0.0:4317", False, "auto", "0.0.0.0 (otlp_grpc) can be reached"),
        ("0.0.0.0", "4317", True, "off", "set auth to auto or on"),
        ("", "4317", False, "auto", "every address (host) can be reached"),
    ],
)
def test_who_may_be_reached_from_elsewhere(
    host: str, grpc: str, any_key: bool, auth: str, refused: str
) -> None:
    wanted = binds(Settings(host=host, otlp_grpc=grpc))
    if not refused:
        refuse_open_doors(wanted, any_key=any_key, auth=auth)
        return
    with pytest.raises(RaywatchError) as caught:
        refuse_open_doors(wanted, any_key=any_key, auth=auth)
    assert refused in str(caught.value)


@pytest.mark.parametrize(
    ("udp", "host", "bind"),
    [
        ("localhost:2000", "0.0.0.0", Bind("localhost", 2000, "xray_udp", datagrams=True)),
        ("2000", "0.0.0.0", Bind("localhost", 2000, "xray_udp", datagrams=True)),
        ("172.17.0.1:2000", "localhost", Bind("172.17.0.1", 2000, "xray_udp", datagrams=True)),
        ("off", "0.0.0.0", None),
    ],
)
def test_datagrams_come_from_this_machine_unless_an_address_is_given_for_them(
    udp: str, host: str, bind: Bind | None
) -> None:
    """Nobody can be asked for a key there, so that it does not follow `host`."""
    wanted = binds(Settings(host=host, xray_udp=udp))
    assert wanted.xray_udp == bind
    refuse_open_doors(wanted, any_key=True, auth="auto")


def test_another_trouble_than_a_busy_port_keeps_its_words() -> None:
    message = "cannot listen on 127.0.0.1:80: ports below 1024 need privileges"
    assert explain_busy(message, binds(Settings(port=80))) == message


@pytest.mark.parametrize(
    ("host", "names", "hosts"),
    [
        ("localhost", (), {"localhost", "127.0.0.1", "[::1]"}),
        ("localhost", ("Dev.Box",), {"localhost", "127.0.0.1", "[::1]", "dev.box"}),
        ("0.0.0.0", (), None),
        ("0.0.0.0", ("a",), {"localhost", "127.0.0.1", "[::1]", "a"}),
        ("Box", (), {"localhost", "127.0.0.1", "[::1]", "box"}),
        ("localhost", ("*",), None),
    ],
)
def test_host_names_of_the_pages(host: str, names: tuple[str, ...], hosts: set[str] | None) -> None:
    assert allowed_hosts(Settings(host=host, allowed_hosts=names)) == hosts


def test_senders_are_known_by_their_key() -> None:
    control = Control(":memory:")
    control.start()
    admit = authenticator(control, lambda: 10**18)
    assert admit({}) == 0
    tenant = control.tenant_id("1", "eu-west-1")
    secret, _ = control.create_key("k", 0, tenant)
    assert admit({"x-api-key": secret}) == tenant
    assert admit({"authorization": f"bearer {secret}"}) == tenant
    with pytest.raises(Unauthenticated, match="send an API key"):
        admit({})
    with pytest.raises(Unauthenticated, match="send an API key"):
        admit({"authorization": f"Basic {secret}"})
    with pytest.raises(Unauthenticated, match="unknown or was revoked"):
        admit({"x-api-key": "wrong"})
    control.close()


def test_a_directory_has_one_owner_who_leaves_a_note(tmp_path: Path) -> None:
    data = str(tmp_path / "deep" / "data")
    assert running.find(data) is None
    with DataLock(data) as lock:
        assert running.find(data) is None
        lock.tell(NOTE)
        assert running.find(data) == NOTE
        with pytest.raises(RaywatchError, match=r"in use by the Raywatch at .* \(pid 4242\)"), DataLock(data):
            pass
    assert running.find(data) is None
    with DataLock(data):
        pass


def test_a_note_of_a_killed_server_is_not_believed(tmp_path: Path) -> None:
    with DataLock(str(tmp_path)) as lock:
        lock.tell(NOTE)
        note = (tmp_path / "server.json").read_bytes()
    (tmp_path / "server.json").write_bytes(note)
    assert running.find(str(tmp_path)) is None


def test_a_directory_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(RaywatchError, match=r"cannot use .*: Not a directory"),
        DataLock(f"{tmp_path}/file/x"),
    ):
        pass


ROWS = pa.table(
    {
        "n": [1, None],
        "x": [0.5, float("nan")],
        "at": pa.array([datetime(2026, 1, 2, tzinfo=UTC), None]),
        "of": [[1, 2], None],
        "raw": [b"\x01\xff", b""],
        "text": ["[bold]\x1b[31m<b>", "two\nlines"],
        "money": [Decimal("1.50"), Decimal(2)],
        "took": [timedelta(seconds=1.5), None],
        "map": [{"a": 1}, None],
    }
)


def test_rows_as_json_csv_and_table() -> None:
    out = io.StringIO()
    show.write_json(ROWS, out)
    assert '"x": null' in out.getvalue()
    assert show.plain(ROWS.to_pylist()[0]) == {
        "n": 1, "x": 0.5, "at": "2026-01-02T00:00:00+00:00", "of": [1, 2], "raw": "01ff",
        "text": "[bold]\x1b[31m<b>", "money": 1.5, "took": 1.5, "map": {"a": 1},
    }  # fmt: skip
    out = io.StringIO()
    show.write_csv(ROWS, out)
    assert out.getvalue().splitlines()[1].startswith('1,0.5,2026-01-02T00:00:00+00:00,"[1, 2]",01ff,')
    terminal = show.Console(file=io.StringIO(), width=300, force_terminal=False)
    terminal.print(show.arrow_table(ROWS))
    text = terminal.file.getvalue()  # type: ignore[attr-defined]
    assert "[bold]" in text
    assert "\x1b" not in text
    assert "two lines" in text


def test_a_job_runs_again_after_a_failure() -> None:
    ran: list[int] = []
    done = threading.Event()

    def job() -> None:
        ran.append(1)
        if len(ran) == 1:
            raise ValueError("once")
        done.set()

    scheduler = Scheduler([Job("job", 0.01, job)])
    scheduler.start()
    wait_until(done.is_set)
    scheduler.close()
    scheduler.close()


def test_the_process_knows_itself() -> None:
    own = figures()
    assert own["process_resident_memory_bytes"] > 10**6
    assert own["process_threads"] >= 1
    assert own["process_cpu_seconds_total"] > 0


MAPS = """\
7f00-7f80 r--p 00000000 fe:00 123        /usr/lib/libarrow.so.2600
7f80-7fa0 r-xp 00080000 fe:00 123        /usr/lib/libarrow.so.2600
7fa0-7fb0 r--p 000a0000 fe:00 123        /usr/lib/libarrow.so.2600
7fb0-7fc0 rw-p 000b0000 fe:00 123        /usr/lib/libarrow.so.2600
8000-8100 r-xp 00000000 00:00 0          [vdso]
9000-9100 r-xp 00000000 fe:00 77         /usr/bin/python3.11
a000-a100 r-xp 00000000 fe:00 78         /opt/venv/lib/_duckdb.cpython-311-x86_64-linux-gnu.so
"""


def test_only_what_is_never_written_of_libraries_is_dropped() -> None:
    assert process._library_pages(MAPS) == [(0x7F00, 0x7F80), (0x7F80, 0x7FA0), (0xA000, 0xA100)]


def test_a_process_works_on_after_giving_memory_back() -> None:
    program = (
        "import duckdb, pyarrow as pa, pyarrow.compute as pc\n"
        "from raywatch import process\n"
        "before = process.resident_bytes()\n"
        "process.release_startup_memory()\n"
        "after = process.resident_bytes()\n"
        "assert duckdb.sql('SELECT sum(i) FROM range(1000) t(i)').fetchall() == [(499500,)]\n"
        "assert pc.sum(pa.array([1, 2])).as_py() == 3\n"
        "print(before - after)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) > (1 << 20 if sys.platform == "linux" else -1)
