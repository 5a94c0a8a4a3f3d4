"""The Flask application: which path is answered by what, who is let in, what every response carries.

One request: Host, login and CSRF checks, Context, the page's view, then HTML, JSON or CSV from one Answer.
"""

from __future__ import annotations

from functools import partial
from typing import cast

from flask import Flask, Response, g, redirect, request

from dashboard import api, assets, security, templating, tenants, timing
from dashboard.answers import json_response
from dashboard.context import read_context
from dashboard.pages import PAGES
from dashboard.pages.page import Action, Page, View
from dashboard.respond import HTML, answered, context, failed, problem, render, wants_html
from dashboard.web import Web

OPEN_PATHS = ("/static/", "/login", "/favicon.ico")
MOST_FORM_BYTES = 1 << 20


def create_app(web: Web) -> Flask:
    """The WSGI application over open parts; it keeps no state but colour names and packed scripts."""
    app = Flask("dashboard", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MOST_FORM_BYTES
    templating.equip(app, web)
    app.before_request(partial(_admit, web))
    app.after_request(partial(_finish, web))
    app.register_error_handler(Exception, failed)
    app.register_blueprint(assets.assets)
    app.register_blueprint(api.make(web))
    app.add_url_rule("/login", "login", partial(_login, web), methods=["GET", "POST"])
    app.add_url_rule("/logout", "logout", partial(_logout, web), methods=["POST"])
    for name, page in PAGES.items():
        _register(app, web, name, page)
    return app


def _register(app: Flask, web: Web, name: str, page: Page) -> None:
    for number, (rule, view) in enumerate(page.routes.items()):
        twin = f"/{name}" if rule == "/" else rule
        for ending, form in (("", ""), (".json", "json"), (".csv", "csv")):
            app.add_url_rule(
                twin + ending if ending else rule,
                f"{name}-{number}-{form}",
                partial(_show, web, name, view),
                defaults={"_form": form},
                methods=["GET"],
            )
    for number, (rule, view) in enumerate(page.raw.items()):
        app.add_url_rule(rule, f"{name}-raw-{number}", partial(_raw, web, name, view), methods=["GET"])
    for number, (rule, action) in enumerate(page.posts.items()):
        app.add_url_rule(rule, f"{name}-post-{number}", partial(_act, web, name, action), methods=["POST"])


def _show(web: Web, name: str, view: View, /, _form: str, **parts: str) -> Response:
    form = request.args.get("format") or _form
    with timing.step("data"):
        answer = view(tenants.seen(web, context(), name), context(), **parts)
    return answered(name, answer, form if form in ("json", "csv") else "")


def _raw(web: Web, name: str, view: View, /, **parts: str) -> Response:
    return cast("Response", view(tenants.seen(web, context(), name), context(), **parts))


def _act(web: Web, name: str, action: Action, /, **parts: str) -> Response:
    done = action(web, context(), request.form, **parts)
    return _onward(done) if isinstance(done, str) else answered(name, done, "")


def _onward(target: str) -> Response:
    return cast("Response", redirect(target, 303, Response))


def _admit(web: Web) -> Response | None:
    """Before every request: by which name it came, who asks, whether a change comes from our own page."""
    timing.begin()
    g.ctx = read_context(request.path, request.args.items(multi=True), request.cookies, web.clock())
    g.visitor, g.new_visitor = security.visitor(request)
    if not security.host_allowed(web, request.host):
        text = f"This server does not answer to the name {request.host!r}. Open it as http://localhost, "
        return problem(
            "Not this host", text + "or add the name to the allowed hosts in its configuration.", 421
        )
    if not request.path.startswith(OPEN_PATHS) and not security.logged_in(web, request):
        if request.method == "GET" and wants_html():
            target = request.full_path.rstrip("?")
            return _onward(context().url("/login", from_=None, to=None, tz=None, next=target))
        return json_response({"error": {"message": "Log in first, or send an API key."}}, 401)
    if request.method not in ("GET", "HEAD", "OPTIONS") and not security.csrf_ok(request):
        return problem("This form is out of date", "Reload the page it came from and send it again.", 403)
    return None


def _finish(web: Web, response: Response) -> Response:
    """After every request: headers, the visitor's cookie, 304 for what the browser has already."""
    for name, value in security.HEADERS.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        response.headers.setdefault("Cache-Control", "private, no-cache")
        if g.get("new_visitor"):
            security.set_visitor(web, response, g.visitor)
    if "began" in g:
        response.headers["Server-Timing"] = timing.header()
    if response.status_code == 200 and not response.is_streamed:  # which would read a stream to its end
        response.make_conditional(request)
    return response


def _login(web: Web) -> Response:
    """The login page; `?token=` is the one-time link that the first start prints."""
    secret = (request.form if request.method == "POST" else request.args).get("token", "").strip()
    target = security.safe_next(request.values.get("next", "/"))
    session = security.login(web, secret) if secret else None
    if session is not None:
        response = _onward(target)
        security.set_session(web, response, session)
        return response
    if not secret and security.logged_in(web, request):
        return _onward(target)
    page = render("login.html", title="Log in", failed=bool(secret), next=target)
    return Response(page, 401 if secret else 200, content_type=HTML)


def _logout(web: Web) -> Response:
    web.control.end_session(request.cookies.get(security.SESSION_COOKIE, ""))
    response = _onward("/login")
    response.delete_cookie(security.SESSION_COOKIE, path="/")
    return response
