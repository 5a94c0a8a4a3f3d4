"""The host agent: what it measures, how it follows files through whatever happens to them, what it sends."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from programs import Server, serving
from raywatch_agent import host, tail
from raywatch_agent.config import Config, ConfigError, LogFile, load
from raywatch_agent.ship import Shipper, event_time, severity
from raywatch_agent.tail import Follower, Place, Positions, find
from receiving import rows, running, wait_until

from collector.errors import Overloaded
from raywatch import local
from raywatch.running import find as find_server

ROOT = Path(__file__).parents[2]
AGENT = ROOT / "agents"


# Following files


def drain(follower: Follower) -> list[str]:
    """Everything that is there, read as often as it takes to leave a file that was replaced."""
    found: list[str] = []
    silent = 0
    while silent < 8:
        chunk = follower.read()
        silent += 1
        if chunk is not None:
            follower.acknowledge(chunk)
            found += chunk.records
            silent = 0
    return found


class Log:
    """A log file and its rotations, as loggers and logrotate treat it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "app.log"
        self.path.touch()
        self.written: list[str] = []
        self.follower = Follower(str(self.path), None)
        self.read: list[str] = []

    def append(self, count: int) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            for _ in range(count):
                self.written.append(f"line {len(self.written)} äöü")
                file.write(self.written[-1] + "\n")

    def drain(self) -> None:
        self.read += drain(self.follower)

    def rename(self) -> None:
        """logrotate's default: what was not read yet is still in the renamed file."""
        self.path.rename(self.path.with_suffix(".log.1"))
        self.path.touch()

    def copy_and_truncate(self) -> None:
        self.drain()
        shutil.copy(self.path, self.path.with_suffix(".log.2"))
        os.truncate(self.path, 0)

    def remove(self) -> None:
        self.drain()
        self.path.unlink()
        self.path.touch()

    def restart(self) -> None:
        place = self.follower.place
        self.follower.close()
        self.follower = Follower(str(self.path), place)

    def unacknowledged(self) -> None:
        """A crash between reading and the answer: nothing may be lost by it."""
        self.follower.read()
        self.restart()


