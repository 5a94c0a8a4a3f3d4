"""A running shop, a real browser, and pages that fail their test on any console error or policy violation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dashboard import create_app
from tests.pages import xray_shop
from tests.pages.running import Site, find_chromium, serving
from tests.pages.shop import Shop

CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE_MS = 30_000
"""How long a page may take on a busy machine before a test gives up; a quick one waits for nothing."""
WATCH_POLICY = """document.addEventListener('securitypolicyviolation', e =>
    console.error(`policy: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));"""

expect.set_options(timeout=20_000)  # a bound for a busy machine, not a measurement


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The shop, two hours of it, with one service whose name is a script."""
    with serving(Shop().requests()) as running:
        yield running


@pytest.fixture(scope="session")
def xray_site() -> Iterator[Site]:
    """The same shop, and one trace that came as X-Ray documents."""
    with serving([*Shop().requests(), *xray_shop.requests()]) as running:
        yield running


@pytest.fixture(scope="session")
def empty_site() -> Iterator[Site]:
    """Nothing has arrived yet."""
    with serving() as running:
        yield running


@pytest.fixture
def client(site: Site) -> FlaskClient:
    """A client with no cookies."""
    return create_app(site.web).test_client()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = find_chromium()
    if not path:
        pytest.skip("no Chromium on this machine: install chromium, or name it in RAYWATCH_CHROMIUM")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Makes pages: open_page(width=420, theme='dark', java_script_enabled=False); errors fail the test.

    expected: a part of the console errors that the test provokes on purpose.
    """
    problems: list[str] = []
    contexts = []

    def make(
        *, width: int = 1440, height: int = 900, theme: str = "light", expected: str = "", **options: Any
    ) -> Page:
        def heard(text: str) -> None:
            if not expected or expected not in text:
                problems.append(text)

        scheme = "dark" if theme == "dark" else "light"
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, **options
        )
        contexts.append(context)
        if options.get("java_script_enabled", True):
            context.add_init_script(WATCH_POLICY)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda m: heard(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: heard(str(error)))
        page.on("dialog", lambda dialog: (heard(f"dialog: {dialog.message}"), dialog.dismiss()))
        return page

    yield make
    for context in contexts:
        context.close()
    assert not problems


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """A wide page in the light theme."""
    return open_page()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
