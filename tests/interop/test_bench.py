"""The benchmark's senders against a real server: what they say was acknowledged is what is stored."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from receiving import rows, running

from collector.batch import Signal
from collector.errors import Overloaded
from raywatch.bench.senders import Feed, GrpcConnection, otlp_http, run


def stored(server, signal: Signal) -> int:
    if signal != "metrics":
        return rows(server.store, signal)
    counts = server.store.read(
        "metrics", "SELECT (SELECT count(*) FROM numbers) + (SELECT count(*) FROM distributions) AS n"
    )
    return int(counts["n"][0].as_py())


@pytest.mark.parametrize(
    ("signal", "protocol"), [("traces", "grpc"), ("traces", "http"), ("logs", "grpc"), ("metrics", "http")]
)
def test_what_is_acknowledged_is_stored(signal: Signal, protocol: str) -> None:
    with running() as server:
        addresses = server.grpc.addresses if protocol == "grpc" else server.http.addresses
        command = [sys.executable, "-m", "raywatch.bench.senders", "--signal", signal, "--protocol", protocol]
        command += ["--address", f"127.0.0.1:{addresses[0][0].port}", "--connections", "3"]
        command += ["--items", "3000", "--warm", "0", "--seconds", "60"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert report["sent_items"] >= 3000
        assert report["refused"] == report["retried"] == 0
        assert stored(server, signal) == report["sent_items"]


@pytest.mark.parametrize("make", [GrpcConnection, otlp_http])
def test_what_could_not_be_taken_is_sent_again(make) -> None:
    with running() as server:
        addresses = server.grpc.addresses if make is GrpcConnection else server.http.addresses
        server.gate.failures += [Overloaded("full"), Overloaded("full")]
        connection = make(f"127.0.0.1:{addresses[0][0].port}", "traces")
        report = run([connection], Feed("traces", 1, items=2000, history=60.0), seconds=60.0)
        connection.close()
        assert report.retried == 2
        assert report.refused == 0
        assert rows(server.store, "traces") == report.sent_items
