"""The examples, run as their README says, against a real server."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import Server, environment, serving
from receiving import wait_until

from raywatch import local, running

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("data") / "data") as started:
        yield started


def ask(server: Server, sql: str) -> list[dict[str, Any]]:
    where = running.find(str(server.data))
    assert where is not None
    rows: list[dict[str, Any]] = local.ask(where, sql, max_rows=1000, deadline=20.0).to_pylist()
    return rows


def run(command: list[str], folder: Path, **more: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment(**more), capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def arrived(server: Server, service: str) -> None:
    """Twenty orders, every seventh of them failed, in all three signals."""
    counts = {
        f"spans WHERE service = '{service}' AND kind = 2": 20,
        f"spans WHERE service = '{service}' AND kind = 2 AND http_status = 503 AND outcome = 3": 2,
        f"spans WHERE service = '{service}' AND kind = 3 AND peer = 'bank.example'": 20,
        f"span_events JOIN spans USING (trace_hi, trace_lo, span_id) WHERE service = '{service}'": 2,
        f"logs WHERE service = '{service}' AND trace_lo <> 0": 20,
        f"logs WHERE service = '{service}' AND severity = 17": 2,
    }
    for rest, expected in counts.items():
        assert ask(server, f"SELECT count(*) AS n FROM {rest}") == [{"n": expected}], rest
    names = ask(server, f"SELECT DISTINCT name, type FROM series WHERE service = '{service}' ORDER BY name")
    assert names == [{"name": "order.duration", "type": "histogram"}, {"name": "orders", "type": "sum"}]


def test_python(server: Server) -> None:
    run([sys.executable, "app.py"], EXAMPLES / "python", OTEL_EXPORTER_OTLP_ENDPOINT=server.note["otlp_grpc"])
    arrived(server, "python-example")


@pytest.mark.node
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js and npm")
def test_node(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "node"
    shutil.copytree(EXAMPLES / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    run(["npm", "install", "--no-audit", "--no-fund"], folder)
    run(["npm", "start"], folder, OTEL_EXPORTER_OTLP_ENDPOINT=server.note["otlp_http"])
    arrived(server, "node-example")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_curl(server: Server) -> None:
    """The three lines of the README, with this server's address in them."""
    text = (EXAMPLES / "curl" / "README.md").read_text("utf-8")
    lines = re.findall(r"^    (sed .*)$", text, re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        command = line.replace("http://localhost:4318", server.note["otlp_http"]).replace(
            "curl ", "curl -sS "
        )
        assert run(["sh", "-c", command], EXAMPLES / "curl") == "{}"
    spans = ask(
        server, "SELECT kind, outcome, start_ns FROM spans WHERE service = 'curl-example' ORDER BY kind"
    )
    assert [(span["kind"], span["outcome"]) for span in spans] == [(2, 3), (3, 3)]
    assert abs(spans[0]["start_ns"] / 1e9 - time.time()) < 100
    assert ask(server, "SELECT body, trace_lo <> 0 AS traced FROM logs WHERE service = 'curl-example'") == [
        {"body": "order 7 failed: the bank did not answer", "traced": True}
    ]
    wait_until(
        lambda: len(ask(server, "SELECT DISTINCT name FROM series WHERE service = 'curl-example'")) == 3
    )


@pytest.mark.parametrize(
    "folder", sorted(path for path in EXAMPLES.iterdir() if path.is_dir()), ids=lambda p: p.name
)
def test_every_example_is_explained_and_listed(folder: Path) -> None:
    assert (folder / "README.md").is_file()
    assert f"[{folder.name}]({folder.name}/)" in (EXAMPLES / "README.md").read_text("utf-8")
    assert len([path for path in folder.iterdir() if path.is_file()]) <= 4
