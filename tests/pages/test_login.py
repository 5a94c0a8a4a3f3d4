"""The login page in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.pages.running import Site, serving
from tests.pages.shop import NOW


@pytest.fixture(scope="module")
def locked() -> Iterator[Site]:
    """A site that asks for a login."""
    with serving(required=True) as running:
        yield running


def test_a_person_logs_in_with_a_key_and_out_again(locked: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(expected="status of 401")
    secret, _ = locked.web.control.create_key("person", NOW)
    page.goto(f"{locked.url}/components?from=-3h")
    expect(page).to_have_url(re.compile("/login"))
    page.get_by_label("Token or API key").fill("wrong")
    with page.expect_response(lambda r: r.status == 401):
        page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("unknown, used or expired")
    page.get_by_label("Token or API key").fill(secret)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{locked.url}/components?from=-3h")
    page.goto(f"{locked.url}/more")
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(re.compile("/login"))


def test_the_printed_link_opens_the_pages(locked: Site, page: Page) -> None:
    page.goto(f"{locked.url}/login?token={locked.web.control.create_login_token(NOW)}")
    expect(page).to_have_url(f"{locked.url}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
