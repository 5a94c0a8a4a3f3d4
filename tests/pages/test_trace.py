"""One trace: the waterfall, its keyboard, a span's panel, the other views, what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from playwright.sync_api import Page, expect

from collector.request import Request
from tests.pages.running import Site
from tests.pages.shop import MS, NOW, attributes

MakePage = Callable[..., Page]
LONG = bytes.fromhex("a0" * 16)


@pytest.fixture(scope="module")
def failing(site: Site) -> str:
    """A trace in which payments failed."""
    data = site.client.get("/traces.json?q=service%28%22payments%22%29%20%7Bfault%7D&sort=-spans").get_json()
    return str(data["traces"]["traces"][0]["trace_id"])


@pytest.fixture(scope="module")
def long(site: Site) -> str:
    """A trace of 10 000 spans: chains under one root, outside the range that the other tests look at."""
    start = NOW - 200 * 60 * 10**9
    spans = [
        Span(trace_id=LONG, span_id=(1).to_bytes(8, "big"), name="root", kind=2,
             start_time_unix_nano=start, end_time_unix_nano=start + 10_000 * MS)
    ]  # fmt: skip
    for n in range(2, 10_001):
        parent = 1 if n % 10 == 2 else n - 1
        spans.append(
            Span(trace_id=LONG, span_id=n.to_bytes(8, "big"), parent_span_id=parent.to_bytes(8, "big"),
                 name=f"step {n}", kind=1, start_time_unix_nano=start + n * MS,
                 end_time_unix_nano=start + (n // 10 * 10 + 10) * MS)
        )  # fmt: skip
    resource = Resource(attributes=attributes({"service.name": "batch-of-long-ago"}))
    message = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=spans)])]
    )
    site.send(Request("traces", message.SerializeToString(), receiver="test", sender="test"))
    site.web.store.settle(remote=True)
    return LONG.hex()


def test_it_opens_at_the_span_where_the_failure_began(site: Site, page: Page, failing: str) -> None:
    page.goto(f"{site.url}/traces/{failing}")
    expect(page.locator(".tsum")).to_contain_text("Critical path")
    panel = page.locator("#span-panel")
    expect(panel).to_contain_text("Gateway")
    expect(page.locator(".wf .r[aria-selected=true]")).to_have_count(1)
    expect(page.locator(".wf .r .st-fault").first).to_be_visible()


def test_the_keyboard_moves_opens_folds_and_finds_errors(site: Site, page: Page, failing: str) -> None:
    page.goto(f"{site.url}/traces/{failing}")
    rows = page.locator(".wf .vs-row")
    expect(rows.first).to_be_visible()
    before = rows.count()
    page.locator("[data-wf]").focus()
    page.keyboard.press("Home")
    expect(page.locator("#span-panel")).to_contain_text("storefront")
    page.keyboard.press("ArrowLeft")
    expect(rows).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(rows).to_have_count(before)
    page.keyboard.press("e")
    expect(page.locator(".wf .r.cur .st")).to_be_visible()
    assert "span=" in page.url


def test_the_panel_has_attributes_events_logs_and_the_raw_span(site: Site, page: Page, failing: str) -> None:
    page.goto(f"{site.url}/traces/{failing}")
    expect(page.locator("#span-panel")).to_contain_text("Log lines")
    page.get_by_role("tab", name="Attributes").click()
    page.wait_for_url(re.compile("tab=attributes"))
    expect(page.locator("#span-panel .mv dt").first).to_be_visible()
    page.get_by_role("tab", name="Raw").click()
    expect(page.locator("#span-panel pre.raw").last).to_contain_text('"span_id"')


def test_every_view_and_its_twins(site: Site, page: Page, client: FlaskClient, failing: str) -> None:
    data = client.get(f"/traces/{failing}.json").get_json()["trace"]
    assert data["trace_id"] == failing
    rows = client.get(f"/traces/{failing}.csv").text.splitlines()
    assert len(rows) == len(data["spans"]) + 1
    page.goto(f"{site.url}/traces/{failing}?view=table")
    expect(page.locator(".tbl tbody tr")).to_have_count(len(data["spans"]))
    page.goto(f"{site.url}/traces/{failing}?view=flame")
    expect(page.locator(".flame rect")).to_have_count(len(data["spans"]))
    page.goto(f"{site.url}/traces/{failing}?view=map")
    expect(page.locator(".map.wide .node[data-name=payments]")).to_be_visible()
    xray = client.get(f"/traces/1-{failing[:8]}-{failing[8:]}.json").get_json()["trace"]
    assert xray["trace_id"] == failing


def test_it_is_compared_with_the_typical_trace_of_its_operation(site: Site, page: Page, failing: str) -> None:
    page.goto(f"{site.url}/traces/{failing}?view=compare")
    expect(page.locator("main")).to_contain_text("of median duration in this range")
    first = page.locator(".tbl tbody tr").first
    expect(first).to_contain_text("payments")
    expect(first.locator("td").last).to_have_text(re.compile(r"[+].* s$|[+].* ms$"))


def test_ten_thousand_spans_are_drawn_a_screen_at_a_time(site: Site, page: Page, long: str) -> None:
    page.goto(f"{site.url}/traces/{long}")
    rows = page.locator(".wf .vs-row")
    expect(rows.first).to_be_visible()
    assert rows.count() < 120
    page.locator("[data-wf]").focus()
    page.keyboard.press("End")
    expect(page.locator(".wf .vs-row", has_text="step 10000")).to_be_visible()
    assert rows.count() < 120
    page.fill("[data-find]", "step 5005")
    page.press("[data-find]", "Enter")
    expect(page.locator(".wf .r.hit", has_text="step 5005")).to_be_visible()
    expect(page.locator("#span-panel")).to_contain_text("step 5005")


def test_zoom_is_part_of_the_url(site: Site, page: Page, failing: str) -> None:
    page.goto(f"{site.url}/traces/{failing}")
    box = page.locator("[data-mini]").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 10, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile("t0=0[.](19|2).*t1=0[.](59|6)"))
    page.locator("[data-mini]").dblclick()
    expect(page.locator("[data-mini-label]")).to_have_text("Drag to zoom")


@pytest.mark.parametrize("name", ["f" * 32, "nonsense", "1-5759e988-bd862e3fe1be46a994272793"])
def test_a_trace_that_is_not_kept_says_so(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/traces/{name}")
    assert answer.status_code == 404
    assert "This trace is not here" in answer.text
    assert client.get(f"/traces/{name}.json").status_code == 404


def test_it_can_be_read_without_a_script_and_on_a_phone(
    site: Site, open_page: MakePage, failing: str
) -> None:
    plain = open_page(java_script_enabled=False)
    plain.goto(f"{site.url}/traces/{failing}")
    expect(plain.locator("table tbody tr").first).to_be_visible()
    narrow = open_page(width=420)
    narrow.goto(f"{site.url}/traces/{failing}")
    expect(narrow.locator(".wf .vs-row").first).to_be_visible()
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 420
