"""Logs: lines, opened records, patterns, groups, lines around one; the live tail; ingest health."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from collector.storage.control_access import reset
from collector.storage.control_agents import Report, record_report
from dashboard.context import read_context
from dashboard.pages.tail import Tail
from tests.pages.running import Site
from tests.pages.shop import NOW, Shop

MakePage = Callable[..., Page]


def test_lines_levels_and_counts_agree(client: FlaskClient) -> None:
    data = client.get("/logs.json?q=level in (ERROR, WARN)").get_json()
    assert {r["level"] for r in data["logs"]["records"]} <= {"ERROR", "WARN"}
    assert data["histogram"]["total"] == sum(sum(c) for c in data["histogram"]["counts"].values()) > 0
    levels = next(f for f in data["facets"] if f["field"] == "level")
    chosen = sum(v["records"] for v in levels["values"] if v["value"] in ("ERROR", "WARN"))
    assert chosen == data["histogram"]["total"]
    assert any(v["value"] == "INFO" and v["records"] for v in levels["values"])


def test_csv_has_every_line(client: FlaskClient) -> None:
    total = client.get("/logs.json").get_json()["histogram"]["total"]
    text = client.get("/logs.csv").text
    assert text.startswith("time_ns,level,service,group,stream,body")
    assert len([line for line in text.splitlines() if re.match(r"\d{19},", line)]) == total


def test_a_line_opens_in_place_with_its_fields_and_leads_to_its_trace(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/logs?q=level+%3D+ERROR")
    page.locator(".lg[data-row] .msg").first.click()
    page.wait_for_url(re.compile("open="))
    opened = page.locator(".lx")
    expect(opened).to_contain_text("trace_id")
    page.locator(".lx .fields a[aria-label^='Keep only service']").click()
    page.wait_for_url(re.compile("service"))
    expect(page.locator("input[name=q]").first).to_have_value(re.compile(r'AND service = "'))
    page.locator(".lg[data-row] .msg").first.click()
    page.locator(".lx").get_by_role("link", name="View trace").click()
    page.wait_for_url(re.compile("/traces/[0-9a-f]{32}"))
    expect(page.locator(".wf .vs-row").first).to_be_visible()


def test_searched_words_are_marked_and_stay_text(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/logs?q=gateway")
    expect(page.locator(".lg mark").first).to_have_text(re.compile("gateway", re.IGNORECASE))
    page.goto(f"{site.url}/logs?q=%22%3Cscript%22&from=-2h")
    assert page.locator("main script:not([type])").count() == 0


def test_patterns_groups_and_streams(client: FlaskClient, site: Site, page: Page) -> None:
    found = client.get("/logs.json?view=patterns").get_json()["patterns"]
    assert any("gateway timeout" in p["template"] and "*" in p["template"] for p in found["patterns"])
    page.goto(f"{site.url}/logs?view=groups")
    page.locator("tbody tr a.mono").first.click()
    expect(page.locator("tr.strm").first).to_be_visible()


def test_lines_around_one(client: FlaskClient) -> None:
    record = client.get("/logs.json?q=level = ERROR").get_json()["logs"]["records"][0]
    context = client.get("/logs.json", query_string={"around": record["id"]}).get_json()["context"]
    assert context["records"][context["position"]]["id"] == record["id"]
    assert {r["stream"] for r in context["records"]} == {record["stream"]}
    assert all(abs(r["time_ns"] - record["time_ns"]) <= 30 * 10**9 for r in context["records"])


def test_further_lines_are_appended_while_reading(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/logs?from=-2h")
    lines = page.locator(".lg[data-row]")
    before = lines.count()
    page.locator(".pager").scroll_into_view_if_needed()
    expect(lines).not_to_have_count(before)
    ids = page.eval_on_selector_all(".lg[data-row]", "rows => rows.map(r => r.dataset.id)")
    assert len(ids) == len(set(ids))


def test_it_can_be_read_without_a_script_and_on_a_phone(site: Site, open_page: MakePage) -> None:
    page = open_page(java_script_enabled=False, width=420, theme="dark")
    page.goto(f"{site.url}/logs")
    expect(page.locator(".lg .msg").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 420


@pytest.fixture
def tail(site: Site) -> Iterator[Callable[[str], Tail]]:
    """Tails over the site's store, told of a commit by hand."""
    open_tails: list[Tail] = []

    def make(q: str) -> Tail:
        subscribe = site.web.subscribe or _Deaf
        site.web.tails.acquire()
        ctx = read_context("/tail/stream", [("q", q)], {}, NOW)
        made = Tail(site.web, ctx, subscribe, threading.Event())  # type: ignore[arg-type]
        open_tails.append(made)
        return made

    yield make
    for one in open_tails:
        one.close()


