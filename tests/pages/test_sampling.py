"""The page of sampling rules: rules and clients, the replay, forms with and without a script."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from collector.sampling.rules import Boost, Rule
from collector.sampling.service import Statistics
from collector.sampling.statistics import Kept
from dashboard import create_app
from tests.pages.running import Site
from tests.pages.shop import EVIL, NOW

MakePage = Callable[..., Page]
SECOND = 10**9
CHECKOUT = Rule(
    "checkout", 10, 0.5, 2, service_name="storefront", url_path="/checkout*", boost=Boost(0.8, 10)
)


@pytest.fixture
def rules(site: Site) -> Iterator[Any]:
    """Two rules beside Default, and nothing of them left afterwards."""
    service = site.web.sampling
    assert service is not None
    service.create(0, CHECKOUT, NOW)
    service.create(0, Rule("never", 20, 0.0, 0, url_path="/health"), NOW)
    yield service
    for record in service.rules().records[:-1]:
        service.delete(0, record.rule.name, NOW)


def names(client: FlaskClient) -> list[str]:
    return [rule["RuleName"] for rule in client.get("/sampling.json").get_json()["rules"]]


def post(client: FlaskClient, url: str, /, **values: str) -> Any:
    found = re.search(r'name="csrf" value="(\w+)"', client.get("/sampling?new=1").text)
    assert found is not None
    return client.post(url, data={"csrf": found[1], **values})


RULE = {
    "of": "",
    "name": "carts",
    "priority": "5",
    "rate": "12.5",
    "reservoir": "3",
    "service": "cart",
    "method": "*",
    "path": "/cart/*",
    "host": "*",
    "type": "*",
    "arn": "*",
    "attributes": "tier=go*\n",
    "boost_rate": "",
    "boost_cooldown": "",
}


@pytest.mark.usefixtures("rules")
def test_rules_stand_in_the_order_in_which_they_are_asked(client: FlaskClient) -> None:
    assert names(client) == ["checkout", "never", "Default"]
    answer = client.get("/sampling.json").get_json()
    assert answer["rules"][0]["SamplingRateBoost"] == {"MaxRate": 0.8, "CooldownWindowMinutes": 10}
    total = answer["replay"]["total"]
    assert total["traces"] == sum(count["traces"] for count in answer["replay"]["by_rule"].values())
    assert 0 < total["kept"] < total["traces"]
    assert answer["replay"]["by_rule"]["checkout"]["traces"] > 0


@pytest.mark.usefixtures("rules")
def test_tables_come_as_csv(client: FlaskClient) -> None:
    def lines(table: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(client.get(f"/sampling.csv?table={table}").text)))

    assert [line["rule"] for line in lines("rules")] == ["checkout", "never", "Default"]
    cells = lines("replay")
    total = client.get("/sampling.json").get_json()["replay"]["total"]
    for name in ("traces", "kept", "spans", "kept_spans", "faults", "kept_faults"):
        assert sum(int(cell[name]) for cell in cells) == total[name]


def test_what_clients_report_is_shown_per_second_and_per_client(
    site: Site, client: FlaskClient, rules: Any
) -> None:
    for number in range(3):
        rules.targets(
            0, [Statistics("checkout", f"{number}" * 24, None, 1200, 60, 0)], now_ns=NOW - 5 * SECOND
        )
    (row,) = (r for r in client.get("/sampling.json").get_json()["rules"] if r["RuleName"] == "checkout")
    assert (row["matched_per_second"], row["kept_per_second"]) == (1.0, 0.05)
    page = client.get("/sampling?rule=checkout").text
    assert "3 in the last 30 s" in page
    assert "000000000000…" in page


def test_what_the_collector_left_out_says_its_factor(site: Site, rules: Any) -> None:
    """On its page for each service, and at the foot of every page, whose figures are of what was kept."""
    client = create_app(site.web).test_client()
    minute = NOW // SECOND // 60 * 60 - 600
    rules.count_kept([Kept(0, "checkout", "storefront", minute, 20, 380, 100, 1900)])
    text = re.sub(r"<[^>]+>", "", client.get("/sampling").text)
    assert "storefront kept 20 of 400 traces, 1 in 20" in text
    assert "Sampled: 1 in 20 traces kept" in client.get("/traces").text


@pytest.mark.usefixtures("rules")
@pytest.mark.parametrize(
    ("query", "rule", "path"),
    [
        ("t_service=storefront&t_path=/checkout/1?x=2", "checkout", "/checkout/1"),
        ("t_path=GET+/health+HTTP/1.1", "never", "/health"),
        ("t_path=http://shop.example/health?x", "never", "/health"),
        ("t_service=cart&t_path=/checkout", "Default", "/checkout"),
        ("t_method=GET", "Default", ""),
    ],
)
def test_a_request_can_be_tried(client: FlaskClient, query: str, rule: str, path: str) -> None:
    tried = client.get(f"/sampling.json?{query}").get_json()["tried"]
    assert (tried["rule"], tried["asked"]["path"]) == (rule, path)
    if rule == "Default":
        reasons = dict(tried["passed"])
        assert set(reasons) == {"checkout", "never"}
        assert reasons["never"] == "path is not /health"
    assert f"<b>{rule}</b> decides" in client.get(f"/sampling?{query}").text


def test_a_rule_is_made_changed_and_deleted(client: FlaskClient, rules: Any) -> None:
    made = post(client, "/sampling/save", **RULE)
    assert (made.status_code, made.location) == (303, "/sampling?rule=carts&done=saved")
    rule = rules.rules().get("carts").rule
    assert (rule.fixed_rate, rule.reservoir_size, rule.attributes) == (0.125, 3, (("tier", "go*"),))
    changed = {
        **RULE,
        "of": "carts",
        "rate": "0.1 %",
        "boost_rate": "50",
        "boost_cooldown": "5",
        "attributes": "",
    }
    assert post(client, "/sampling/save", **changed).status_code == 303
    rule = rules.rules().get("carts").rule
    assert (rule.fixed_rate, rule.boost, rule.attributes) == (0.001, Boost(0.5, 5), ())
    assert (
        post(client, "/sampling/save", **{**changed, "boost_rate": "", "boost_cooldown": ""}).status_code
        == 303
    )
    assert rules.rules().get("carts").rule.boost is None
    assert post(client, "/sampling/delete", of="carts").status_code == 303
    assert names(client) == ["checkout", "never", "Default"]


def test_default_keeps_what_is_not_in_its_form(client: FlaskClient, rules: Any) -> None:
    before = rules.rules().get("Default").rule
    try:
        assert post(client, "/sampling/save", of="Default", rate="20", reservoir="4").status_code == 303
        rule = rules.rules().get("Default").rule
        assert (rule.fixed_rate, rule.reservoir_size, rule.service_name) == (0.2, 4, "*")
    finally:
        rules.replace(0, before, NOW)


@pytest.mark.usefixtures("rules")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "checkout"}, "already"),
        ({"name": ""}, "RuleName"),
        ({"rate": "120"}, "FixedRate"),
        ({"rate": "many"}, "Rate must be a number"),
        ({"priority": "10000"}, "Priority"),
        ({"reservoir": "-1"}, "ReservoirSize"),
        ({"attributes": "nothing"}, "key=pattern"),
        ({"boost_rate": "50"}, "Cooldown"),
        ({"of": "gone"}, "not there any more"),
    ],
)
def test_what_cannot_be_is_said_and_what_was_typed_stays(
    client: FlaskClient, change: dict[str, str], says: str
) -> None:
    answer = post(client, "/sampling/save", **{**RULE, **change})
    assert answer.status_code == 400
    assert says in answer.text
    assert 'value="/cart/*"' in answer.text
    assert names(client) == ["checkout", "never", "Default"]


def test_rules_are_moved(client: FlaskClient, rules: Any) -> None:
    assert post(client, "/sampling/order", order='["never", "checkout"]').status_code == 303
    assert [(r.name, r.priority) for r in rules.rules().rules[:-1]] == [("never", 10), ("checkout", 20)]
    for wrong in ('["never"]', '["never", "x"]', "no JSON", "3"):
        answer = post(client, "/sampling/order", order=wrong)
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text
    assert [r.name for r in rules.rules().rules[:-1]] == ["never", "checkout"]


def test_nothing_is_changed_without_the_token(client: FlaskClient, rules: Any) -> None:
    for path in ("save", "delete", "order"):
        assert client.post(f"/sampling/{path}", data={"of": "checkout"}).status_code == 403


def test_names_from_outside_are_text(client: FlaskClient, rules: Any) -> None:
    rules.create(0, Rule("<b>x</b>", 30, 0.5, 1, service_name=EVIL), NOW)
    page = client.get("/sampling", query_string={"rule": "<b>x</b>"}).text
    assert "<b>x</b>" not in page
    assert "<script>alert" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page


def test_with_only_default_it_says_what_a_rule_is_for(empty_site: Site) -> None:
    client = create_app(empty_site.web).test_client()
    page = client.get("/sampling").text
    assert "Only the Default rule is here." in page
    assert "aws xray create-sampling-rule" in page
    assert "No traces are stored in this range" in page


@pytest.mark.usefixtures("rules")
def test_the_preview_follows_what_is_typed(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/sampling?rule=checkout")
    preview = page.locator("#preview")
    before = preview.inner_text()
    page.get_by_label("Rate").fill("0")
    page.get_by_label("Reservoir").fill("0")
    expect(preview).not_to_have_text(before)
    expect(preview).to_contain_text("This rule")
    expect(preview.locator("dd").last).to_contain_text("0 of")
    page.get_by_label("Rate").fill("many")
    expect(preview).to_contain_text("Rate must be a number")
    assert site.web.sampling is not None
    record = site.web.sampling.rules().get("checkout")
    assert record is not None
    assert record.rule == CHECKOUT


def test_a_rule_is_made_by_hand_and_moved_by_dragging(site: Site, page: Page, rules: Any) -> None:
    page.goto(f"{site.url}/sampling")
    page.get_by_role("link", name="New rule").click()
    page.get_by_label("Name").fill("by-hand")
    page.get_by_label("Path", exact=True).fill("/cart*")
    page.get_by_label("Rate").press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert rules.rules().get("by-hand").rule.url_path == "/cart*"
    page.locator('tr[data-rule="by-hand"] .grip').drag_to(page.locator('tr[data-rule="checkout"]'))
    expect(page.locator("tr[data-rule]").first).to_have_attribute("data-rule", "by-hand")
    assert [r.name for r in rules.rules().rules] == ["by-hand", "checkout", "never", "Default"]


@pytest.mark.usefixtures("rules")
def test_keys_walk_the_rules_and_escape_closes_the_panel(site: Site, page: Page) -> None:
    page.goto(f"{site.url}/sampling?rule=checkout")
    expect(page.get_by_role("complementary", name="checkout")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("complementary")).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("complementary")).to_have_count(1)


def test_without_a_script_everything_can_be_done(site: Site, open_page: MakePage, rules: Any) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"{site.url}/sampling?rule=checkout")
    page.get_by_label("Rate").fill("0")
    page.get_by_label("Reservoir").fill("0")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview dd").last).to_contain_text("0 of")
    expect(page.locator("#preview dd").first).to_contain_text("\N{MINUS SIGN}")
    expect(page.get_by_label("Rate")).to_have_value("0")
    page.get_by_role("button", name="Save").last.click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert rules.rules().get("checkout").rule.fixed_rate == 0.0
    page.get_by_role("button", name="Move never up").click()
    assert [r.name for r in rules.rules().rules[:-1]] == ["never", "checkout"]
    page.get_by_role("link", name="never", exact=True).click()
    page.get_by_role("button", name="Delete rule").click()
    expect(page.get_by_text("Deleted.")).to_be_visible()
    assert [r.name for r in rules.rules().rules] == ["checkout", "Default"]


@pytest.mark.usefixtures("rules")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("query", ["", "?rule=checkout", "?new=1", "?t_path=/x"])
def test_it_fits_a_narrow_screen(site: Site, open_page: MakePage, theme: str, query: str) -> None:
    page = open_page(width=420, theme=theme)
    page.goto(f"{site.url}/sampling{query}")
    wide = page.evaluate(
        "[document.documentElement, document.querySelector('main')].some(e => e.scrollWidth > innerWidth)"
    )
    assert not wide
    expect(page.get_by_text("everything else")).to_be_visible()
