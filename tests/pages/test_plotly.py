"""Plotly under the strict policy: it draws, names are letters, and its own style rules are in our sheet."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Browser, Page, expect

from dashboard import assets
from tests.pages.running import Site

NAMES = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "<b>bold</b> %{y} $x^2$"]
RULES = """() => [...document.querySelectorAll('style')].filter(s => s.id === 'plotly.js-style-global')
    .flatMap(s => [...s.sheet.cssRules]).map(r => r.cssText)"""
LEFT_OUT = re.compile(r"modebar|cloud-dialog|data-title")


def test_figures_are_drawn_in_both_themes_and_widths(site: Site, open_page: Callable[..., Page]) -> None:
    for width, theme in ((1440, "light"), (420, "dark")):
        page = open_page(width=width, theme=theme)
        page.goto(f"{site.url}/components/charts")
        expect(page.locator(".js-plotly-plot")).to_have_count(2)
        expect(page.locator(".scatterlayer .js-line")).to_have_count(3)
        expect(page.locator(".scatterlayer .point").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_names_from_telemetry_are_letters_under_the_pointer(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/components/charts")
    layer = page.locator(".js-plotly-plot .nsewdrag").first
    expect(layer).to_be_visible()
    layer.hover(position={"x": 300, "y": 60})
    label = page.locator(".hoverlayer").first
    for name in NAMES:
        expect(label).to_contain_text(name)
    assert page.locator(".hoverlayer img, .hoverlayer script, .hoverlayer a").count() == 0


def test_a_click_on_a_point_opens_it(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/components/charts")
    layer = page.locator(".js-plotly-plot .nsewdrag").nth(1)
    expect(layer).to_be_visible()
    point = page.locator(".js-plotly-plot").nth(1).locator(".scatterlayer .point").nth(20)
    box = point.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(".js-plotly-plot").nth(1).locator(".hovertext")).to_be_visible()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_url(re.compile("sel=dot-"))


def test_our_sheet_has_the_rules_of_the_installed_plotly(browser: Browser) -> None:
    """Without the placeholder Plotly writes its rules into the page; ours must be the same."""
    context = browser.new_context()
    page = context.new_page()
    page.set_content("<div id='x'></div>")
    page.add_script_tag(content=assets._plotly_script().decode())
    page.evaluate("Plotly.newPlot('x', [{y: [1, 2]}])")
    theirs = [rule for rule in page.evaluate(RULES) if not LEFT_OUT.search(rule)]
    assert len(theirs) > 20
    page.add_style_tag(path=str(assets.FOLDER / "plotly.css"))
    ours = page.evaluate("[...[...document.styleSheets].at(-1).cssRules].map(r => r.cssText)")
    context.close()
    assert sorted(ours) == sorted(theirs)


def test_placeholders_stand_for_every_style_element_plotly_would_add(site: Site, page: Page) -> None:
    assert assets.plotly_style_ids()
    page.goto(f"{site.url}/components/charts")
    expect(page.locator(".js-plotly-plot").first).to_be_visible()
    assert page.locator("style").count() == 0
