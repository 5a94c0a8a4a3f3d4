"""Telemetry of another account and region: on no page by itself, and on all of them when asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

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
    graph = both.client.get(f"/map.json?account={OTHER}").get_json()["graph"]
    assert {"storefront", "payments"} <= {node["name"] for node in graph["nodes"]}
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
