"""The shell in a browser: keyboard, palette, theme, time, filter bar, brush, refresh; and with no script."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.pages.running import Site

REFRESH = """import(document.querySelector('script[src$="/app.js"]').src.replace('app.js', 'nav.js'))
    .then(nav => nav.refresh())"""
UNNAMED = """[...document.querySelectorAll('button, a, input:not([type=hidden])')].filter(e =>
    e.offsetParent && !(e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length || e.title)
).length"""
MakePage = Callable[..., Page]


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def components(site: Site, page: Page, query: str = "") -> Page:
    page.goto(f"{site.url}/components{query}")
    expect(page.locator("html")).to_have_class(re.compile("has-js"))
    return page


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (420, "light"), (420, "dark")])
def test_pages_fit_their_screen_and_break_no_policy(
    site: Site, open_page: MakePage, width: int, theme: str
) -> None:
    page = components(site, open_page(width=width, theme=theme))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelector('#main').scrollWidth") <= width
    expect(page.locator("nav.tabbar")).to_be_visible(visible=width < 860)
    expect(page.locator("nav.nav")).to_be_visible(visible=width > 860)


def test_the_theme_is_switched_and_remembered(site: Site, page: Page) -> None:
    components(site, page)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Switch theme").click()
    assert page.evaluate(ground) == light


def test_plotly_follows_the_theme(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/components/charts")
    tick = page.locator(".js-plotly-plot .ytick text").first
    expect(tick).to_be_visible()
    before = tick.evaluate("t => getComputedStyle(t).fill")
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert (
        page.locator(".js-plotly-plot .ytick text").first.evaluate("t => getComputedStyle(t).fill") != before
    )


def test_the_help_lists_the_keys_and_closes(site: Site, page: Page) -> None:
    components(site, page)
    page.keyboard.press("?")
    box = page.get_by_role("dialog", name="Keyboard")
    expect(box).to_contain_text("Next row")
    expect(box).to_contain_text("Search or jump to")
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)


def test_rows_are_walked_by_keyboard(site: Site, page: Page) -> None:
    components(site, page)
    for key in "jjk":
        page.keyboard.press(key)
    expect(page.locator("tr.cur")).to_have_text(re.compile("service-1"))
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("sel=service-2"))


def test_keys_are_off_while_typing(site: Site, page: Page) -> None:
    components(site, page)
    page.keyboard.press("/")
    page.keyboard.type("tj?")
    expect(page.get_by_label("Filter traces")).to_have_value("tj?")
    expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Filter traces")).not_to_be_focused()


def test_letters_go_to_pages(site: Site, page: Page) -> None:
    components(site, page, "?from=-3h")
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url(f"{site.url}/?from=-3h")


def test_the_palette_finds_pages_services_ranges_and_traces(site: Site, page: Page) -> None:
    components(site, page)
    page.keyboard.press("Control+k")
    box = page.get_by_role("dialog", name="Command palette")
    find = box.get_by_role("combobox")
    expect(find).to_be_focused()
    find.fill("last 3h")
    expect(box.get_by_role("option").first).to_contain_text("Last 3 hours")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("from=-3h"))
    expect(box).to_have_count(0)
    page.keyboard.press("Control+k")
    find.fill("paym")
    expect(box.get_by_role("option", name="payments", exact=True)).to_be_visible()
    find.fill("1-6b0415eb-8c1d0b7e5f3a92d4c6e8b015")
    expect(box.get_by_role("option").first).to_have_text("Open trace 6b0415eb8c1d0b7e5f3a92d4c6e8b015")
    page.keyboard.press("Escape")
    expect(box).to_have_count(0)


def test_a_service_named_like_a_script_is_text_in_the_palette(site: Site, page: Page) -> None:
    components(site, page)
    page.get_by_role("button", name="Search or jump to").first.click()
    page.get_by_role("combobox", name="Search or jump to").fill("alert")
    expect(page.get_by_role("option", name="<script>alert(1)</script>")).to_be_visible()


def test_presets_are_links_and_keep_the_rest(site: Site, page: Page) -> None:
    components(site, page, "?q=fault")
    page.locator(".tp > summary").click()
    expect(page.get_by_role("dialog", name="Choose a time range")).to_be_visible()
    page.get_by_role("link", name="Last 15 minutes").click()
    page.wait_for_url(re.compile("from=-15m"))
    assert query(page) == {"q": "fault", "from": "-15m"}
    expect(page.locator(".tp > summary")).to_contain_text("Last 15 minutes")
    expect(page.get_by_role("dialog", name="Choose a time range")).to_be_hidden()


def test_typed_times_are_read_while_typing(site: Site, page: Page) -> None:
    components(site, page)
    page.locator(".tp > summary").click()
    start = page.get_by_label("From")
    expect(start).to_be_focused()
    start.fill("yesterday 14:00")
    expect(page.locator("[data-reading=from]")).to_have_text("22 Nov 2026 14:00:00, 20 h ago")
    start.fill("soon")
    expect(page.locator("[data-reading=from]")).to_contain_text("is no time")
    start.fill("10:12")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(re.compile("from=10:12|from=10%3A12"))
    expect(page.locator(".tp > summary")).to_contain_text("10:12 – 10:42")  # noqa: RUF001


def test_the_zone_is_the_browsers_when_asked(site: Site, open_page: MakePage) -> None:
    page = components(site, open_page(timezone_id="Asia/Tokyo"))
    page.locator(".tp > summary").click()
    page.get_by_text("Local", exact=True).click()
    expect(page.locator("[data-reading=to]")).to_contain_text("19:42:00")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(re.compile("tz=Asia"))
    expect(page.locator(".tp > summary")).to_contain_text("18:42 – 19:42 JST")  # noqa: RUF001
    page.goto(f"{site.url}/components")
    expect(page.locator(".tp > summary")).to_contain_text("19:42 JST")
    expect(page.locator(".stale")).to_have_count(0)


def test_brackets_shift_and_z_zooms(site: Site, page: Page) -> None:
    components(site, page)
    page.keyboard.press("[")
    page.wait_for_url(re.compile("from=2026-11-23T08:42:00Z"))
    page.keyboard.press("]")
    page.wait_for_url(re.compile("from=2026-11-23T09:42:00Z"))
    page.go_back()
    page.wait_for_url(re.compile("from=2026-11-23T08:42:00Z"))
    expect(page.locator(".tp > summary")).to_contain_text("08:42 – 09:42")  # noqa: RUF001
    page.goto(f"{site.url}/components")
    page.keyboard.press("z")
    page.wait_for_url(re.compile("from=-2h"))


def test_the_permalink_is_absolute(site: Site, open_page: MakePage) -> None:
    page = components(site, open_page(permissions=["clipboard-read", "clipboard-write"]), "?q=fault")
    page.keyboard.press("c")
    expect(page.get_by_text("Link copied.")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert parse_qs(urlsplit(copied).query) == {
        "q": ["fault"],
        "from": ["2026-11-23T09:42:00Z"],
        "to": ["2026-11-23T10:42:00Z"],
        "tz": ["UTC"],
    }
    page.get_by_role("button", name="Copy", exact=True).first.click()
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in page.evaluate("navigator.clipboard.readText()")


def test_the_filter_is_coloured_and_runs_on_enter(site: Site, page: Page) -> None:
    components(site, page)
    bar = page.get_by_label("Filter traces")
    bar.fill('service("payments") AND http.status >= 500')
    expect(page.locator(".ex .tk-fn")).to_have_text("service")
    expect(page.locator(".ex .tk-s")).to_have_text('"payments"')
    expect(page.locator(".ex .tk-kw")).to_have_text("AND")
    expect(page.locator(".ex .tk-n")).to_have_text("500")
    bar.press("Enter")
    page.wait_for_url(re.compile("q=service"))
    assert query(page)["q"] == 'service("payments") AND http.status >= 500'


def test_an_error_is_shown_at_its_place_and_the_results_stay(site: Site, page: Page) -> None:
    components(site, page)
    rows = page.locator("[data-rows] tbody tr, .tbl tbody tr").count()
    bar = page.get_by_label("Filter traces")
    bar.fill("http.status > > 500")
    bar.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Column 15")
    expect(page.locator(".ex .sq-u")).to_have_text(">")
    expect(page.locator("#main")).to_have_class(re.compile("old"))
    assert page.locator("[data-rows] tbody tr, .tbl tbody tr").count() == rows
    bar.fill("http.status > 500")
    expect(page.locator(".ex .sq-u")).to_have_count(0)
    bar.press("Enter")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator("#main")).not_to_have_class(re.compile("old"))


def test_completion_offers_accepts_and_closes(site: Site, page: Page) -> None:
    components(site, page)
    bar = page.get_by_label("Filter traces")
    options = page.get_by_role("listbox").get_by_role("option")
    bar.press_sequentially("respo")
    expect(options.first).to_contain_text("responsetime")
    expect(bar).to_have_attribute("aria-expanded", "true")
    bar.press("Tab")
    expect(bar).to_have_value(re.compile("^responsetime ?$"))
    expect(bar).to_be_focused()
    bar.fill('service("pay')
    bar.press("Control+Space")
    expect(options.first).to_contain_text("payments")
    options.first.click()
    expect(bar).to_have_value(re.compile(r'^service\("payments"'))
    bar.fill("faul")
    bar.press("Control+Space")
    expect(options.first).to_be_visible()
    bar.press("ArrowDown")
    bar.press("Escape")
    expect(options).to_have_count(0)
    expect(bar).to_have_value("faul")
    expect(bar).to_be_focused()
    bar.press("Escape")
    expect(bar).not_to_be_focused()


def test_facets_edit_the_expression(site: Site, page: Page) -> None:
    components(site, page)
    page.get_by_role("checkbox", name=re.compile("service-2")).click()
    page.wait_for_url(re.compile("q="))
    assert query(page)["q"] == 'service = "service-2"'
    expect(page.get_by_role("checkbox", name=re.compile("service-2"))).to_have_attribute(
        "aria-checked", "true"
    )
    page.get_by_role("checkbox", name=re.compile("Fault")).press("Space")
    expect(page.get_by_label("Filter traces")).to_have_value('service = "service-2" AND outcome = "fault"')
    page.get_by_role("checkbox", name=re.compile("service-3")).click(modifiers=["Alt"])
    expect(page.get_by_label("Filter traces")).to_have_value('service = "service-3" AND outcome = "fault"')
    page.get_by_text("10 more").click()
    page.get_by_label("Find in Service").fill("14")
    expect(page.locator(".fmore .fv:visible")).to_have_count(1)


def drag(page: Page, plot: Locator, start: float, end: float) -> None:
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (start + end) / 2, y, steps=3)
    page.mouse.move(box["x"] + box["width"] * end, y, steps=3)
    page.mouse.up()


def test_dragging_over_a_chart_sets_the_range(site: Site, page: Page) -> None:
    components(site, page)
    drag(page, page.locator(".chart.brushed .plot").first, 0.501, 0.749)
    page.wait_for_url(re.compile("from=2026"))
    assert query(page) == {"from": "2026-11-23T10:12:00Z", "to": "2026-11-23T10:27:00Z"}


def test_dragging_over_plotly_sets_the_range(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/components/charts")
    layer = page.locator(".js-plotly-plot .nsewdrag").first
    expect(layer).to_be_visible()
    drag(page, layer, 0.5, 0.75)
    page.wait_for_url(re.compile("from=2026"))
    assert query(page)["from"].startswith("2026-11-23T10:1")
    assert query(page)["to"].startswith("2026-11-23T10:2")


def test_a_chart_is_read_and_brushed_by_keyboard(site: Site, page: Page) -> None:
    components(site, page)
    chart = page.locator(".chart.brushed").first
    chart.focus()
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowRight"):
        chart.press(key)
    expect(page.locator(".rd")).to_contain_text("09:44:00")
    chart.press("Enter")
    page.wait_for_url(re.compile("from=2026"))
    assert query(page) == {"from": "2026-11-23T09:43:00Z", "to": "2026-11-23T09:45:00Z"}


def test_the_value_under_the_pointer_is_shown(site: Site, page: Page) -> None:
    components(site, page)
    page.locator(".chart.brushed .plot").first.hover(position={"x": 5, "y": 60})
    expect(page.locator(".rd")).to_contain_text("09:42:00")


def test_a_refresh_keeps_what_the_person_was_doing(site: Site, page: Page) -> None:
    components(site, page)
    page.get_by_label("Filter traces").fill("half a thought")
    page.locator("#many").evaluate("box => { box.scrollTop = 26000; }")
    page.locator("tbody tr").first.evaluate("row => { row.marked = true; }")
    page.evaluate("document.querySelector('#main').scrollTop = 40")
    with page.expect_response(re.compile("/components")):
        page.evaluate(REFRESH)
    expect(page.locator("#main")).not_to_have_class(re.compile("busy"))
    expect(page.get_by_label("Filter traces")).to_have_value("half a thought")
    assert page.locator("tbody tr").first.evaluate("row => row.marked") is True
    assert page.evaluate("document.querySelector('#main').scrollTop") == 40
    assert page.locator("#many").evaluate("box => box.scrollTop") == 26000


def test_auto_refresh_asks_again(site: Site, page: Page) -> None:
    components(site, page)
    page.locator(".tp > summary").click()
    page.get_by_role("button", name="5 s", exact=True).click()
    expect(page.get_by_role("button", name="5 s", exact=True)).to_have_attribute("aria-pressed", "true")
    with page.expect_response(re.compile("/components")):
        page.keyboard.press("Escape")


def test_ten_thousand_rows_are_a_few_elements(site: Site, page: Page) -> None:
    components(site, page)
    box = page.locator("#many")
    expect(box.locator(".vs-row").first).to_have_text("Row 1 of 12000")
    assert box.locator(".vs-row").count() < 40
    assert box.evaluate("b => b.scrollHeight") >= 12_000 * 26 + 1200 * 26
    box.evaluate("b => { b.scrollTop = b.scrollHeight; }")
    expect(box.get_by_text("Row 12000 of 12000")).to_be_visible()
    assert box.locator(".vs-row").count() < 40
    box.evaluate("b => b.rows.scrollTo(6000)")
    expect(box.get_by_text("Row 6001 of 12000")).to_be_visible()
    tops = box.evaluate("""b => [...b.querySelectorAll('.vs-row')].map(r =>
        [+r.getAttribute('aria-rowindex'), r.getBoundingClientRect().top]).sort((x, y) => x[0] - y[0])""")
    gaps = {(row, round(below - top)) for (row, top), (_, below) in pairwise(tops)}
    assert {gap for row, gap in gaps if (row - 1) % 10 != 3} == {26}
    assert {gap for row, gap in gaps if (row - 1) % 10 == 3} == {52}


def test_tabs_walk_with_arrows(site: Site, page: Page) -> None:
    components(site, page)
    page.get_by_role("tab", name="Overview").press("ArrowRight")
    page.wait_for_url(re.compile("tab=two"))
    expect(page.get_by_role("tab", name="Logs")).to_have_attribute("aria-selected", "true")


def test_columns_sort_through_the_url(site: Site, page: Page) -> None:
    components(site, page)
    for url, state in (("sort=-name", "descending"), ("sort=name", "ascending")):
        page.locator("th", has_text="Service").get_by_role("link").click()
        page.wait_for_url(re.compile(url))
        expect(page.locator("th", has_text="Service")).to_have_attribute("aria-sort", state)


def test_without_a_script_it_is_links_forms_and_tables(site: Site, open_page: MakePage) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"{site.url}/components?from=-3h")
    expect(page.locator("table").first).to_contain_text("service-12")
    assert page.locator(".js:visible").count() == 0
    page.locator(".tp > summary").click()
    page.get_by_label("From").fill("10:12")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".tp > summary")).to_contain_text("10:12 – 10:42")  # noqa: RUF001
    page.get_by_label("Filter traces").fill("fault")
    page.get_by_label("Filter traces").press("Enter")
    assert query(page)["q"] == "fault"
    assert query(page)["from"] == "2026-11-23T10:12:00Z"


def test_a_link_skips_to_the_content(site: Site, page: Page) -> None:
    components(site, page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_landmarks_and_one_heading(site: Site, page: Page) -> None:
    components(site, page)
    assert page.locator("h1").count() == 1
    for role in ("main", "navigation", "banner"):
        assert page.get_by_role(role).count() >= 1 or role == "banner"
    assert page.evaluate(UNNAMED) == 0


def test_a_narrow_screen_has_its_filters_in_a_sheet(site: Site, open_page: MakePage) -> None:
    page = components(site, open_page(width=420))
    expect(page.locator(".facets")).to_be_hidden()
    page.get_by_role("button", name="Filters · 2").click()
    expect(page.locator(".facets")).to_be_visible()
