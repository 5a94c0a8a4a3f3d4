"""The settings page: where values are from, what may be changed, keys and secrets shown once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect
from werkzeug.test import TestResponse

from collector.receivers.server import HttpServer
from collector.storage.control import Control
from collector.storage.control_access import AccessKeys, Audit, Entry
from dashboard import Web, create_app
from dashboard.security import SESSION_COOKIE
from raywatch.config import load
from raywatch.live_settings import LiveSettings
from tests.pages.running import Site
from tests.pages.shop import EVIL, NOW

MakePage = Callable[..., Page]


def open_web(site: Site, control: Control, **environment: str) -> Web:
    """The site's front with its own keys and settings, as the program would make it."""
    given = {"XDG_CONFIG_HOME": "/nonexistent", **environment}
    live = LiveSettings(load(environment=given), control, clock=lambda: NOW)
    return replace(site.web, control=control, configuration=live)


@pytest.fixture
def control() -> Iterator[Control]:
    with closing(Control(":memory:")) as opened:
        opened.start()
        yield opened


@pytest.fixture
def web(site: Site, control: Control) -> Web:
    return open_web(site, control)


@pytest.fixture
def visitor(web: Web) -> FlaskClient:
    return create_app(web).test_client()


def send(client: FlaskClient, path: str, **form: str) -> TestResponse:
    """As the page's own form sends it."""
    found = re.search(r'name="csrf" value="(\w+)"', client.get("/settings").text)
    assert found is not None
    return client.post(path, data={"csrf": found[1], **form})


def value(web: Web, name: str) -> tuple[str, str]:
    assert web.configuration is not None
    return next((row.value, row.source) for row in web.configuration.rows() if row.name == name)


def test_every_setting_is_shown_with_its_source(visitor: FlaskClient, web: Web) -> None:
    page = visitor.get("/settings").text
    assert web.configuration is not None
    for row in web.configuration.rows():
        assert f"<code>{row.name}</code>" in page
        assert ('name="' + row.name + '"' in page) == row.changeable
    told = visitor.get("/settings.json").json
    assert {row["name"] for row in told["settings"]} == {row.name for row in web.configuration.rows()}
    assert visitor.get("/settings.csv").text.startswith("name,value,default,source")


def test_access_keys_and_what_was_called_are_shown(visitor: FlaskClient, web: Web) -> None:
    keys = AccessKeys(web.control)
    secret, key = keys.create(EVIL, NOW, account="210987654321", access="read", services=("xray",))
    entry = Entry(NOW, 0, "xray", "CreateGroup", key.id, EVIL, "id", f'{{"GroupName":"{EVIL}"}}', "")
    Audit(web.control).record(entry)
    Audit(web.control).record(replace(entry, operation="DeleteGroup", error=f"AccessDenied: {EVIL}"))
    page = visitor.get("/settings").text
    assert secret not in page
    assert EVIL not in page
    for text in (
        key.id,
        "read of xray in 210987654321",
        "xray:CreateGroup",
        "xray:DeleteGroup",
        "AccessDenied",
    ):
        assert text in page
    told = visitor.get("/settings.json").text
    assert key.id in told
    assert secret not in told
    assert visitor.get("/settings.csv?table=calls").text.startswith("time_ns,service,operation,who,")
    done = send(visitor, f"/settings/access-keys/{key.id}/revoke")
    assert done.headers["Location"] == "/settings?done=withdrawn#aws"
    assert not AccessKeys(web.control).any()
    assert "within seconds" in visitor.get(done.headers["Location"]).text
    assert send(visitor, f"/settings/access-keys/{key.id}/revoke").status_code == 400


def test_retention_is_changed_and_put_back(visitor: FlaskClient, web: Web) -> None:
    done = send(visitor, "/settings/save/retention", **{"retention.traces.age": "14d"})
    assert done.status_code == 303
    assert done.headers["Location"] == "/settings?done=retention#retention"
    assert value(web, "retention.traces.age") == ("14d", "settings page")
    page = visitor.get(done.headers["Location"]).text
    assert "changed here" in page
    assert "within a minute" in page
    back = send(visitor, "/settings/save/retention", reset="retention.traces.age")
    assert back.status_code == 303
    assert value(web, "retention.traces.age") == ("30d", "default")


def test_nothing_is_saved_when_one_value_is_wrong(visitor: FlaskClient, web: Web) -> None:
    form = {"retention.traces.age": "7d", "retention.logs.size": "a lot"}
    answer = send(visitor, "/settings/save/retention", **form)
    assert answer.status_code == 400
    assert "Nothing was saved" in answer.text
    assert "expected an amount such as" in answer.text
    assert 'value="a lot"' in answer.text
    assert 'value="7d"' in answer.text
    assert value(web, "retention.traces.age") == ("30d", "default")


def test_what_did_not_differ_is_not_kept(visitor: FlaskClient, web: Web, control: Control) -> None:
    answer = send(visitor, "/settings/save/general", log_level="info")
    assert "done=same" in answer.headers["Location"]
    assert not control.find_settings()
    assert value(web, "log_level") == ("info", "default")


@pytest.mark.parametrize(
    ("section", "form"),
    [
        ("general", {"retention.traces.age": "1d"}),
        ("general", {"port": "1"}),
        ("limits", {"limits.memory": "1GiB"}),
        ("general", {"reset": "no.such"}),
    ],
)
def test_other_settings_are_left_alone(
    visitor: FlaskClient, control: Control, section: str, form: dict[str, str]
) -> None:
    assert send(visitor, f"/settings/save/{section}", **form).status_code == 303
    assert not control.find_settings()


def test_the_environment_is_read_only_and_says_so(site: Site, control: Control) -> None:
    web = open_web(site, control, RAYWATCH_RETENTION__LOGS__AGE="3d")
    client = create_app(web).test_client()
    page = client.get("/settings").text
    assert "environment RAYWATCH_RETENTION__LOGS__AGE" in page
    assert 'name="retention.logs.age"' not in page
    send(client, "/settings/save/retention", **{"retention.logs.age": "9d"})
    assert value(web, "retention.logs.age")[0] == "3d"


def test_forms_of_other_pages_are_refused(visitor: FlaskClient, control: Control) -> None:
    for path in ("/settings/keys", "/settings/save/retention", "/settings/appearance", "/settings/logins"):
        assert visitor.post(path, data={"name": "x"}).status_code == 403
    assert not control.find_keys()


def test_a_key_is_shown_once_and_its_maker_stays(visitor: FlaskClient, web: Web, control: Control) -> None:
    made = send(visitor, "/settings/keys", name="checkout")
    assert made.status_code == 200
    assert made.headers["Cache-Control"] == "no-store"
    found = re.search(r"<span data-copy-text>(rw_[\w-]+)</span>", made.text)
    assert found is not None
    assert control.verify_key(found[1], NOW) is not None
    cookie = next(c for c in made.headers.getlist("Set-Cookie") if c.startswith(SESSION_COOKIE))
    assert "HttpOnly" in cookie
    again = visitor.get("/settings")
    assert again.status_code == 200
    assert found[1] not in again.text
    assert create_app(web).test_client().get("/settings").status_code == 303
    inside = re.search(r'name="csrf" value="(\w+)"', made.text)
    assert inside is not None
    second = visitor.post("/settings/keys", data={"csrf": inside[1], "name": EVIL})
    assert second.status_code == 200
    assert EVIL not in second.text


def test_a_key_needs_a_name(visitor: FlaskClient, control: Control) -> None:
    assert send(visitor, "/settings/keys", name="  ").status_code == 400
    assert not control.find_keys()


