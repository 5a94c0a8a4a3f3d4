"""`raywatch demo` as a person starts it: the whole map, logs and metrics with trace ids, and a clean end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest
from programs import FREE_PORTS
from receiving import wait_until

from raywatch import local, running

SERVICES = {
    "storefront", "users", "cart", "recommendations", "checkout", "inventory", "payments", "shipping",
}  # fmt: skip
EDGES = {
    ("client", "storefront", "service", "storefront"),
    ("service", "storefront", "service", "users"),
    ("service", "storefront", "service", "recommendations"),
    ("service", "storefront", "service", "cart"),
    ("service", "storefront", "service", "checkout"),
    ("service", "users", "database", "cache"),
    ("service", "users", "database", "shop"),
    ("service", "cart", "database", "cache"),
    ("service", "cart", "database", "shop"),
    ("service", "recommendations", "database", "cache"),
    ("service", "checkout", "service", "inventory"),
    ("service", "checkout", "service", "payments"),
    ("service", "checkout", "service", "cart"),
    ("service", "checkout", "queue", "orders"),
    ("service", "inventory", "database", "shop"),
    ("service", "payments", "database", "shop"),
    ("service", "payments", "remote", "card-gateway.example"),
    ("queue", "orders", "service", "shipping"),
    ("service", "shipping", "database", "shop"),
}
PROGRAMS = len(SERVICES) + 3  # the card gateway, the queue, the visitors


class Demo:
    """The command, running."""

    def __init__(self, data: Path) -> None:
        self.data = data
        command = [sys.executable, "-m", "raywatch", "demo", "--data", str(data), "--cycle", "40"]
        command += FREE_PORTS
        self.output = data.with_suffix(".log")
        with self.output.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.programs: set[psutil.Process] = set()

    def children(self) -> list[psutil.Process]:
        """The programs that run now; all that were ever seen are remembered."""
        now = psutil.Process(self.process.pid).children(recursive=True)
        self.programs |= set(now)
        return now

    def left(self) -> list[psutil.Process]:
        return [program for program in self.programs if program.is_running()]

    def ask(self, sql: str) -> list[dict[str, Any]]:
        """Rows of a question to the running server; none while it is not there."""
        server = running.find(str(self.data))
        if server is None:
            assert self.process.poll() is None, self.output.read_text("utf-8")
            return []
        found: pa.Table = local.ask(server, sql, max_rows=10_000, deadline=20.0)
        return found.to_pylist()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Demo]:
    started = Demo(tmp_path / "data")
    try:
        yield started
    finally:
        if started.process.poll() is None:
            started.process.kill()
            started.process.wait()
        wait_until(lambda: not started.left())


def edges(shop: Demo) -> set[tuple[str, str, str, str]]:
    rows = shop.ask(
        "SELECT DISTINCT caller_type, caller, callee_type, callee FROM edges "
        "WHERE caller_type IN ('service', 'client', 'queue')"  # the others are X-Ray's graph's alone
    )
    return {(row["caller_type"], row["caller"], row["callee_type"], row["callee"]) for row in rows}


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_map_is_complete_and_the_end_is_clean(shop: Demo) -> None:
    wait_until(lambda: edges(shop) >= EDGES, 90)
    wait_until(lambda: len(shop.children()) >= PROGRAMS)
    strangers = {edge for edge in edges(shop) - EDGES if "raywatch" not in edge}
    assert not strangers, "nothing is on the map that is not in the shop"

    def count(sql: str) -> int:
        return int(shop.ask(f"SELECT count(*) AS n FROM {sql}")[0]["n"])

    assert not count("edges WHERE caller = 'orders' AND NOT link")
    assert count("span_links JOIN spans USING (trace_hi, trace_lo, span_id) WHERE service = 'shipping'")
    wait_until(lambda: count("trace_index WHERE spans > 200"))
    services = shop.ask("SELECT DISTINCT service FROM logs WHERE trace_lo <> 0")
    assert {row["service"] for row in services} >= SERVICES
    levels = {row["severity_text"] for row in shop.ask("SELECT DISTINCT severity_text FROM logs")}
    assert levels >= {"DEBUG", "INFO", "WARN"}
    wait_until(lambda: count("logs WHERE severity_text = 'ERROR' AND contains(attrs, 'Traceback')"), 60)
    wait_until(lambda: count("exemplars JOIN series USING (series_id) WHERE type = 'histogram'"))
    kinds = {row["type"] for row in shop.ask("SELECT DISTINCT type FROM series WHERE service <> 'raywatch'")}
    assert kinds == {"gauge", "sum", "histogram", "exponential_histogram"}
    temporalities = {row["temporality"] for row in shop.ask("SELECT DISTINCT temporality FROM series")}
    assert temporalities >= {1, 2}
    payments = "SELECT DISTINCT version FROM traces.resources WHERE service = 'payments'"
    wait_until(lambda: len(shop.ask(payments)) > 1)

    shop.children()
    shop.process.send_signal(signal.SIGTERM)
    assert shop.process.wait(30) == 0, shop.output.read_text("utf-8")
    assert not shop.left()
    assert "ended by itself" not in shop.output.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_program_that_dies_is_replaced_and_none_outlives_the_demo(shop: Demo) -> None:
    wait_until(lambda: len(shop.children()) == PROGRAMS, 60)
    victim = next(one for one in shop.children() if "inventory" in one.cmdline())
    wait_until(lambda: shop.ask("SELECT 1 FROM spans WHERE service = 'inventory' LIMIT 1"), 60)
    victim.kill()
    wait_until(lambda: [one for one in shop.children() if one != victim and "inventory" in one.cmdline()], 60)
    began = time.time_ns()
    wait_until(
        lambda: shop.ask(f"SELECT 1 FROM spans WHERE service = 'inventory' AND start_ns > {began}"), 60
    )
    shop.process.kill()
    shop.process.wait()
    wait_until(lambda: not shop.left(), 30)


def test_the_demo_ends_by_itself_and_takes_its_data_along(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "raywatch", "demo", "--seconds", "0.5"]
    command += FREE_PORTS
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=100, env={"TMPDIR": str(tmp_path)}
    )
    assert done.returncode == 0, done.stderr
    assert "http://localhost:" in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []
