"""AWS's X-Ray SDKs, unmodified, against a running Raywatch: what they send is found again, one trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from clients import node_program
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from receiving import wait_until

from collector.query.model_traces import Span, Trace
from collector.query.trace import get_trace
from raywatch.assemble import serving
from raywatch.config import load
from raywatch.serving import Serving

HERE = Path(__file__).parent / "xray"
FLAGS = {"port": "0", "otlp_http": "0", "otlp_grpc": "off", "xray_udp": "0", "xray_tcp": "0"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    flags = {**FLAGS, "data": str(tmp_path_factory.mktemp("xray"))}
    with serving(load(flags=flags, environment={}), "test") as one:
        yield one


def run(server: Serving, command: Sequence[str], cwd: Path) -> str:
    """Run a client; the trace id that it printed."""
    where = server.running
    daemon = f"tcp:{where.xray_tcp.removeprefix('http://')} udp:{where.xray_udp}"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "_X_AMZN"))}
    done = subprocess.run(
        command, cwd=cwd, env={**kept, "AWS_XRAY_DAEMON_ADDRESS": daemon}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trace: str = json.loads(done.stdout.splitlines()[-1])["trace"]
    return trace


def python(server: Serving) -> str:
    return run(server, [sys.executable, "app.py"], HERE)


def node(server: Serving) -> str:
    script = node_program("xray-node", HERE / "app.js")
    return run(server, ["node", script.name], script.parent)


CLIENTS: dict[str, tuple[Callable[[Serving], str], str, str, int]] = {
    "python": (python, "py-shop", "ada", 83),
    "node": (node, "node-shop", "bob", 123),
}
"""Client -> how it runs, its service, the customer, how many spans it makes."""


@pytest.fixture(scope="module", params=["python", pytest.param("node", marks=pytest.mark.node)])
def sent(request: pytest.FixtureRequest, server: Serving) -> tuple[str, Trace]:
    """The client's name and its trace as it is found again."""
    send, _, _, spans = CLIENTS[request.param]
    trace_id = send(server)

    def found() -> Trace | None:
        trace = get_trace(server.store, trace_id)
        return trace if trace is not None and len(trace.spans) >= spans else None

    wait_until(found)
    trace = found()
    assert trace is not None
    return request.param, trace


def named(trace: Trace, name: str) -> Span:
    (span,) = [span for span in trace.spans if span.name == name]
    return span


def test_every_segment_and_subsegment_is_a_span_of_one_trace(sent: tuple[str, Trace]) -> None:
    client, trace = sent
    _, service, _, spans = CLIENTS[client]
    assert len(trace.spans) == spans
    assert trace.complete
    assert trace.rooted
    root = trace.spans[trace.root]
    assert (root.name, root.kind, root.outcome, root.depth) == (service, "server", "fault", 0)
    assert trace.outcome == "fault"
    assert {span.service for span in trace.spans} <= {service, ""}, "some come before it"
    assert root.http_method == "GET"


def test_what_the_sdk_was_told_is_there(sent: tuple[str, Trace]) -> None:
    client, trace = sent
    _, service, customer, _ = CLIENTS[client]
    root = trace.spans[trace.root]
    assert root.attributes["customer"] == customer
    assert "customer" in root.attributes["aws.xray.annotations"]
    step = named(trace, "step 39")
    assert step.attributes["aws.xray.metadata.steps"] == {"number": 39}
    assert step.kind == "internal"
    resource = trace.resources[root.resource]
    assert resource.service == service
    assert resource.attributes["telemetry.sdk.name"].startswith("X-Ray")


def test_calls_and_exceptions(sent: tuple[str, Trace]) -> None:
    _, trace = sent
    query, bank = named(trace, "orders@db.example"), named(trace, "bank.example")
    assert (query.kind, query.peer, query.peer_type) == ("client", "orders@db.example", "database")
    assert query.attributes["db.name"] == "orders"
    assert (bank.kind, bank.peer, bank.peer_type) == ("client", "bank.example", "remote")
    (event,) = bank.events
    assert event.attributes["exception.message"] == "the bank said no"
    assert "app." in event.attributes["exception.stacktrace"]


def test_what_was_sent_is_kept_as_it_was(sent: tuple[str, Trace], server: Serving) -> None:
    client, trace = sent
    ids = {"hi": int(trace.trace_id[:16], 16), "lo": int(trace.trace_id[16:], 16)}
    sql = "SELECT document, subsegment FROM segments WHERE trace_hi = $hi AND trace_lo = $lo"
    rows = server.store.read("traces", sql, ids).to_pylist()
    documents = [json.loads(row["document"]) for row in rows]
    assert sum(not row["subsegment"] for row in rows) == 1
    assert len(rows) > 1, f"{client} streams what is finished"
    assert {document["trace_id"] for document in documents} == {trace.xray_id}


def test_spans_of_opentelemetry_join_the_same_trace(sent: tuple[str, Trace], server: Serving) -> None:
    """The bank is a program with OpenTelemetry, called with the ids of the X-Ray subsegment."""
    _, trace = sent
    bank = named(trace, "bank.example")
    export = ExportTraceServiceRequest()
    group = export.resource_spans.add()
    group.resource.attributes.append(KeyValue(key="service.name", value=AnyValue(string_value="bank")))
    group.scope_spans.add().spans.add(
        trace_id=bytes.fromhex(trace.trace_id), span_id=b"otelspan",
        parent_span_id=bytes.fromhex(bank.span_id), name="POST /charge", kind=2,
        start_time_unix_nano=bank.start_ns, end_time_unix_nano=bank.start_ns + bank.duration_ns,
    )  # fmt: skip
    request = urllib.request.Request(
        f"{server.running.otlp_http}/v1/traces", export.SerializeToString(),
        {"content-type": "application/x-protobuf"},
    )  # fmt: skip
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        assert answer.status == 200
    for trace_id in (trace.trace_id, trace.xray_id):
        joined = get_trace(server.store, trace_id)
        assert joined is not None
        charge = named(joined, "POST /charge")
        assert charge.parent == named(joined, "bank.example").index
        assert len(joined.spans) == len(trace.spans) + 1
        assert joined.complete


def test_the_books_know_who_sent_it(sent: tuple[str, Trace], server: Serving) -> None:
    flows = [f for f in server.accounting.snapshot().flows if f.source.receiver == "xray_udp"]
    assert sum(flow.stored for flow in flows) >= len(sent[1].spans)
    assert [flow.refused for flow in flows] == [{}]
    assert [flow.refused_requests for flow in flows] == [{}]
