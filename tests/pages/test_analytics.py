"""Analytics: two sets of traces side by side, what tells them apart, narrowing by clicks and brushes."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from tests.pages.running import Site
from tests.pages.shop import EVIL, EVIL_OPERATION

MakePage = Callable[..., Page]


def data_of(client: FlaskClient, **params: str) -> dict:  # type: ignore[type-arg]
    found = client.get("/analytics.json", query_string=params)
    assert found.status_code == 200, found.text
    data: dict = found.get_json()  # type: ignore[type-arg]
    return data


def test_sets_add_up_to_the_list_of_traces(client: FlaskClient) -> None:
    whole = client.get("/traces.json").get_json()["traces"]["total"]
    slow = client.get("/traces.json", query_string={"q": "responsetime > 1"}).get_json()["traces"]["total"]
    sets = data_of(client, a="responsetime > 1")["sets"]
    assert sets["a"]["counts"]["total"] == slow > 0
    assert sets["b"]["counts"]["total"] == whole - slow
    assert sets["both"] == 0
    for side in ("a", "b"):
        assert sum(sets[side]["over_time"]) == sets[side]["counts"]["total"]
        assert sum(sets[side]["responses"]) == sets[side]["timed"]


def test_without_a_choice_all_is_in_a(client: FlaskClient) -> None:
    data = data_of(client)
    assert data["sets"]["b"]["counts"]["total"] == 0
    assert data["differences"] is None
    assert {table["field"] for table in data["values"]} >= {"http.status", "operation", "service"}


def test_what_tells_the_slow_ones_apart(client: FlaskClient) -> None:
    data = data_of(client, a="responsetime > 1", **{"from": "-2h"})
    first = data["differences"]["differences"][0]
    assert (first["field"], first["value"]) == ("exception", "GatewayTimeout")
    assert ["http.status", "502"] in first["same"]
    assert first["p"] < 1e-20
    status = next(t for t in data["values"] if t["field"] == "http.status")
    assert status["values"][0]["value"] == "502"
    assert status["values"][0]["delta"] == 1.0


def test_fields_that_the_sets_are_chosen_by_are_not_told(client: FlaskClient) -> None:
    found = data_of(client, a="fault")["differences"]["differences"]
    assert found
    assert not [d for d in found if "outcome" in (d["field"], d["and_field"])]


def test_root_causes_are_grouped_with_counts(client: FlaskClient) -> None:
    faults, errors, times = data_of(client, a="responsetime > 1")["causes"]
    first = faults["causes"][0] if faults["causes"][0]["a"] else faults["causes"][1]
    assert [step["service"] for step in first["steps"]][:3] == ["storefront", "checkout", "payments"]
    assert (first["exception"], first["a_share"], first["b"]) == ("GatewayTimeout", 1.0, 0)
    assert first["impacting"] == first["a"] == faults["seen"][0]
    handled = next(c for c in errors["causes"] if c["steps"][0]["service"] == "payments")
    assert handled["impacting"] == 0
    assert times["causes"][0]["coverage"] > 0.5
    assert times["seen"][1] < times["whole"][1], "a sample, and said"
    rows = client.get("/analytics.csv?a=responsetime>1&table=causes").text.splitlines()
    assert rows[0].startswith("kind,path,exception")
    assert any("storefront: POST > checkout: POST > payments" in row for row in rows)


def test_a_root_cause_narrows_a_set(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/analytics?a=fault")
    page.locator("section", has_text="Where faults begin").get_by_role(
        "link", name=re.compile("checkout")
    ).first.click()
    page.wait_for_url(re.compile("rootcause"))
    expect(page.get_by_label("Expression of set A")).to_have_value(
        'fault AND rootcause.fault.exception { name = "GatewayTimeout" }'
    )
    expect(page.locator(".abx").first).to_contain_text(re.compile(r"[1-9]\d* traces"))


def test_two_sets_of_ones_own_may_overlap(client: FlaskClient) -> None:
    sets = data_of(client, a='service("payments")', b="fault")["sets"]
    a, b = sets["a"]["counts"], sets["b"]["counts"]
    assert sets["both"] == a["fault"] > 0
    assert b["total"] == b["fault"] >= sets["both"]


def test_a_window_of_time_is_part_of_a_set(client: FlaskClient) -> None:
    late = {"afrom": "2026-11-23T10:12:00Z", "ato": "2026-11-23T10:42:00Z"}
    sets = data_of(client, **late)["sets"]
    halves = client.get("/traces.json", query_string={"from": late["afrom"], "to": late["ato"]}).get_json()
    assert sets["a"]["counts"]["total"] == halves["traces"]["total"]
    assert sets["b"]["counts"]["total"] > 0


def test_tables_of_attributes_come_and_go(client: FlaskClient) -> None:
    data = data_of(client, a="fault", by="http.route")
    assert any(t["field"] == "http.route" for t in data["values"])
    page = client.get("/analytics?a=fault&by=http.route").text
    assert "Close this table" in page


def test_csv_has_each_table(client: FlaskClient) -> None:
    for table, head in (
        ("", "field,value,and_field,and_value,a,b,a_share,b_share,bits,p,same_traces"),
        ("values", "field,value,a,b,a_share,b_share,delta"),
        ("responses", "from_ns,to_ns,a,b"),
        ("time", "time_ns,a,b"),
    ):
        answer = client.get("/analytics.csv", query_string={"a": "fault", "table": table})
        rows = answer.text.splitlines()
        assert rows[0] == head
        assert len(rows) > 2


def test_an_expression_that_cannot_be_read_says_which(client: FlaskClient) -> None:
    for key in ("q", "a", "b"):
        answer = client.get("/analytics.json", query_string={"a": "ok", key: "fault AND ("})
        assert answer.status_code == 400
        assert answer.get_json()["error"]["column"] == 12
        page = client.get("/analytics", query_string={"a": "ok", key: "fault AND ("})
        assert page.status_code == 200
        assert page.text.count('role="alert"') == 1
    bad_window = client.get("/analytics.json?afrom=soon")
    assert bad_window.status_code == 400


def test_a_brush_over_response_times_is_written_into_the_expression(client: FlaskClient) -> None:
    sent = client.get("/analytics?a=fault&ramin=0.5&ramax=2")
    assert sent.status_code == 303
    again = client.get(
        "/analytics.json", query_string={"a": "responsetime >= 0.5", "ramin": "1", "ramax": "9"}
    )
    assert again.headers["Location"].endswith(
        urlencode({"a": "responsetime >= 1 AND responsetime <= 9"}).replace("+", "%20")
    )


def test_brushing_and_clicking_narrow_the_chosen_set(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/analytics")
    plot = page.locator(".chart[data-brush=ra] .plot").first
    box = plot.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.999, box["y"] + 40, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"a=responsetime"))
    assert "ramin" not in page.url
    expect(page.get_by_label("Expression of set A")).to_have_value(
        re.compile("responsetime >= .* AND responsetime <=")
    )
    expect(page.get_by_role("link", name="exception = GatewayTimeout")).to_be_visible()
    page.get_by_role("group", name="Clicks and brushes narrow set").get_by_role("link", name="B").click()
    page.wait_for_url(re.compile("side=b"))
    page.locator(".abv a", has_text="GET /products/{id}").first.click()
    page.wait_for_url(re.compile(r"b=operation"))
    expect(page.get_by_label("Expression of set B")).to_have_value('operation = "GET /products/{id}"')
    over_time = page.locator(".chart[data-brush=btime] .plot")
    over_time.scroll_into_view_if_needed()
    time = over_time.bounding_box()
    assert time
    page.mouse.move(time["x"] + 20, time["y"] + 30)
    page.mouse.down()
    page.mouse.move(time["x"] + 200, time["y"] + 30, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"bfrom=2026.*bto=2026"))
    expect(page.locator(".abx .chip")).to_be_visible()


def test_a_set_can_be_typed(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/analytics")
    page.get_by_label("Expression of set A").fill("outcome = fault")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("a=outcome"))
    expect(page.locator(".abx").first).to_contain_text("traces")
    page.get_by_role("link", name="Swap A and B").click()
    page.wait_for_url(re.compile("b=outcome"))


def test_traces_lead_to_the_comparison(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/traces?q=fault&dmin=1")
    page.get_by_role("link", name="Compare").click()
    page.wait_for_url(re.compile("/analytics"))
    expect(page.get_by_label("Expression of set A")).to_have_value("duration >= 1")


def test_names_from_telemetry_are_text(site: Site, open_page: MakePage) -> None:
    page = open_page()
    page.goto(
        f"{site.url}/analytics?" + urlencode({"from": "-2h", "a": f'service = "{EVIL}"', "by": "http.route"})
    )
    expect(page.locator("td", has_text=EVIL_OPERATION).first).to_be_visible()
    assert page.locator("main img").count() == 0


def test_it_can_be_read_without_a_script_and_on_a_phone(site: Site, open_page: MakePage) -> None:
    page = open_page(java_script_enabled=False, width=420, theme="dark")
    page.goto(f"{site.url}/analytics?a=fault")
    expect(page.locator(".abd tbody tr").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    page.locator(".abv tbody a").first.click()
    expect(page).to_have_url(re.compile("a=.*http.status|a=.*AND"))


def test_nothing_has_arrived(empty_site: Site, page: Page) -> None:
    page.goto(f"{empty_site.url}/analytics")
    expect(page.get_by_role("heading", name="No traces in this range")).to_be_visible()
