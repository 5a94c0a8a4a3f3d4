"""The shell in a browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.pages.running import Site


def test_components_page_draws_without_an_error(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/components")
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    expect(page.locator("h1")).to_have_text("Components and states")
