"""Overview over two hours of a shop in which payments began to fail half an hour ago."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from random import Random

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from collector.request import Request
from dashboard import create_app
from tests.pages.running import Site, serving
from tests.pages.shop import BROKEN_SINCE, EVIL, NOW, SERVER, Shop, _Minute

MakePage = Callable[..., Page]


@pytest.fixture
def waiting() -> Iterator[Site]:
    """A site to which nothing has been sent yet."""
    with serving() as running:
        yield running


def test_it_says_what_is_wrong_since_when_and_why(site: Site, page: Page) -> None:
    page.goto(site.url)
    verdict = page.get_by_label("Verdict")
    expect(verdict).to_contain_text(re.compile(r"payments is failing [\d.]+% of its requests since 10:12"))
    expect(verdict).to_contain_text("payments 2.41.0 was deployed")
    expect(verdict).to_contain_text("checkout and storefront are affected")
    failing = verdict.get_by_role("link", name="failing traces")
    expect(failing).to_have_attribute(
        "href", re.compile(r"/traces\?q=service%28%22payments%22%29%20%7B%20fault")
    )


def test_the_json_twin_has_the_same_figures(client: FlaskClient) -> None:
    data = client.get("/overview.json").get_json()
    verdict = data["overview"]["verdict"]
    assert (verdict["state"], verdict["service"], verdict["since_ns"]) == (
        "failing",
        "payments",
        BROKEN_SINCE,
    )
    assert data["overview"]["end_ns"] - data["overview"]["start_ns"] == 3600 * 10**9
    templates = [p["template"] for p in data["new_patterns"]["patterns"]]
    assert any("gateway timeout" in text for text in templates)
    assert "GET /products" not in " ".join(templates)
    assert data["service"] is None


def test_the_csv_is_the_shown_table_in_the_shown_order(client: FlaskClient) -> None:
    lines = client.get("/overview.csv?sort=service").text.splitlines()
    names = [line.split(",")[0] for line in lines[1:]]
    assert lines[0].startswith("service,requests,per_second,p50_ms")
    assert names == sorted(names)
    assert {"payments", "storefront", EVIL} <= set(names)


def test_figures_compare_with_before_and_are_red_only_when_the_verdict_says_so(
    site: Site, page: Page
) -> None:
    page.goto(site.url)
    faults = page.locator(".kpi", has_text="Faults (5xx)")
    expect(faults.locator(".d.bad")).to_contain_text("since 10:12")
    expect(page.locator(".kpi", has_text="Requests").locator(".d.bad")).to_have_count(0)
    page.goto(f"{site.url}/?from=2026-11-23T09:00:00Z&to=2026-11-23T09:20:00Z")
    assert page.locator(".kpi .d.bad").count() == 0


def test_a_row_opens_the_panel_of_its_service_and_the_panel_follows_the_keyboard(
    site: Site, page: Page
) -> None:
    page.goto(site.url)
    page.locator("tr", has_text="payments").locator(".hb").click()
    page.wait_for_url(re.compile("svc=payments"))
    panel = page.get_by_role("complementary", name="payments")
    expect(panel).to_contain_text("Failing")
    expect(panel).to_contain_text("Before and after 2.41.0")
    expect(panel).to_contain_text("GatewayTimeout")
    expect(panel.get_by_role("link", name="POST /charges")).to_be_visible()
    expect(page.locator("tr[aria-selected=true]")).to_contain_text("payments")
    page.keyboard.press("j")
    expect(page.locator(".side.panel")).not_to_have_attribute("aria-label", "payments")
    page.keyboard.press("Escape")
    expect(page.locator(".side.panel")).to_have_count(0)
    assert "svc=" not in page.url


def test_dragging_the_response_times_leads_to_those_traces(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/?svc=payments")
    href = page.locator(".panel .chart").get_attribute("data-to")
    assert href is not None
    assert href.startswith("/traces?q=service")


def test_dragging_the_requests_sets_the_range_of_everything(site: Site, page: Page) -> None:
    page.goto(site.url)
    plot = page.locator(".chart.brushed .plot").first
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.26, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.49, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile("from=2026-11-23T09:57:00Z&to=2026-11-23T10:12:00Z"))
    expect(page.get_by_label("Verdict")).not_to_contain_text("failing")


def test_what_changed_leads_to_before_and_after(site: Site, page: Page) -> None:
    page.goto(site.url)
    change = page.get_by_role("link", name=re.compile("payments.*2.40.3"))
    change.click()
    page.wait_for_url(re.compile("svc=payments"))
    expect(page.locator(".side.panel")).to_contain_text("Before and after 2.41.0")


def test_columns_sort(site: Site, page: Page) -> None:
    page.goto(site.url)
    page.get_by_role("columnheader", name="p95").first.get_by_role("link").click()
    page.wait_for_url(re.compile("sort=-p95"))
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("p95")
    shown = page.locator(".tbl[data-rows] tbody tr, [data-rows] tbody tr").first
    expect(shown).to_contain_text(re.compile("storefront|checkout"))


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1000, "light"), (420, "dark")])
def test_it_fits_every_screen(site: Site, open_page: MakePage, width: int, theme: str) -> None:
    page = open_page(width=width, theme=theme)
    page.goto(f"{site.url}/?svc=payments")
    expect(page.locator(".verdict")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(
        "document.querySelector('#main').scrollWidth <= document.querySelector('#main').clientWidth"
    )
    for section in (".kpis", ".chart", "[data-rows] table", ".side.panel"):
        expect(page.locator(section).first).to_be_visible()


def test_without_a_script_everything_is_there_as_tables(site: Site, open_page: MakePage) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"{site.url}/?svc=payments")
    expect(page.locator("[data-rows] table")).to_contain_text("payments")
    page.locator(".astable summary").first.click()
    expect(page.locator(".astable table").first).to_contain_text("10:12")
    expect(page.locator(".side.panel")).to_contain_text("Response time")


def test_a_service_named_like_a_script_is_text(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/?svc={EVIL}")
    expect(page.locator("[data-rows] table")).to_contain_text(EVIL)
    expect(page.locator(".side.panel h2")).to_have_text(EVIL)
    expect(page.locator(".side.panel")).to_contain_text("<img src=x onerror=alert(2)>")


def test_a_service_that_is_not_there_says_so(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/?svc=nobody")
    expect(page.locator(".side.panel")).to_contain_text("nobody served nothing in this range")


def test_a_range_without_requests_offers_others(client: FlaskClient) -> None:
    page = client.get("/?from=2026-11-20T00:00:00Z&to=2026-11-20T01:00:00Z").text
    assert "Nothing in this range" in page
    assert "No data yet" not in page
    assert 'href="/?from=-7d"' in page


def test_an_empty_installation_says_how_to_send_and_turns_live(waiting: Site, page: Page) -> None:
    page.goto(waiting.url)
    expect(page.get_by_role("heading", name="No data yet")).to_be_visible()
    for language in ("Python", "Node", "Java", "Go"):
        expect(page.get_by_role("heading", name=language)).to_be_visible()
    expect(page.get_by_label("Environment for every SDK")).to_contain_text("http://localhost:4318")
    for request in Shop(minutes=3, now_ns=NOW).requests(evil=False):
        waiting.send(request)
    waiting.web.store.settle()
    expect(page.get_by_label("Verdict")).to_be_visible()
    expect(page.locator("[data-rows] table")).to_contain_text("storefront")


def own_pages() -> Iterator[Request]:
    """What Raywatch reports of itself."""
    minute = _Minute(Random(1), broken=False)
    minute.span("raywatch", b"r" * 16, b"", NOW - 60 * 10**9, 20, "GET /traces", SERVER, 200, {})
    return (Request(signal, payload) for signal, payload in minute.payloads(NOW))


def test_raywatch_itself_is_shown_when_asked_for(waiting: Site) -> None:
    for request in own_pages():
        waiting.send(request)
    waiting.web.store.settle()
    client = create_app(waiting.web).test_client()
    assert "No data yet" in client.get("/").text, "its own pages are no data"
    for request in Shop(minutes=3).requests(evil=False):
        waiting.send(request)
    waiting.web.store.settle()
    rows = r'<tr data-href="[^"]*svc=(\w+)"'
    assert "raywatch" not in re.findall(rows, client.get("/").text)
    assert "raywatch" in re.findall(rows, client.get("/?own=1").text)