class _Deaf:
    """A subscription that never hears anything: the tests look by themselves."""

    def __init__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass


def test_the_tail_brings_what_is_committed_from_now_on(site: Site, tail: Callable[[str], Tail]) -> None:
    everything, errors = tail(""), tail("level = ERROR")
    assert everything.look() is None
    for request in Shop(minutes=2, now_ns=NOW - 180 * 60 * 10**9, broken=0).requests(evil=False):
        site.send(request)
    site.web.store.settle(remote=True)
    event = everything.look()
    assert event is not None
    assert event["matching"] >= len(event["records"]) > 0
    assert {r["service"] for r in event["records"]} <= set(event["colours"])
    only = errors.look()
    assert only is None or {r["level"] for r in only["records"]} == {"ERROR"}
    assert everything.look() is None


def test_a_tail_gives_its_seat_back(site: Site, tail: Callable[[str], Tail]) -> None:
    with closing(tail("")) as one:
        assert next(one).startswith(b"retry:")
    one.close()
    for _ in range(16):
        assert site.web.tails.acquire(blocking=False)
    assert not site.web.tails.acquire(blocking=False)
    site.web.tails.release(16)


def test_a_tail_with_a_filter_that_cannot_be_read_is_refused(client: FlaskClient) -> None:
    assert client.get("/tail/stream?q=level in (").status_code == 400
    assert "Listening" in client.get("/tail").text


def test_ingest_shows_x_ray_daemons_that_report(client: FlaskClient, site: Site) -> None:
    report = Report(0, "box<1>", "i-1", "arn:x", received=10, sent=7, spilled=2, errors={"Timeout": 3})
    assert "X-Ray daemons" not in client.get("/ingest").text
    record_report(site.web.control, report, NOW)
    try:
        page = client.get("/ingest").text
        assert "X-Ray daemons" in page
        assert "box&lt;1&gt;" in page
        (agent,) = client.get("/ingest.json").get_json()["agents"]
        assert (agent["host"], agent["received"], agent["errors"]) == ("box<1>", 10, {"Timeout": 3})
        assert client.get("/ingest.csv?table=agents").text.splitlines()[1].startswith("box<1>,i-1,arn:x,")
    finally:
        reset(site.web.control, NOW)


def test_ingest_shows_books_that_add_up(client: FlaskClient, site: Site, page: Page) -> None:
    data = client.get("/ingest.json").get_json()
    assert data["health"]["ready"] is True
    assert sum(s["stored"] for s in data["sources"]) > 0
    for source in data["sources"]:
        assert source["received"] == source["stored"] + source["refused"] + source["sampled_out"]
    assert {s["signal"] for s in data["signals"]} == {"traces", "logs", "metrics"}
    assert client.get("/ingest.csv").text.startswith("receiver,sender,signal")
    assert client.get("/ingest.csv?table=files").text.startswith("signal,name,state")
    page.goto(f"{site.url}/ingest")
    expect(page.get_by_label("Verdict")).to_be_visible()


def test_an_empty_site_says_how_to_send(empty_site: Site, open_page: MakePage) -> None:
    page = open_page()
    for path in ("/traces", "/logs", "/map", "/ingest"):
        page.goto(empty_site.url + path)
        expect(page.locator(".copy").first).to_contain_text("OTEL")