def test_a_key_is_revoked(visitor: FlaskClient, control: Control) -> None:
    secret, key = control.create_key("old", NOW)
    visitor.get(f"/login?token={secret}")
    done = send(visitor, f"/settings/keys/{key.id}/revoke")
    assert "done=revoked" in done.headers["Location"]
    assert control.verify_key(secret, NOW) is None
    assert "revoked" in visitor.get("/settings").text
    assert send(visitor, f"/settings/keys/{key.id}/revoke").status_code == 400


def test_the_last_key_of_an_open_address_stays(site: Site, control: Control) -> None:
    client = create_app(open_web(site, control, RAYWATCH_HOST="0.0.0.0")).test_client()
    secret, key = control.create_key("only", NOW)
    client.get(f"/login?token={secret}")
    answer = send(client, f"/settings/keys/{key.id}/revoke")
    assert answer.status_code == 400
    assert "last key" in answer.text
    control.create_key("next", NOW)
    assert send(client, f"/settings/keys/{key.id}/revoke").status_code == 303


def test_a_login_link_works_once_and_sessions_end(visitor: FlaskClient, web: Web, control: Control) -> None:
    assert send(visitor, "/settings/logins").status_code == 400
    send(visitor, "/settings/keys", name="first")
    made = send(visitor, "/settings/logins")
    found = re.search(r"/login\?token=([\w-]+)", made.text)
    assert found is not None
    guest = create_app(web).test_client()
    guest.get(f"/login?token={found[1]}")
    assert guest.get("/settings").status_code == 200
    send(visitor, "/settings/sessions/end")
    assert guest.get("/settings").status_code == 303
    assert visitor.get("/settings").status_code == 200


def test_appearance_is_kept_by_the_browser(visitor: FlaskClient) -> None:
    send(visitor, "/settings/appearance", theme="dark", tz="Europe/Berlin")
    page = visitor.get("/settings").text
    assert 'data-theme="dark"' in page
    assert 'value="Europe/Berlin"' in page
    send(visitor, "/settings/appearance", theme="", tz="UTC")
    assert "data-theme=" not in visitor.get("/settings").text.split("<head>")[0]
    assert send(visitor, "/settings/appearance", theme="", tz="Mars/Crater").status_code == 400


def test_without_a_program_around_it_says_so(client: FlaskClient) -> None:
    page = client.get("/settings").text
    assert "runs without a program around it" in page
    assert client.get("/settings.json").json["settings"] == []


@pytest.fixture
def address(web: Web) -> Iterator[str]:
    with closing(HttpServer(create_app(web), [("127.0.0.1", 0)])) as server:
        server.start()
        yield f"http://127.0.0.1:{server.port}"


def test_a_key_is_made_and_revoked_without_a_script(address: str, open_page: MakePage) -> None:
    page = open_page(java_script_enabled=False)
    page.goto(f"{address}/settings")
    page.get_by_label("Name of a new key").fill("laptop")
    page.get_by_role("button", name="Create key").click()
    expect(page.get_by_role("status").first).to_contain_text("shown this once")
    expect(page.locator("[data-copy-text]").first).to_have_text(re.compile(r"^rw_[\w-]{40,}$"))
    page.get_by_role("button", name="Revoke laptop").click()
    expect(page.get_by_text("Whoever sends with this key is refused")).to_be_visible()


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (1440, "dark"), (420, "light"), (420, "dark")])
def test_the_page_fits_and_saves(address: str, open_page: MakePage, web: Web, width: int, theme: str) -> None:
    assert web.configuration is not None
    web.configuration.change({"retention.traces.age": "9d"})
    page = open_page(width=width, theme=theme)
    page.goto(f"{address}/settings#retention")
    assert page.evaluate("document.querySelector('#main').scrollWidth") <= width
    age = page.get_by_label("Logs, age")
    age.fill("5d")
    age.press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    assert value(web, "retention.logs.age") == ("5d", "settings page")
    assert value(web, "retention.traces.age") == ("9d", "settings page"), "Enter saves, it puts nothing back"
