"""The page of groups: figures, making and changing them, errors with their place, insights on and off."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from werkzeug.test import TestResponse

from collector.query.model_traces import TraceSelection
from collector.query.traces import count_traces
from collector.receivers.server import HttpServer
from collector.storage.control import Control
from collector.storage.control_xray import Group, Groups, Tags
from dashboard import Web, create_app
from tests.pages.running import Site
from tests.pages.shop import MINUTE, NOW

MakePage = Callable[..., Page]
CHECKOUT = 'operation = "POST /checkout"'


@pytest.fixture
def web(site: Site) -> Iterator[Web]:
    """The shop with groups of its own."""
    with closing(Control(":memory:")) as control:
        control.start()
        yield replace(site.web, control=control)


@pytest.fixture
def visitor(web: Web) -> FlaskClient:
    return create_app(web).test_client()


@pytest.fixture
def url(web: Web) -> Iterator[str]:
    with closing(HttpServer(create_app(web), [("127.0.0.1", 0)])) as server:
        server.start()
        yield f"http://127.0.0.1:{server.port}"


def send(client: FlaskClient, path: str, **form: str) -> TestResponse:
    """As the page's own form sends it."""
    found = re.search(r'name="csrf" value="(\w+)"', client.get("/groups").text)
    assert found is not None
    return client.post(path, data={"csrf": found[1], **form})


def make(web: Web, name: str = "checkout", expression: str = CHECKOUT) -> Group:
    return Groups(web.control).create(Group(0, name, "", expression), NOW, most=25)


def test_the_figures_are_those_of_exactly_the_traces_that_match(visitor: FlaskClient, web: Web) -> None:
    make(web)
    default, checkout = visitor.get("/groups.json").json["groups"]
    assert (default["name"], checkout["name"]) == ("Default", "checkout")
    for row in (default, checkout):
        selection = TraceSelection(NOW - 60 * MINUTE, NOW, filter=row["expression"])
        assert row["figures"]["counts"]["total"] == count_traces(web.store, selection) > 0
        assert sum(row["figures"]["traces"]) == row["figures"]["counts"]["total"]
    assert checkout["figures"]["counts"]["fault"] > 0
    assert checkout["arn"].startswith("arn:aws:xray:us-east-1:123456789012:group/checkout/")
    lines = visitor.get("/groups.csv").text.splitlines()
    assert lines[0].startswith("group,expression,traces,faults")
    assert len(lines) == 3


def test_a_group_is_made_changed_and_deleted(visitor: FlaskClient, web: Web) -> None:
    done = send(visitor, "/groups", name="checkout", q=CHECKOUT, do="save")
    assert done.headers["Location"] == "/groups?sel=checkout&done=made"
    assert "The group is made." in visitor.get(done.headers["Location"]).text
    again = send(
        visitor, "/groups", name="checkout", editing="1", q="fault", insights="on", notifications="on"
    )
    assert again.headers["Location"] == "/groups?sel=checkout&done=learning"
    group = Groups(web.control).get("checkout")
    assert group is not None
    assert (group.filter, group.insights, group.notifications) == ("fault", True, True)
    Tags(web.control).put(group.arn(web.control.find_tenants()[0]), {"team": "pay"}, most=50)
    assert "<dd>pay</dd>" in visitor.get("/groups?sel=checkout").text
    assert send(visitor, "/groups/checkout/delete").headers["Location"] == "/groups?done=deleted"
    assert Groups(web.control).get("checkout") is None
    assert Tags(web.control).find(group.arn(web.control.find_tenants()[0])) == []


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"name": "with space", "q": ""}, "letters, digits and dashes"),
        ({"name": "", "q": "fault"}, "letters, digits and dashes"),
        ({"name": "x" * 33, "q": "fault"}, "letters, digits and dashes"),
        ({"name": "Default", "q": "fault"}, "cannot be made"),
        ({"name": "taken", "q": "fault"}, "There is a group named taken already"),
        ({"name": "loop", "q": 'group.name = "loop"'}, "cannot ask for groups"),
        ({"name": "bad", "q": 'service("payments" AND'}, "Column 20"),
    ],
)
def test_what_cannot_be_saved_says_why_and_keeps_what_was_typed(
    visitor: FlaskClient, web: Web, form: dict[str, str], said: str
) -> None:
    make(web, "taken")
    answer = send(visitor, "/groups", do="save", **form)
    assert answer.status_code == 400
    assert said in answer.text
    assert 'role="alert"' in answer.text
    if form["q"].startswith("service"):
        assert "service(&#34;payments&#34; AND" in answer.text
        assert 'data-column="20"' in answer.text
    assert [group.name for group in Groups(web.control).find()] == ["Default", "taken"]