STEPS = ("append", "rename", "copy_and_truncate", "remove", "restart", "drain", "unacknowledged")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 5)), max_size=20))
def test_every_line_is_read_once_whatever_happens_to_the_file(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    log = Log(tmp_path_factory.mktemp("log"))
    for step, count in steps:
        if step == "append":
            log.append(count)
            continue
        if step == "rename":  # one rotation at a time is found again
            log.append(1)
            log.drain()
            log.append(count)
        getattr(log, step)()
    log.append(1)
    log.drain()
    log.follower.close()
    assert log.read == log.written


def test_lines_written_to_a_renamed_file_are_still_read(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("one\n")
    with path.open("a") as writer:
        follower = Follower(str(path), None)
        assert drain(follower) == ["one"]
        path.rename(tmp_path / "app.log.1")
        path.write_text("three\n")
        assert follower.read() is None
        writer.write("two\n")
        writer.flush()
        assert drain(follower) == ["two", "three"]
        follower.close()


@pytest.mark.parametrize(
    ("written", "records"),
    [
        (b"", []),
        (b"half", []),
        (b"one\ntwo\nhalf", ["one", "two"]),
        (b"windows\r\nlines\r\n", ["windows", "lines"]),
        (b"\n\nblank\n\n", ["blank"]),
        (b"\xff\xfe broken\n", ["\ufffd\ufffd broken"]),
        (b"x" * (tail.CHUNK + 10) + b"\nnext\n", ["x" * tail.CHUNK, "x" * 10, "next"]),
    ],
)
def test_lines(tmp_path: Path, written: bytes, records: list[str]) -> None:
    (tmp_path / "a.log").write_bytes(written)
    follower = Follower(str(tmp_path / "a.log"), None)
    assert drain(follower) == records
    follower.close()


def test_an_unfinished_line_is_read_when_its_file_is_gone_for_good(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"one\nlast words")
    follower = Follower(str(tmp_path / "a.log"), None)
    assert drain(follower) == ["one"]
    (tmp_path / "a.log").unlink()
    assert drain(follower) == ["last words"]


def test_stack_traces_stay_with_their_record(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("2026-01-01 failed\n  File x\nValueError\n2026-01-02 fine\n2026-01-03 failed\n  File y\n")
    follower = Follower(str(path), None, record_start=r"^\d{4}-\d\d-\d\d")
    chunk = follower.read()
    assert chunk is not None
    assert chunk.records == ["2026-01-01 failed\n  File x\nValueError", "2026-01-02 fine"]
    follower.acknowledge(chunk)
    assert follower.read() is None, "the last record may go on"
    os.utime(path, (1, 1))
    assert drain(follower) == ["2026-01-03 failed\n  File y"]
    follower.close()


def test_a_file_is_followed_from_its_end_or_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("old\nunfinished")
    follower = Follower(str(path), None, at_end=True)
    with path.open("a") as file:
        file.write(" line\nnew\n")
    assert drain(follower) == ["unfinished line", "new"]
    place = follower.place
    follower.close()
    positions = Positions(tmp_path / "state" / "positions.json")
    assert positions.first_run
    assert place is not None
    positions.put(str(path), place)
    again = Positions(tmp_path / "state" / "positions.json")
    assert not again.first_run
    assert again.get(str(path)) == place
    with path.open("a") as file:
        file.write("newer\n")
    follower = Follower(str(path), again.get(str(path)))
    assert drain(follower) == ["newer"]
    follower.close()


def test_another_file_under_the_same_inode_is_another_file(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("one\n")
    with path.open("rb") as file:
        place = Place.of(file, 4)
    path.write_text("two\nthree\n")
    follower = Follower(str(path), place)
    assert drain(follower) == ["two", "three"]
    follower.close()


def test_patterns(tmp_path: Path) -> None:
    for name in ("a.log", "b.log", "c.txt"):
        (tmp_path / name).touch()
    (tmp_path / "d.log").mkdir()
    assert find(str(tmp_path / "*.log")) == [str(tmp_path / "a.log"), str(tmp_path / "b.log")]
    assert find(str(tmp_path / "c.txt")) == [str(tmp_path / "c.txt")]
    assert find(str(tmp_path / "missing")) == []


# Records


@pytest.mark.parametrize(
    ("line", "number", "text"),
    [
        ("2026-11-23 10:12:00 ERROR payments gateway timeout", SeverityNumber.ERROR, "ERROR"),
        ("[warn] low on disk", SeverityNumber.WARN, "warn"),
        ("W: WARNING follows", SeverityNumber.WARN, "WARNING"),
        ("level=info msg=ok", SeverityNumber.INFO, "info"),
        ('{"level":"debug","msg":"x"}', SeverityNumber.DEBUG, "debug"),
        ("kernel: panic - not syncing", SeverityNumber.FATAL, "panic"),
        ("TRACE enter", SeverityNumber.TRACE, "TRACE"),
        ("informal errors everywhere", None, None),
        ("x" * 200 + " ERROR", None, None),
        ("", None, None),
    ],
)
def test_severity(line: str, number: SeverityNumber | None, text: str | None) -> None:
    assert severity(line) == (number, text)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2026-11-23T10:12:00.123456Z x", 1795428720_123456000),
        ("[2026-11-23 11:12:00,5+01:00] x", 1795428720_500000000),
        ("2026-11-23T10:12:00+00:00 x", 1795428720_000000000),
        ("2026-13-45 10:12:00 x", None),
        ("at 2026-11-23 10:12:00", None),
        ("Nov 23 10:12:00 host x", None),
    ],
)
def test_event_time(line: str, expected: int | None) -> None:
    assert event_time(line) == expected


def test_a_time_without_a_zone_is_local() -> None:
    local = datetime(2026, 11, 23, 10, 12).timestamp()  # noqa: DTZ001 (what the line says)
    assert event_time("2026-11-23 10:12:00 x") == int(local) * 1_000_000_000


# Sending


def ask(server: Server, sql: str) -> list[dict[str, Any]]:
    where = find_server(str(server.data))
    assert where is not None
    found: list[dict[str, Any]] = local.ask(where, sql, max_rows=1000, deadline=20.0).to_pylist()
    return found


@contextmanager
def shipper(folder: Path, endpoint: str, entry: LogFile) -> Iterator[Shipper]:
    exporter = OTLPLogExporter(endpoint=f"{endpoint}/v1/logs", timeout=5)
    made = Shipper([entry], Positions(folder / "positions.json"), exporter, threading.Event())
    try:
        yield made
    finally:
        made.close()
        exporter.shutdown()


def test_what_a_receiver_could_not_take_is_sent_again_and_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("".join(f"2026-11-23T10:12:00Z ERROR line {n}\n" for n in range(1500)))
    entry = LogFile(str(tmp_path / "*.log"), group="/shop/web", service="web", start="beginning")
    with (
        running() as server,
        shipper(tmp_path, f"http://127.0.0.1:{server.http.addresses[0][0].port}", entry) as sending,
    ):
        server.gate.failures.append(Overloaded("the disk is full", retry_after=0.01))
        assert sending.poll() == 1500
        assert sending.poll() == 0
        assert rows(server.store, "logs") == 1500
        stored = server.store.read(
            "logs",
            "SELECT DISTINCT log_group, service, severity, time_ns, body LIKE '%line%' AS whole FROM logs",
        ).to_pylist()
        assert stored == [
            {
                "log_group": "/shop/web", "service": "web", "severity": 17,
                "time_ns": 1795428720_000000000, "whole": True,
            }
        ]  # fmt: skip
    with (
        running() as server,
        shipper(tmp_path, f"http://127.0.0.1:{server.http.addresses[0][0].port}", entry) as sending,
    ):
        (tmp_path / "other.log").write_text("a new file\n")
        sending.look()
        assert sending.poll() == 1, "the place is kept from one run to the next"


def test_the_agent_waits_for_a_server_that_is_away(tmp_path: Path) -> None:
    """Two real programs: lines that were written while nobody listened arrive, with the host's metrics."""
    log, state = tmp_path / "app.log", tmp_path / "state.json"
    log.write_text("before the first run\n")
    with serving(tmp_path / "data") as server:
        address = server.note["otlp_http"]
    command = [sys.executable, "-m", "raywatch_agent", "--endpoint", address, "--log", str(log)]
    command += ["--state", str(state), "--interval", "1"]
    agent = subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": str(AGENT)}, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(state.exists)
        with log.open("a") as file:
            file.writelines(f"WARN line {n}\n" for n in range(100))
        with serving(tmp_path / "data", "--otlp-http", address.rpartition(":")[2]) as server:
            count = "SELECT count(*) AS n, count(DISTINCT body) AS bodies FROM logs WHERE body LIKE '%line%'"
            wait_until(lambda: ask(server, count)[0] == {"n": 100, "bodies": 100}, 60)
            assert ask(server, "SELECT * FROM logs WHERE body LIKE 'before%'") == []
            wait_until(
                lambda: (
                    {row["name"] for row in ask(server, "SELECT DISTINCT name FROM series")}
                    >= {"system.cpu.time", "system.memory.usage", "system.network.io", "system.uptime"}
                ),
                60,
            )
            agent.terminate()
            assert agent.wait(20) == 0
        kept = json.loads(state.read_text())
        assert kept[str(log)]["offset"] == log.stat().st_size
    finally:
        if agent.poll() is None:
            agent.kill()
        agent.wait()
        assert agent.stderr is not None
        agent.stderr.close()


# Measuring


def test_the_host_is_measured_by_the_conventions_names() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    host.measure(provider.get_meter("test"))
    data = reader.get_metrics_data()
    assert data is not None
    metrics = {
        metric.name: metric
        for group in data.resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
    }
    provider.shutdown()
    always = {
        "system.cpu.time", "system.cpu.logical.count", "system.memory.usage", "system.memory.limit",
        "system.memory.utilization", "system.paging.usage", "system.process.count", "system.uptime",
        "system.cpu.load_average.1m",
    }  # fmt: skip
    assert always <= set(metrics) <= set(host.COUNTERS) | set(host.SUMS) | set(host.GAUGES)

    def values(name: str) -> list[float]:
        return [point.value for point in metrics[name].data.data_points]

    assert values("system.cpu.logical.count") == [os.cpu_count()]
    assert len(
        {point.attributes["cpu.logical_number"] for point in metrics["system.cpu.time"].data.data_points}
    ) == (os.cpu_count())
    (limit,) = values("system.memory.limit")
    assert 0 < sum(values("system.memory.usage")) <= 1.5 * limit
    assert all(0 <= value <= 1 for value in values("system.memory.utilization"))
    assert sum(values("system.process.count")) >= 1
    assert metrics["system.memory.usage"].unit == "By"


# Configuration


def test_a_file_and_flags_come_together(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(
        'endpoint = "https://a.example"\ninterval = 5\n[headers]\nx-api-key = "k"\n'
        '[[logs]]\npath = "/var/log/a.log"\nservice = "a"\n'
    )
    config = load(
        file, {"endpoint": "http://b.example", "interval": None, "logs": ["/var/log/b.log"], "state": "s"}
    )
    assert config == Config(
        "http://b.example", "s", 5, {"x-api-key": "k"},
        (LogFile("/var/log/a.log", service="a"), LogFile("/var/log/b.log")),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("intervall = 5", ["intervall: unknown setting (did you mean interval?)"]),
        ("interval = 0.5", ["interval: expected seconds, 1 or more, or 0 for no host metrics"]),
        ("interval = true", ["interval: expected seconds, 1 or more, or 0 for no host metrics"]),
        ('endpoint = "localhost"', ["endpoint: expected a URL such as http://localhost:4318"]),
        ("[headers]\na = 1", ["headers: expected a table of texts"]),
        ("[[logs]]\ngroup = 'x'", ["logs[0].path: missing"]),
        ("[[logs]]\npath = 'x'\nstrat = 'end'", ["logs[0].strat: unknown setting (did you mean start?)"]),
        ("[[logs]]\npath = 'x'\nstart = 'middle'", ["logs[0].start: expected 'end' or 'beginning'"]),
        ("[[logs]]\npath = 'x'\nrecord_start = '('", ["logs[0].record_start: "]),
        ("a = 1\nb = 2", ["a: unknown setting", "b: unknown setting"]),
        ("not toml", ["agent.toml: "]),
    ],
)
def test_everything_wrong_is_told_at_once(tmp_path: Path, text: str, problems: list[str]) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    told = str(caught.value).splitlines()
    assert len(told) == len(problems)
    assert all(problem in line for problem, line in zip(problems, told, strict=True))


def test_a_bad_configuration_ends_with_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "raywatch_agent", "--config", str(tmp_path / "missing.toml")],
        env={**os.environ, "PYTHONPATH": str(AGENT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "missing.toml" in done.stderr
    assert "Traceback" not in done.stderr


# The wheel


def test_the_wheels_of_agent_and_server_have_no_name_in_common(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--wheel",
        "--outdir",
        str(tmp_path),
        str(AGENT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = tmp_path.glob("raywatch_agent-*.whl")
    with zipfile.ZipFile(built) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"raywatch_agent"}
    server = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "raywatch_agent" not in server["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


@pytest.mark.parametrize("file", sorted((AGENT / "raywatch_agent").glob("*.py")), ids=lambda path: path.name)
def test_the_agent_imports_nothing_of_the_server(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            assert name.split(".")[0] in {*sys.stdlib_module_names, "opentelemetry", "psutil"}
