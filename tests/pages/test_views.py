"""Saved views: a page's URL under a name, found again by Ctrl K."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from dashboard import create_app
from tests.pages.running import Site, serving


@pytest.fixture
def own() -> Iterator[Site]:
    """A site whose views are this test's."""
    with serving() as running:
        yield running


def send(client: FlaskClient, path: str, **values: str) -> tuple[int, str]:
    csrf = re.search(r'name="csrf" content="(\w+)"', client.get("/components").text)
    assert csrf is not None
    response = client.post(path, data={"csrf": csrf[1], **values})
    return response.status_code, response.headers.get("Location", "")


def test_a_view_is_saved_listed_replaced_and_deleted(own: Site) -> None:
    client = create_app(own.web).test_client()
    query = "from=-3h&q=service%28%22a%22%29&sel=x&cursor=y"
    assert send(client, "/views", page="traces", name="  slow  ones ", query=query) == (
        303, "/traces?from=-3h&q=service%28%22a%22%29",
    )  # fmt: skip
    send(client, "/views", page="traces", name="slow ones", query="from=-1d")
    listed = client.get("/views.json").get_json()["views"]
    assert [(v["name"], v["href"]) for v in listed] == [("slow ones", "/traces?from=-1d")]
    assert client.get("/api/names").get_json()["views"][0]["href"] == "/traces?from=-1d"
    assert send(client, f"/views/{listed[0]['id']}/delete") == (303, "/views")
    assert client.get("/views.json").get_json()["views"] == []


@pytest.mark.parametrize(
    ("page", "name"),
    [("traces", ""), ("traces", "x" * 81), ("../x", "a"), ("//evil.example", "a"), ("", "a")],
)
def test_a_view_has_a_page_and_a_name(own: Site, page: str, name: str) -> None:
    assert send(create_app(own.web).test_client(), "/views", page=page, name=name, query="")[0] == 400


def test_nobody_else_can_save(own: Site) -> None:
    client = create_app(own.web).test_client()
    assert client.post("/views", data={"page": "traces", "name": "a", "query": ""}).status_code == 403


def test_saved_in_the_page_and_opened_from_the_palette(own: Site, page: Page) -> None:
    page.goto(f"{own.url}/components?q=fault&from=-3h")
    page.locator(".savev > summary").click()
    page.get_by_label("Name").fill("<b>broken</b> things")
    with page.expect_navigation():
        page.locator(".savev").get_by_role("button", name="Save").click()
    page.goto(f"{own.url}/components")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search or jump to").fill("broken")
    page.get_by_role("option", name="<b>broken</b> things").click()
    page.wait_for_url(re.compile("q=fault&from=-3h|from=-3h&q=fault"))
    page.goto(f"{own.url}/views")
    page.get_by_role("button", name="Delete <b>broken</b> things").click()
    expect(page.get_by_role("heading", name="No saved views")).to_be_visible()
