"""The pages of insights: the list by state, one insight as sentence, chart, path and events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from alarms.insights_job import InsightsJob
from collector.receivers.server import HttpServer
from collector.storage.control import Control
from collector.storage.control_insights import Insights
from collector.storage.control_xray import Group, Groups
from dashboard import Web, create_app
from tests.pages.running import Site
from tests.pages.shop import EVIL, MINUTE, NOW

MakePage = Callable[..., Page]


@dataclass(frozen=True)
class Found:
    web: Web
    client: FlaskClient
    url: str
    insight: str


@pytest.fixture(scope="module")
def found(site: Site) -> Iterator[Found]:
    """Insights of all traces and of a group, as the job found them."""
    with closing(Control(":memory:")) as control:
        control.start()
        groups = Groups(control)
        default = groups.get("Default")
        assert default is not None
        groups.put(replace(default, insights=True), NOW)
        groups.create(Group(0, "checkout", "", 'operation = "POST /checkout"', insights=True), NOW, most=25)
        InsightsJob(site.web.store, control).run(NOW)
        web = replace(site.web, control=control)
        app = create_app(web)
        with closing(HttpServer(app, [("127.0.0.1", 0)])) as server:
            server.start()
            (one,) = Insights(control).find(group="Default")
            yield Found(web, app.test_client(), f"http://127.0.0.1:{server.port}", one.id)


def test_the_list_says_what_happens(found: Found) -> None:
    rows = found.client.get("/xray-insights.json").json["insights"]
    assert {row["group"] for row in rows} == {"Default", "checkout"}
    assert all(row["state"] == "ACTIVE" for row in rows)
    assert all("card-gateway.example is failing" in row["text"] for row in rows)
    lines = found.client.get("/xray-insights.csv").text.splitlines()
    assert lines[0].startswith("id,state,group,service")
    assert len(lines) == 3
    assert found.client.get("/xray-insights.json?group=checkout").json["insights"][0]["group"] == "checkout"
    assert found.client.get("/xray-insights.json?state=CLOSED").json["insights"] == []
    assert "No insight of this state" in found.client.get("/xray-insights?state=CLOSED").text


def test_a_range_without_any_says_where_there_are_some(found: Found) -> None:
    page = found.client.get("/xray-insights?from=-3h&to=-2h").text
    assert "Nothing fails more than usual" in page
    assert "2 insights at other times" in page


def test_while_it_is_off_the_page_offers_to_turn_it_on(site: Site) -> None:
    with closing(Control(":memory:")) as control:
        control.start()
        client = create_app(replace(site.web, control=control)).test_client()
        page = client.get("/xray-insights").text
        csrf = re.search(r'name="csrf" value="(\w+)"', page)
        assert csrf is not None
        on = client.post(
            "/groups/Default/insights", data={"csrf": csrf[1], "insights": "on", "to": "insights"}
        )
        assert on.headers["Location"] == "/xray-insights?done=on"
        page = client.get("/xray-insights").text
        assert "learning what is usual" in page


def test_one_insight_with_everything_that_is_known_of_it(found: Found) -> None:
    told = found.client.get(f"/xray-insights/{found.insight}.json").json
    assert told["insight"]["service"] == "card-gateway.example"
    assert told["events"][0]["kind"] == "opened"
    assert [a["name"] for a in told["affected"] if a["root"]] == ["card-gateway.example"]
    assert {n["name"] for n in told["graph"]["nodes"]} == {
        "storefront", "checkout", "payments", "card-gateway.example",
    }  # fmt: skip
    late = told["course"][-1]
    assert late["counts"]["faults"] / late["counts"]["requests"] > late["high"]
    early = next(p for p in told["course"] if p["high"] is not None)
    assert early["low"] <= 0 <= early["high"] < 0.1
    table = found.client.get(f"/xray-insights/{found.insight}.csv?table=course").text
    assert table.splitlines()[0] == "start_ns,end_ns,requests,faults,usual_low,usual_high"
    page = found.client.get(f"/xray-insights/{found.insight}").text
    assert "card-gateway.example is failing" in page
    assert EVIL not in page


def test_the_links_lead_to_failing_traces_of_that_time(found: Found) -> None:
    told = found.client.get(f"/xray-insights/{found.insight}.json").json
    for each in told["affected"]:
        path, _, query = each["traces"].partition("?")
        traces = found.client.get(f"{path}.json?{query}").json["traces"]
        assert traces["total"] > 0
        assert all(t["start_ns"] >= told["insight"]["start_ns"] for t in traces["traces"])
        assert all(t["faults"] for t in traces["traces"])


def test_what_is_not_there_is_404(found: Found) -> None:
    missing = found.client.get("/xray-insights/00000000-0000-4000-8000-000000000000")
    assert missing.status_code == 404
    assert "kept for 30 days" in missing.text


def test_an_insight_that_is_over_says_until_when(site: Site) -> None:
    with closing(Control(":memory:")) as control:
        control.start()
        groups = Groups(control)
        default = groups.get("Default")
        assert default is not None
        groups.put(replace(default, insights=True), NOW)
        job = InsightsJob(site.web.store, control)
        job.run(NOW)
        job.run(NOW + 30 * MINUTE)
        later = replace(site.web, control=control, clock=lambda: NOW + 30 * MINUTE)
        client = create_app(later).test_client()
        (row,) = client.get("/xray-insights.json").json["insights"]
        assert row["state"] == "CLOSED"
        assert "failed" in row["text"]
        page = client.get(f"/xray-insights/{row['id']}").text
        assert "Everything is well again." in page
        assert "until 10:4" in page


# -- in the browser


def test_from_the_list_to_the_cause_to_its_traces(found: Found, page: Page) -> None:
    page.goto(f"{found.url}/xray-insights?group=Default")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(found.insight))
    expect(page.get_by_role("region", name="Summary")).to_contain_text("card-gateway.example is failing")
    expect(page.locator(".map.wide .node[data-name='card-gateway.example']")).to_be_visible()
    expect(page.locator(".map.wide .node.dim")).to_have_count(0)
    expect(page.locator(".chart rect.usual").first).to_be_attached()
    page.get_by_role("link", name="Failing traces").click()
    page.wait_for_url(re.compile("/traces"))
    expect(page.locator("tbody tr").first).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_read_on_a_phone_without_a_script(found: Found, open_page: MakePage, theme: str) -> None:
    page = open_page(java_script_enabled=False, width=420, theme=theme)
    page.goto(f"{found.url}/xray-insights/{found.insight}")
    expect(page.locator(".map.narrow .node").first).to_be_visible()
    page.locator(".astable summary").click()
    expect(page.locator(".astable td").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