def test_default_is_neither_narrowed_nor_deleted(visitor: FlaskClient) -> None:
    narrowed = send(visitor, "/groups", name="Default", editing="1", q="fault")
    assert narrowed.status_code == 400
    assert "has no expression" in narrowed.text
    assert send(visitor, "/groups/Default/delete").status_code == 400
    assert send(visitor, "/groups/nothing/delete").status_code == 404
    assert send(visitor, "/groups/nothing/insights", insights="on").status_code == 404
    assert visitor.post("/groups", data={"name": "a", "q": ""}).status_code == 403, "without the form's token"


def test_counting_saves_nothing(visitor: FlaskClient, web: Web) -> None:
    answer = send(visitor, "/groups", name="checkout", q=CHECKOUT, do="try")
    count = count_traces(web.store, TraceSelection(NOW - 60 * MINUTE, NOW, filter=CHECKOUT))
    assert f"{count} traces match" in answer.text
    assert Groups(web.control).get("checkout") is None


def test_insights_are_turned_on_and_off(visitor: FlaskClient, web: Web) -> None:
    send(visitor, "/groups/Default/insights", insights="on")
    assert [group.name for group in Groups(web.control).watched()] == ["Default"]
    send(visitor, "/groups/Default/insights", insights="off")
    assert Groups(web.control).watched() == []


def test_an_expression_that_cannot_be_read_any_more_says_so_in_its_row(
    visitor: FlaskClient, web: Web
) -> None:
    make(web, "old", 'service("')
    page = visitor.get("/groups?sel=old")
    assert page.status_code == 200
    row = next(g for g in visitor.get("/groups.json").json["groups"] if g["name"] == "old")
    assert row["figures"] is None
    assert row["problem"].startswith("Column ")


def test_all_groups_share_one_deadline(site: Site, web: Web) -> None:
    make(web)
    client = create_app(replace(web, settings=replace(web.settings, deadline=0.0))).test_client()
    page = client.get("/groups?sel=checkout")
    assert page.status_code == 200
    assert "Choose a shorter range" in page.text
    assert client.get("/groups.json").json["groups"][0]["figures"] is None


# -- in the browser


def test_a_group_is_made_with_completion_and_an_error_that_is_put_right(
    url: str, open_page: MakePage
) -> None:
    page = open_page(expected="400")
    page.goto(f"{url}/groups")
    page.fill("#grpname", "failing")
    page.click("input[name=q]")
    page.keyboard.type("fau")
    expect(page.get_by_role("option").first).to_contain_text("fault")
    page.keyboard.press("Tab")
    expect(page.locator("input[name=q]")).to_have_value(re.compile("^fault"))
    page.fill("input[name=q]", 'service("payments" AND fault')
    page.get_by_role("button", name="Create group").click()
    expect(page.get_by_role("alert")).to_contain_text("Column 20")
    expect(page.locator(".sq-u")).to_have_text("AND")
    page.fill("input[name=q]", 'service("payments") AND fault')
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("sel=failing"))
    expect(page.get_by_role("complementary", name="failing")).to_contain_text("100%")
    page.keyboard.press("Escape")
    expect(page.locator(".side.panel")).to_have_count(0)


def test_the_list_is_walked_with_the_keyboard_and_leads_to_the_traces(url: str, web: Web, page: Page) -> None:
    make(web)
    page.goto(f"{url}/groups")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("sel=checkout"))
    page.get_by_role("complementary").get_by_role("link", name="Traces").click()
    page.wait_for_url(re.compile(r"/traces\?q="))
    expect(page.locator(".expr input")).to_have_value(CHECKOUT)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_works_without_a_script_and_on_a_phone(
    url: str, web: Web, open_page: MakePage, theme: str
) -> None:
    make(web)
    page = open_page(java_script_enabled=False, width=420, theme=theme)
    page.goto(f"{url}/groups?sel=checkout")
    expect(page.get_by_role("complementary", name="checkout")).to_be_visible()
    page.get_by_label("Insights", exact=True).check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("learn for an hour")
    page.get_by_text("Delete the group").click()
    page.get_by_role("button", name="Delete checkout").click()
    expect(page.get_by_role("status").first).to_contain_text("deleted")
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
