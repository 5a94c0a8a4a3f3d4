"""`raywatch serve` from end to end: real senders, real questions, its health, its keys, its backups."""

from __future__ import annotations

import json
import shutil
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from programs import Server, raywatch, serving
from receiving import wait_until

OURS = "service <> 'raywatch'"


def _send(exporter: SpanExporter, service: str = "shop", spans: int = 1) -> None:
    provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    for number in range(spans):
        with tracer.start_as_current_span("GET /cart", kind=trace.SpanKind.SERVER, attributes={"n": number}):
            pass
    provider.shutdown()


def _http(server: Server, **options: Any) -> HttpExporter:
    return HttpExporter(endpoint=f"{server.note['otlp_http']}/v1/traces", **options)


def _grpc(server: Server, **options: Any) -> GrpcExporter:
    return GrpcExporter(endpoint=server.note["otlp_grpc"], insecure=True, **options)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with serving(tmp_path_factory.mktemp("serve") / "data") as running:
        yield running


@pytest.mark.parametrize("exporter", [_http, _grpc])
def test_what_an_sdk_sends_can_be_asked_for(server: Server, exporter: Callable[..., SpanExporter]) -> None:
    service = f"asked-{exporter.__name__}"
    _send(exporter(server), service, spans=3)
    rows = server.query(
        f"SELECT name, kind, count(*) AS n FROM spans WHERE service = '{service}' GROUP BY ALL"
    )
    assert rows == [{"name": "GET /cart", "kind": 2, "n": 3}]


def test_the_pages_port_takes_otlp_too(server: Server) -> None:
    _send(HttpExporter(endpoint=f"{server.url}/v1/traces"), "on-the-pages-port")
    assert server.query("SELECT count(*) AS n FROM spans WHERE service = 'on-the-pages-port'") == [{"n": 1}]


def test_a_question_in_all_three_forms(server: Server) -> None:
    where = ("--data", str(server.data))
    sql = "SELECT 1 AS one, 'a,b' AS text, [1, 2] AS list, NULL AS nothing, 1.5 AS number"
    assert json.loads(raywatch("query", "--json", sql, *where).stdout) == [
        {"one": 1, "text": "a,b", "list": [1, 2], "nothing": None, "number": 1.5}
    ]
    assert (
        raywatch("query", "--csv", sql, *where).stdout
        == 'one,text,list,nothing,number\n1,"a,b","[1, 2]",,1.5\n'
    )
    table = raywatch("query", sql, *where).stdout
    assert "a,b" in table
    assert "1 row\n" in table
    assert "2 rows; there may be more" in raywatch("query", "FROM range(9)", "--limit", "2", *where).stdout


