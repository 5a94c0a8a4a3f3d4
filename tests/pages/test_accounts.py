"""Telemetry of another account and region: on no page by itself, and on all of them when asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from inspect import signature

import pytest
from playwright.sync_api import Page, expect

from collector.storage import Store
from dashboard.tenants import TenantStore
from tests.pages.running import Site, serving
from tests.pages.shop import NOW, Shop

OTHER = "210987654321/eu-west-1"


@pytest.fixture(scope="module")
def both() -> Iterator[Site]:
    """A short shop of the default pair; another one's was sent to the second pair."""
    with serving() as running:
        tenant = running.web.control.tenant_id(*OTHER.split("/"))
        for request in Shop(minutes=20, broken=0, now_ns=NOW).requests(evil=False):
            running.send(replace(request, tenant=tenant))
        running.web.store.settle(remote=True)
        yield running


def test_another_pair_is_shown_only_when_it_is_asked_for(both: Site) -> None:
    def total(query: str) -> int:
        found: int = both.client.get(f"/traces.json?{query}").get_json()["traces"]["total"]
        return found

    assert total("") == 0
    assert total(f"account={OTHER}") > 0
    assert total("account=999999999999/eu-west-1") == 0
    for length in ("-1h", "-12h"):  # read minute by minute, and added up
        for query, there in (
            ("", False),
            (f"account={OTHER}", True),
            ("account=999999999999/eu-west-1", False),
        ):
            asked = f"from={length}&{query}"
            graph = both.client.get(f"/map.json?{asked}").get_json()["graph"]
            assert ("payments" in {node["name"] for node in graph["nodes"]}) is there
            found = both.client.get(f"/overview.json?{asked}").get_json()
            assert ("payments" in {row["service"] for row in found["overview"]["services"]}) is there
    assert "storefront" not in both.client.get("/logs.json").text
    assert "storefront" in both.client.get(f"/logs.json?account={OTHER}").text


def test_the_navigation_offers_the_pairs_and_links_keep_the_choice(
    both: Site, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    page.goto(f"{both.url}/traces")
    page.locator(".nav .foot summary").click()
    page.locator(".nav .foot").get_by_role("link", name="210987654321").click()
    expect(page.locator(".listbar b")).not_to_have_text("0 traces")
    page.get_by_role("link", name="Service map").first.click()
    expect(page).to_have_url(re.compile(r"/map\?account=210987654321/eu-west-1"))
    expect(page.locator(".nav .foot summary")).to_have_text("210987654321 · eu-west-1")


def test_one_pair_alone_offers_no_choice(site: Site) -> None:
    assert "123456789012" not in site.client.get("/map").text


def test_whatever_the_store_is_asked_about_a_tenant_is_asked_about_the_one_that_is_shown() -> None:
    asked = {
        name
        for name, method in vars(Store).items()
        if callable(method) and "tenant" in signature(method).parameters
    }
    assert asked == {"summed"}
    assert asked | {"read"} <= vars(TenantStore).keys()
