"""A trace that came as X-Ray documents: blocks, exceptions, root cause, open segments, documents, logs."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.pages.running import Site
from tests.pages.xray_shop import DENIED, PAY, QUERY, ROOT, TABLE, TRACE, WORKER, XRAY

MakePage = Callable[..., Page]


@pytest.mark.parametrize("text", [TRACE, XRAY, XRAY.upper(), f"Root={XRAY};Parent={ROOT};Sampled=1"])
def test_every_form_of_an_id_opens_the_trace(xray_site: Site, text: str) -> None:
    found = xray_site.client.get(f"/traces/{text}.json")
    assert found.status_code == 200
    assert found.get_json()["trace"]["trace_id"] == TRACE


def test_where_the_fault_began_is_said_first(xray_site: Site, page: Page) -> None:
    page.goto(f"{xray_site.url}/traces/{XRAY}")
    causes = page.get_by_role("group", name="Root causes")
    expect(causes).to_contain_text(re.compile(r"Fault\s*front.example.com.*payments.*DynamoDB"))
    expect(causes).to_contain_text("ConditionalCheckFailedException balance is too low")


def test_a_segment_shows_its_blocks(xray_site: Site) -> None:
    client = xray_site.client
    overview = client.get(f"/traces/{TRACE}?span={ROOT}").text
    for told in ("AWS::ECS::Fargate", "123456789012", "alice", XRAY):
        assert told in overview
    annotations = client.get(f"/traces/{TRACE}?span={ROOT}&tab=annotations").text
    assert all(told in annotations for told in ("tier", "gold", "84217"))
    metadata = client.get(f"/traces/{TRACE}?span={ROOT}&tab=metadata").text
    assert "debug" in metadata
    assert "41.5" in metadata
    aws = client.get(f"/traces/{TRACE}?span={ROOT}&tab=aws").text
    assert "ecs.cluster_arn" in aws
    assert "xray.sdk_version" in aws


def test_a_call_shows_sql_and_aws(xray_site: Site) -> None:
    client = xray_site.client
    sql = client.get(f"/traces/{TRACE}?span={QUERY}&tab=sql").text
    assert "SELECT balance FROM accounts WHERE id = ?" in sql
    assert "PostgreSQL" in sql
    aws = client.get(f"/traces/{TRACE}?span={TABLE}&tab=aws").text
    assert all(told in aws for told in ("operation", "PutItem", "table_name", "charges", "retries"))


def test_exceptions_come_with_what_caused_them(xray_site: Site, page: Page) -> None:
    page.goto(f"{xray_site.url}/traces/{TRACE}?span={PAY}&tab=exceptions")
    notes = page.locator("#span-panel .note")
    expect(notes).to_have_count(2)
    expect(notes.nth(0)).to_contain_text("PaymentError")
    expect(notes.nth(0)).to_contain_text("at charge (pay.py:41)")
    expect(notes.nth(1)).to_contain_text("Caused by ConditionalCheckFailedException")
    page.goto(f"{xray_site.url}/traces/{TRACE}?span={TABLE}")
    expect(page.locator("#span-panel .note")).to_contain_text("recorded in payments")


def test_a_segment_in_progress_is_open_to_the_right(xray_site: Site, page: Page) -> None:
    page.goto(f"{xray_site.url}/traces/{TRACE}?span={WORKER}")
    row = page.locator("[data-wf] .r", has_text="worker")
    expect(row).to_contain_text("in progress")
    expect(row.locator(".bar-o")).to_be_visible()
    expect(page.locator("#span-panel")).to_contain_text("in progress, no end yet")
    expect(page.locator("#main")).to_contain_text("1 span has no end yet")


def test_raw_documents_stand_beside_the_span(xray_site: Site, page: Page) -> None:
    page.goto(f"{xray_site.url}/traces/{TRACE}?span={PAY}&tab=raw")
    panel = page.locator("#span-panel")
    expect(panel).to_contain_text("X-Ray document")
    expect(panel).to_contain_text(f'"id": "{DENIED}"')
    panel.get_by_role("link", name="All documents").click()
    page.wait_for_url(re.compile("/raw"))
    expect(page.locator("details.rawd")).to_have_count(5)
    expect(page.locator("details.rawd", has_text="inferred")).to_have_count(2)


def test_documents_are_those_of_batch_get_traces(xray_site: Site) -> None:
    data = xray_site.client.get(f"/traces/{XRAY}/raw.json").get_json()
    assert data["Id"] == XRAY
    by_id = {each["Id"]: each["Document"] for each in data["Segments"]}
    assert by_id[ROOT]["subsegments"][0]["name"] == "payments"
    assert by_id[WORKER]["in_progress"] is True
    rows = xray_site.client.get(f"/traces/{TRACE}/raw.csv").text.splitlines()
    assert len(rows) == len(by_id) + 1
    assert xray_site.client.get("/traces/1-00000000-000000000000000000000001/raw").status_code == 404


def test_spans_have_documents_too(site: Site) -> None:
    first = site.client.get("/traces.json?q=fault").get_json()["traces"]["traces"][0]["trace_id"]
    page = site.client.get(f"/traces/{first}/raw").text
    assert "derived from spans" in page
    panel = site.client.get(f"/traces/{first}?tab=raw").text
    assert "X-Ray document" in panel


def test_log_lines_by_either_form_of_the_id(xray_site: Site) -> None:
    panel = xray_site.client.get(f"/traces/{TRACE}?span={ROOT}&tab=logs").text
    assert "charge begins" in panel
    assert "retry budget spent" in panel
    logs = re.search(r'href="(/logs[^"]+)"', panel[panel.index("Open in Logs") - 600 :])
    assert logs is not None
    found = xray_site.client.get(logs[1].replace("&amp;", "&").replace("/logs?", "/logs.json?")).get_json()
    assert len(found["logs"]["records"]) == 2


def test_it_can_be_read_without_a_script_and_on_a_phone(xray_site: Site, open_page: MakePage) -> None:
    page = open_page(java_script_enabled=False, width=420, theme="dark")
    for path in (f"/traces/{XRAY}?span={PAY}", f"/traces/{XRAY}/raw"):
        page.goto(xray_site.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
