"""Links of other consoles open here: by the script, without one, and with what is wrong said."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.pages.running import Site
from tests.pages.xray_shop import TRACE, XRAY

MakePage = Callable[..., Page]


@pytest.mark.parametrize("home", ["/xray/home", "/cloudwatch/home?region=eu-west-1"])
def test_a_trace_opens(xray_site: Site, page: Page, home: str) -> None:
    prefix = "/" if home.startswith("/xray") else "xray:"
    page.goto(f"{xray_site.url}{home}#{prefix}traces/{XRAY}")
    page.wait_for_url(re.compile(f"/traces/{TRACE}"))
    expect(page.locator("h1")).to_contain_text("front.example.com")


def test_a_filter_and_a_range_are_kept(site: Site, page: Page) -> None:
    page.goto(f'{site.url}/xray/home#/traces?filter=service("payments")%20%7B%20fault%20%7D&timeRange=PT2H')
    page.wait_for_url(re.compile(r"/traces\?"))
    expect(page.get_by_label("Filter traces")).to_have_value('service("payments") { fault }')
    assert "from=-7200s" in page.url or "from=-2h" in page.url


def test_the_map_of_cloudwatch_opens(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/cloudwatch/home#xray:service-map/map?~(context~(timeRange~(delta~3600000)))")
    page.wait_for_url(re.compile(r"/map"))
    expect(page.locator("h1")).to_have_text("Service map")


def test_a_link_that_leads_nowhere_says_why(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/xray/home#/teapots")
    expect(page.get_by_role("alert")).to_contain_text("There is no page for 'teapots'")


def test_without_a_script_a_link_is_pasted(xray_site: Site, open_page: MakePage) -> None:
    page = open_page(java_script_enabled=False, width=420)
    page.goto(f"{xray_site.url}/xray/home#/traces/{XRAY}")
    expect(page.locator("main")).to_contain_text("paste the link here")
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    page.get_by_label("Link or trace id").fill(f"https://x.example/xray/home#/traces/{XRAY}")
    page.get_by_role("button", name="Open").click()
    expect(page).to_have_url(re.compile(f"/traces/{TRACE}"))


def test_nothing_leads_off_this_site(site: Site) -> None:
    for link in ("//evil.example", "https://evil.example/", "#//evil.example/x", "#/traces/..%2f..%2fevil"):
        answer = site.client.get("/xray/home", query_string={"link": link})
        where = answer.headers.get("Location", "/")
        assert where.startswith("/")
        assert not where.startswith("//")
