"""The list of traces: filter, charts, facets, groups, brush and what is different."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from collector.storage.control_xray import Group, Groups
from tests.pages.running import Site
from tests.pages.shop import EVIL, EVIL_OPERATION, NOW

MakePage = Callable[..., Page]
FAILING = "/traces?q=service%28%22payments%22%29%20%7B%20fault%20%7D"


def test_the_newest_traces_come_first_and_the_count_is_exact(client: FlaskClient) -> None:
    data = client.get("/traces.json").get_json()
    times = [t["start_ns"] for t in data["traces"]["traces"]]
    assert times == sorted(times, reverse=True)
    assert (
        data["traces"]["total"]
        == data["overview"]["points"]["total"]
        == data["overview"]["histogram"]["total"]
    )
    assert data["traces"]["total"] > len(times) == 100


def test_pages_by_cursor_give_every_trace_once(client: FlaskClient) -> None:
    seen: list[str] = []
    cursor, total = "", None
    while total is None or cursor:
        page = client.get("/traces.json", query_string={"cursor": cursor}).get_json()["traces"]
        seen += [t["trace_id"] for t in page["traces"]]
        cursor, total = page["cursor"], page["total"]
    assert len(seen) == len(set(seen)) == total
    rows = client.get("/traces.csv").text.splitlines()
    assert len(rows) == total + 1
    assert {row.split(",")[1] for row in rows[1:]} == set(seen)


def test_the_filter_narrows_list_charts_and_counts_alike(client: FlaskClient) -> None:
    data = client.get(FAILING.replace("/traces", "/traces.json")).get_json()
    assert data["traces"]["total"] == data["overview"]["counts"]["total"] > 0
    assert all("payments" in t["services"] and t["faults"] for t in data["traces"]["traces"])


def test_a_filter_that_cannot_be_read_says_where_and_keeps_the_page(
    site: Site, page: Page, client: FlaskClient
) -> None:
    answer = client.get("/traces.json?q=ok%20AND%20service%28")
    assert answer.status_code == 400
    assert answer.get_json()["error"]["column"] > 1
    page.goto(f"{site.url}/traces?q=ok+AND+service%28")
    expect(page.get_by_role("alert")).to_contain_text("Column")
    expect(page.locator("tbody tr").first).to_be_visible()


def test_durations_and_orders(client: FlaskClient) -> None:
    slow = client.get("/traces.json?sort=-duration&dmin=1").get_json()["traces"]["traces"]
    assert slow
    assert [t["duration_ns"] for t in slow] == sorted((t["duration_ns"] for t in slow), reverse=True)
    assert min(t["duration_ns"] for t in slow) >= 10**9
    under = client.get("/traces.json?dmax=1").get_json()["traces"]
    over = client.get("/traces.json?dmin=1").get_json()["traces"]
    assert under["total"] + over["total"] == client.get("/traces.json").get_json()["traces"]["total"]


def test_what_is_different_names_the_service_that_fails(client: FlaskClient) -> None:
    data = client.get("/traces.json?dmin=1&diff=1").get_json()["different"]
    assert data["inside"] > 0
    assert data["outside"] > 0
    told = {(d["field"], d["value"]) for d in data["differences"] if d["inside_share"] > d["outside_share"]}
    assert ("exception", "GatewayTimeout") in told


def test_a_filter_without_a_match_says_what_to_leave_out(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/traces?" + urlencode({"q": 'service("payments") AND http.status = 299'}))
    without = page.get_by_role("link", name=re.compile("Without http.status = 299"))
    expect(without).to_be_visible()
    without.click()
    expect(page.locator("tbody tr").first).to_be_visible()


def test_groups_add_up_to_the_list(client: FlaskClient) -> None:
    data = client.get("/traces.json?group=operation").get_json()
    assert data["groups"]["field"] == "operation"
    assert sum(g["counts"]["total"] for g in data["groups"]["groups"]) >= data["traces"]["total"]


def test_facets_edit_the_one_expression(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/traces")
    page.locator("[data-key=facet-Service] a.fa", has_text="payments").click()
    page.wait_for_url(re.compile("payments"))
    expect(page.locator("input[name=q]").first).to_have_value(re.compile(r'service = "payments"'))
    expect(page.locator("[data-key=facet-Service] a.fa[aria-checked=true]")).to_contain_text("payments")
    page.go_back()
    expect(page.locator("[data-key=facet-Service] a.fa[aria-checked=true]")).to_have_count(0)


def test_a_box_over_the_scatter_sets_times_and_durations(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/traces")
    plot = page.locator("#scatter .nsewdrag")
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.5, steps=6)
    page.mouse.up()
    page.wait_for_url(re.compile("dmin=.*dmax=|dmax=.*dmin="))
    assert "from=2026-11-23T" in page.url
    expect(page.locator(".chip[aria-pressed=true]").first).to_be_visible()


def test_names_from_telemetry_are_text(site: Site, open_page: MakePage) -> None:
    page = open_page()
    page.goto(f"{site.url}/traces?" + urlencode({"from": "-2h", "q": f'service = "{EVIL}"'}))
    expect(page.locator("td", has_text=EVIL_OPERATION).first).to_be_visible()
    expect(page.locator("td", has_text=EVIL).first).to_be_visible()
    assert page.locator("main img").count() == 0


def test_it_can_be_read_without_a_script_and_on_a_phone(site: Site, open_page: MakePage) -> None:
    page = open_page(java_script_enabled=False, width=420, theme="dark")
    page.goto(f"{site.url}/traces")
    expect(page.locator("tbody tr a").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 420


def test_the_form_shows_what_the_expression_says_and_what_only_it_can_say(site: Site, page: Page) -> None:
    q = 'service("payments") AND http.status >= 500 AND service("cart") { ok } AND order > 3'
    page.goto(f"{site.url}/traces?" + urlencode({"q": q}))
    page.get_by_role("button", name="Form").click()
    page.wait_for_url(re.compile("form=1"))
    expect(page.get_by_label("Service", exact=True)).to_have_value("payments")
    expect(page.get_by_label("HTTP status")).to_have_value(">=500")
    expect(page.get_by_label("Key of an annotation").first).to_have_value("order")
    expect(page.locator("[data-rest]")).to_contain_text('service("cart") { ok }')


def test_the_form_writes_the_expression_as_it_is_filled_in(site: Site, page: Page) -> None:
    page.goto(
        f"{site.url}/traces?form=1&" + urlencode({"q": 'service("payments") AND service("cart") { ok }'})
    )
    bar = page.get_by_label("Filter traces")
    page.get_by_role("group", name="Outcome").get_by_text("Fault").click()
    expect(bar).to_have_value('service("payments") AND service("cart") { ok } AND outcome = "fault"')
    page.get_by_label("Duration from").fill("soon")
    expect(page.locator("[data-form-problem]")).to_contain_text("is no time")
    page.get_by_label("Duration from").fill("1")
    expect(bar).to_have_value(re.compile("AND duration >= 1 AND outcome = .fault.$"))
    expect(page.locator("[data-form-problem]")).to_be_empty()
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(re.compile(r"q=service.*duration"))
    assert "f_" not in page.url.partition("?")[2].replace("form", "")
    expect(page.locator("tbody tr").first).to_be_visible()


def test_the_expression_fills_the_form_as_it_is_typed(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/traces?form=1")
    page.get_by_label("Filter traces").fill('user = "alice" AND throttle AND tier = gold AND zone exists')
    expect(page.get_by_label("User", exact=True)).to_have_value("alice")
    expect(page.get_by_role("group", name="Outcome").locator("input[value=throttle]")).to_be_checked()
    keys = page.get_by_label("Key of an annotation")
    expect(keys).to_have_count(3)
    expect(keys.nth(1)).to_have_value("zone")


def test_the_form_works_without_a_script(site: Site, open_page: MakePage) -> None:
    page = open_page(java_script_enabled=False, width=420)
    page.goto(f"{site.url}/traces?form=1&" + urlencode({"q": 'service("cart") { ok }'}))
    page.get_by_label("HTTP status").fill("5xx")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("input[name=q]").first).to_have_value(
        'service("cart") { ok } AND http.status >= 500 AND http.status <= 599'
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 420


def test_a_form_that_cannot_be_written_stays_with_its_words(client: FlaskClient) -> None:
    page = client.get("/traces?q=fault&form=1&f_set=1&f_outcome=fault&f_status=teapot")
    assert page.status_code == 200
    assert "no status" in page.text
    assert 'value="teapot"' in page.text


def test_the_form_is_there_also_for_an_expression_that_cannot_be_read(client: FlaskClient) -> None:
    page = client.get("/traces?form=1&q=fault+AND+(")
    assert page.status_code == 200
    assert "The expression cannot be read" in page.text


def test_a_group_can_be_asked_for_by_expression_and_form(site: Site, client: FlaskClient) -> None:
    Groups(site.web.control).create(Group(0, "Failing", "", "fault"), NOW, most=25)
    found = client.get("/traces.json", query_string={"q": 'group.name = "Failing"'}).get_json()
    assert found["traces"]["total"] == found["overview"]["counts"]["fault"] > 0
    sent = client.get("/traces?f_set=1&f_group=Failing&form=1")
    assert sent.headers["Location"].endswith("q=group.name%20%3D%20%22Failing%22")
    assert 'value="Failing"' in client.get(sent.headers["Location"]).text
    sets = client.get("/analytics.json", query_string={"a": 'group.name = "Failing"'}).get_json()["sets"]
    assert sets["a"]["counts"]["total"] == found["traces"]["total"]
