"""What every page keeps: a JSON twin, CSV, headers, logins, forms that only our own pages can send."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient

from collector.errors import DeadlineExceeded, QueryError, RaywatchError
from dashboard import create_app
from dashboard.answers import Answer
from dashboard.app import _register
from dashboard.pages import NAV, PAGES
from dashboard.pages.page import Page
from dashboard.security import SESSION_COOKIE, csrf_token, safe_next
from tests.pages.running import Site, serving
from tests.pages.shop import NOW

PLAIN = [
    ("/" if name == "overview" and rule == "/" else rule, f"/{name}.json" if rule == "/" else f"{rule}.json")
    for name, page in PAGES.items()
    for rule in page.routes
    if "<" not in rule
]


@pytest.fixture(scope="module")
def locked() -> Iterator[Site]:
    """A site that asks for a login."""
    with serving(required=True) as running:
        yield running


@pytest.mark.parametrize(("path", "twin"), PLAIN)
def test_every_page_has_a_json_twin_with_an_etag(client: FlaskClient, path: str, twin: str) -> None:
    page = client.get(path)
    assert page.status_code == 200
    assert page.mimetype == "text/html"
    data = client.get(twin)
    assert data.status_code == 200
    assert data.mimetype == "application/json"
    assert data.json is not None
    again = client.get(twin, headers={"If-None-Match": data.headers["ETag"]})
    assert again.status_code == 304
    assert not again.data
    assert client.get(path, query_string={"format": "json"}).data == data.data


@pytest.mark.parametrize(("path", "_twin"), PLAIN)
def test_every_response_carries_the_policy(client: FlaskClient, path: str, _twin: str) -> None:
    for response in (client.get(path), client.get("/nothing/here"), client.get("/nothing.json")):
        policy = response.headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert re.search(r"total;dur=[\d.]+", response.headers["Server-Timing"])


@pytest.mark.parametrize(("path", "_twin"), PLAIN)
def test_no_page_has_inline_script_or_style(client: FlaskClient, path: str, _twin: str) -> None:
    html = client.get(path).text
    assert not re.search(r"\sstyle=", html)
    assert not re.search(r"<style", html)
    assert not re.search(r"\son\w+=\"", html)
    for tag in re.findall(r"<script[^>]*>", html):
        assert " src=" in tag or 'type="application/json"' in tag
    assert not re.search(r'(src|href)="https?://(?!localhost)', re.sub(r"<a [^>]*>", "", html))


@pytest.mark.parametrize(("path", "_twin"), PLAIN)
def test_no_name_from_telemetry_is_markup(client: FlaskClient, path: str, _twin: str) -> None:
    html = client.get(path).text
    assert "<script>alert" not in html
    assert "<img src=x" not in html


def test_csv_has_a_name_a_head_and_rows(client: FlaskClient) -> None:
    response = client.get("/components.csv")
    assert response.headers["Content-Disposition"] == 'attachment; filename="components_20261123T0942Z.csv"'
    assert response.text.splitlines()[:2] == ["service,requests", "service-1,10.0"]
    missing = client.get("/components?format=csv&table=none")
    assert missing.status_code == 404
    assert "there is: services" in missing.json["error"]["message"]


def test_an_unreadable_filter_is_400_for_programs_and_a_page_for_people(client: FlaskClient) -> None:
    bad = {"q": 'service("payments" AND'}
    answer = client.get("/components.json", query_string=bad)
    assert answer.status_code == 400
    assert answer.json["error"]["column"] > 0
    page = client.get("/components", query_string=bad)
    assert page.status_code == 200
    assert 'role="alert"' in page.text
    assert f"Column {answer.json['error']['column']}" in page.text


def test_an_unreadable_range_is_said_and_the_last_hour_shown(client: FlaskClient) -> None:
    page = client.get("/components?from=soon")
    assert page.status_code == 200
    assert "Showing the last hour" in page.text


def test_missing_pages_are_told_to_people_and_programs(client: FlaskClient) -> None:
    assert "There is no such page" in client.get("/nothing").text
    assert client.get("/nothing.json").json["error"]["message"]
    assert client.post("/components", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_static_files_are_kept_for_ever_under_their_version(client: FlaskClient) -> None:
    html = client.get("/components/charts").text
    sheet, script = re.findall(r"/static/[^\"]+app\.(?:css|js)", html)[:2]
    for url in (sheet, script, re.search(r"/static/plotly-\w+\.min\.js", html)[0]):  # type: ignore[index]
        response = client.get(url)
        assert response.status_code == 200
        assert "immutable" in response.headers["Cache-Control"]
    assert "immutable" not in client.get("/static/old/app.css").headers["Cache-Control"]
    assert client.get("/static/x/../app.py").status_code == 404
    assert client.get("/static/plotly-0.min.js").status_code == 404


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:4318", "[::1]:8000"])
def test_the_names_of_this_machine_are_answered(client: FlaskClient, host: str) -> None:
    assert client.get("/components", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8000", "0.0.0.0"]
)
def test_rebound_names_are_not(client: FlaskClient, host: str) -> None:
    response = client.get("/components.json", headers={"Host": host})
    assert response.status_code == 421
    assert client.get("/overview.json", headers={"Host": host}).status_code == 421


def test_a_locked_site_asks_for_a_login(locked: Site) -> None:
    client = create_app(locked.web).test_client()
    sent = client.get("/components?from=-3h")
    assert sent.status_code == 303
    assert sent.headers["Location"] == "/login?next=/components%3Ffrom%3D-3h"
    assert client.get("/components.json").status_code == 401
    assert client.get("/api/when").status_code == 401
    assert client.get("/login").status_code == 200


def test_the_link_of_the_first_start_works_once(locked: Site) -> None:
    token = locked.web.control.create_login_token(NOW)
    client = create_app(locked.web).test_client()
    entered = client.get(f"/login?token={token}")
    assert entered.status_code == 303
    cookie = next(c for c in entered.headers.getlist("Set-Cookie") if c.startswith(SESSION_COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert client.get("/components").status_code == 200
    assert create_app(locked.web).test_client().get(f"/login?token={token}").status_code == 401


def test_a_session_ends_with_the_log_out(locked: Site) -> None:
    client = create_app(locked.web).test_client()
    client.get(f"/login?token={locked.web.control.create_login_token(NOW)}")
    page = client.get("/more").text
    csrf = re.search(r'name="csrf" value="(\w+)"', page)
    assert csrf is not None
    assert client.post("/logout").status_code == 403
    assert client.post("/logout", data={"csrf": csrf[1]}).status_code == 303
    assert client.get("/components").status_code == 303


def test_an_api_key_opens_pages_for_programs_and_the_login_form(locked: Site) -> None:
    secret, _ = locked.web.control.create_key("test", NOW)
    app = create_app(locked.web)
    assert app.test_client().get("/components.json", headers={"x-api-key": secret}).status_code == 200
    bearer = {"Authorization": f"Bearer {secret}"}
    assert app.test_client().get("/components.json", headers=bearer).status_code == 200
    assert app.test_client().get("/components.json", headers={"x-api-key": "wrong"}).status_code == 401
    client = app.test_client()
    form = client.get("/login").text
    csrf = re.search(r'name="csrf" value="(\w+)"', form)
    assert csrf is not None
    assert client.post("/login", data={"token": secret}).status_code == 403, "without the form's token"
    wrong = client.post("/login", data={"csrf": csrf[1], "token": "wrong"})
    assert wrong.status_code == 401
    assert "unknown, used or expired" in wrong.text
    entered = client.post("/login", data={"csrf": csrf[1], "token": secret, "next": "/components"})
    assert entered.headers["Location"] == "/components"
    assert client.get("/components").status_code == 200


@pytest.mark.parametrize(
    ("target", "safe"),
    [
        ("/traces?q=1", "/traces?q=1"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
        ("/login", "/"),
    ],
)
def test_a_login_goes_on_to_this_site_only(target: str, safe: str) -> None:
    assert safe_next(target) == safe


def test_form_tokens_belong_to_one_browser() -> None:
    assert csrf_token("a" * 40) != csrf_token("b" * 40)


def test_navigation_keeps_range_and_zone(client: FlaskClient) -> None:
    html = client.get("/components?from=-3h&tz=Europe/Berlin&q=fault").text
    links = re.findall(r'<a class="it" href="([^"]+)"', html)
    shown = [path for _, items in NAV for key, _, path in items if key in PAGES]
    assert links == [f"{path}?from=-3h&amp;tz=Europe/Berlin" for path in shown]


def test_the_picker_reads_times(client: FlaskClient) -> None:
    answer = client.get("/api/when", query_string={"from": "yesterday 14:00", "to": "now"}).json
    assert answer["from"]["text"] == "2026-11-22T14:00:00Z"
    assert answer["from"]["reading"] == "22 Nov 2026 14:00:00, 20 h ago"
    assert answer["to"]["reading"].endswith("keeps moving")
    assert "problem" not in answer
    wrong = client.get("/api/when", query_string={"from": "soon", "to": "-1d"}).json
    assert "is no time" in wrong["from"]["problem"]
    turned = client.get("/api/when", query_string={"from": "now", "to": "-1d"}).json
    assert turned["problem"] == "The range ends before it begins."


def test_completion_tells_where_its_texts_go(client: FlaskClient) -> None:
    answer = client.get("/api/complete", query_string={"lang": "traces", "q": "respo", "pos": 5}).get_json()
    assert (answer["start"], answer["end"]) == (0, 5)
    assert answer["items"][0]["text"].startswith("responsetime")
    assert "CONTAINS" in answer["hint"]
    assert client.get("/api/complete?lang=klingon&q=x").status_code == 400
    for pos in ("-5", "999", "x"):
        assert client.get("/api/complete", query_string={"q": "a", "pos": pos}).status_code == 200


def test_names_are_those_of_the_services_with_their_swatches(client: FlaskClient) -> None:
    names = {s["name"]: s for s in client.get("/api/names").get_json()["services"]}
    assert re.fullmatch(r"k\d+( dz\d)?", names["payments"]["css"])
    assert names["payments"]["href"] == "/?svc=payments"


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (QueryError("No field named x.", line=1, column=3, end=4), 400, "No field named x."),
        (DeadlineExceeded("The question took longer than 10 s."), 504, "Choose a shorter range"),
        (RaywatchError("The store is closing."), 503, "The store is closing."),
        (ValueError("secret of the inside"), 500, "log has the details"),
    ],
)
def test_errors_are_pages_for_people_and_json_for_programs(
    site: Site, error: Exception, status: int, words: str
) -> None:
    def fail(*_: object) -> Answer:
        raise error

    app = create_app(site.web)
    _register(app, site.web, "broken", Page(routes={"/broken": fail}))
    page, twin = app.test_client().get("/broken"), app.test_client().get("/broken.json")
    assert (page.status_code, twin.status_code) == (status, status)
    assert page.mimetype == "text/html"
    assert words in page.text
    assert words in twin.get_json()["error"]["message"]
    assert "secret" not in page.text + twin.text
    assert page.headers["Content-Security-Policy"]


def test_the_foot_tells_what_came_in(client: FlaskClient) -> None:
    assert re.search(r"stored since the start|events/s", client.get("/components").text)