@pytest.mark.parametrize(
    ("sql", "told"),
    [("DELETE FROM spans", "read only"), ("SELECT nme FROM spans", "nme"), ("SELEC 1", "SELEC")],
)
def test_a_question_that_cannot_be_answered_is_one_line(server: Server, sql: str, told: str) -> None:
    done = raywatch("query", sql, "--data", str(server.data), check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("raywatch: ")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_only_this_user_may_ask_behind_the_pages(server: Server) -> None:
    for token in ("", "Bearer wrong"):
        assert server.get("/-/query", Authorization=token)[0] == 403


def test_its_health(server: Server) -> None:
    assert server.get("/healthz") == (200, "ok\n")
    assert server.get("/readyz") == (200, "ready\n")


def test_metrics_are_prometheus_text_for_programs_and_a_page_for_people(server: Server) -> None:
    _send(_http(server), "measured")
    status, text = server.get("/metrics")
    assert status == 200
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    values = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    assert values["raywatch_ready"] == 1
    stored = '{receiver="otlp_http",signal="traces",outcome="stored",reason=""}'
    assert values[f"raywatch_items_total{stored}"] >= 1
    assert values['raywatch_commit_seconds_count{signal="traces"}'] >= 1
    assert values["process_resident_memory_bytes"] > 1e6
    declared = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert all(
        name.partition("{")[0].removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") in declared
        for name in values
    )
    page = server.get("/metrics", Accept="text/html")[1]
    assert page.lstrip().startswith("<!doctype html>")


def test_it_observes_itself_but_never_its_ingest(server: Server) -> None:
    _send(_http(server), "not-traced")
    server.get("/", Accept="text/html")
    wait_until(
        lambda: server.query("SELECT 1 FROM spans WHERE service = 'raywatch' AND name = 'GET /' LIMIT 1")
    )
    questions = server.query(
        "SELECT DISTINCT kind, peer_type FROM spans WHERE service = 'raywatch' AND name LIKE 'SELECT %'"
    )
    assert questions == [{"kind": 3, "peer_type": "database"}]
    assert server.query("SELECT name FROM spans WHERE service = 'raywatch' AND name LIKE '%v1%'") == []


def test_a_running_server_is_backed_up_and_the_copy_is_whole(server: Server, tmp_path: Path) -> None:
    _send(_grpc(server), "kept", spans=5)
    copy = tmp_path / "copy"
    said = raywatch("db", "backup", str(copy), "--data", str(server.data)).stdout
    assert str(copy) in said
    _send(_grpc(server), "kept", spans=2)
    count = "SELECT count(*) AS n FROM spans WHERE service = 'kept'"
    assert server.query(count) == [{"n": 7}]
    back = tmp_path / "back"
    raywatch("db", "restore", str(copy), "--data", str(back))
    assert json.loads(raywatch("query", "--json", count, "--data", str(back)).stdout) == [{"n": 5}]
    again = raywatch("db", "restore", str(copy), "--data", str(back), check=False)
    assert again.returncode == 1
    assert "has data already" in again.stderr
    twice = raywatch("db", "backup", str(copy), "--data", str(server.data), check=False)
    assert twice.returncode == 1
    assert "is not empty" in twice.stderr


def test_keys_are_asked_for_as_soon_as_there_is_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    secret = raywatch("keys", "create", "sender", "--data", str(data)).stdout.strip()
    with serving(data) as server:
        wait_until(lambda: "/login?token=" in server.text)
        assert _refused(server)
        assert server.get("/metrics")[0] == 401
        assert server.get("/metrics", **{"x-api-key": secret})[0] == 200
        _send(_http(server, headers={"x-api-key": secret}), "with-key")
        _send(_grpc(server, headers={"authorization": f"Bearer {secret}"}), "with-key")
        assert server.query("SELECT count(*) AS n FROM spans WHERE service = 'with-key'") == [{"n": 2}]
        link = server.text.split("/login?token=")[1].split()[0]
        jar = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor()
        )
        with jar.open(f"{server.url}/login?token={link}", timeout=30) as answer:
            assert "/login" not in answer.url
        with jar.open(f"{server.url}/overview.json", timeout=30) as answer:
            assert answer.status == 200
        assert server.get(f"/login?token={link}", Accept="text/html")[0] == 401
        another = raywatch("login", "--data", str(data)).stdout.strip()
        assert another.startswith(f"{server.url}/login?token=")
        assert another != f"{server.url}/login?token={link}"


def _refused(server: Server) -> bool:
    request = urllib.request.Request(f"{server.note['otlp_http']}/v1/traces", data=b"", method="POST")
    request.add_header("Content-Type", "application/x-protobuf")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=30)
    with caught.value:
        refused_http = caught.value.code == 401
    with grpc.insecure_channel(server.note["otlp_grpc"].removeprefix("http://")) as channel:
        call = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as failed:
            call(b"", timeout=30)
    return refused_http and failed.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_run_sends_from_an_unmodified_program(server: Server, tmp_path: Path) -> None:
    """Automatic instrumentation, logs with trace ids, all by environment."""
    script = tmp_path / "billing.py"
    script.write_text(
        "import logging, sqlite3\n"
        "from opentelemetry import trace\n"
        "with trace.get_tracer('t').start_as_current_span('charge'):\n"
        "    logging.getLogger('bill').warning('charged %d', 5)\n"
        "    sqlite3.connect(':memory:').cursor().execute('SELECT 42')\n"
    )
    raywatch("run", "--data", str(server.data), "--", sys.executable, str(script))
    spans = server.query("SELECT name FROM spans WHERE service = 'billing' ORDER BY name")
    assert {"name": "charge"} in spans
    assert {"name": "SELECT"} in spans
    logs = server.query(
        "SELECT l.body FROM logs l JOIN spans s USING (trace_hi, trace_lo) "
        "WHERE l.service = 'billing' AND s.name = 'charge'"
    )
    assert logs == [{"body": "charged 5"}]


def test_in_memory_leaves_nothing_behind(tmp_path: Path) -> None:
    done = raywatch("query", "SELECT 1", "--data", ":memory:", check=False, HOME=str(tmp_path))
    assert done.returncode == 1
    assert not list(tmp_path.iterdir())


def test_acknowledged_rows_survive_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data) as server:
        _send(_http(server), "again", spans=4)
        assert server.stop() == 0
    shutil.rmtree(data / "telemetry" / "spill", ignore_errors=True)
    with serving(data) as server:
        assert server.query("SELECT count(*) AS n FROM spans WHERE service = 'again'") == [{"n": 4}]
