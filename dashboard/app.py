"""The Flask application: pages and their twins, headers, login, errors.

One request: Host and login checks, Context, the page's view, then HTML, JSON or CSV from one Answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from functools import partial
from typing import Any

import jinja2
from flask import Flask, Response, g, redirect, render_template, request
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from collector.errors import DeadlineExceeded, QueryError, RaywatchError
from dashboard import api, assets, charts, icons, security, svg, timerange, timing, units
from dashboard.answers import Answer, csv_response, file_name, json_response, to_json
from dashboard.colours import Colours
from dashboard.context import Context, read_context
from dashboard.pages import NAV, PAGES, SHORT_NAMES, TABBAR
from dashboard.pages.page import Action, Page, View
from dashboard.web import Web

OPEN_PATHS = ("/static/", "/login", "/favicon.ico")
Reply = Response | Any


def create_app(web: Web) -> Flask:
    """The WSGI application over open parts; it keeps no state but colour names and the packed scripts."""
    app = Flask("dashboard", static_folder=None)
    app.jinja_env.undefined = jinja2.StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions["web"] = web
    _register_template_tools(app, web)
    app.before_request(partial(_admit, web))
    app.after_request(partial(_finish, web))
    app.register_error_handler(Exception, partial(_failed, app))
    app.register_blueprint(assets.assets)
    app.register_blueprint(api.make(web))
    app.add_url_rule("/login", "login", partial(_login, web), methods=["GET", "POST"])
    app.add_url_rule("/logout", "logout", partial(_logout, web), methods=["POST"])
    for name, page in PAGES.items():
        _register_page(app, web, name, page)
    return app


def _register_page(app: Flask, web: Web, name: str, page: Page) -> None:
    for number, (rule, view) in enumerate(page.routes.items()):
        twin = f"/{name}" if rule == "/" else rule
        for ending, form in (("", ""), (".json", "json"), (".csv", "csv")):
            app.add_url_rule(
                rule if not ending else twin + ending,
                f"{name}.{number}{ending.replace('.', '_')}",
                partial(_show, web, name, view),
                defaults={"_form": form},
                methods=["GET"],
            )
    for number, (rule, view) in enumerate(page.raw.items()):
        app.add_url_rule(rule, f"{name}.raw{number}", partial(_raw, web, view), methods=["GET"])
    for number, (rule, action) in enumerate(page.posts.items()):
        app.add_url_rule(rule, f"{name}.post{number}", partial(_act, web, name, action), methods=["POST"])


def _show(web: Web, name: str, view: View, /, _form: str, **parts: str) -> Reply:
    form = request.args.get("format") or _form
    with timing.step("data"):
        answer = view(web, context(), **parts)
    return _answer(name, answer, form)


def _raw(web: Web, view: View, /, **parts: str) -> Reply:
    return view(web, context(), **parts)


def _act(web: Web, name: str, action: Action, /, **parts: str) -> Reply:
    done = action(web, context(), request.form, **parts)
    return redirect(done, 303) if isinstance(done, str) else _answer(name, done, "")


def _answer(name: str, answer: Answer | Response, form: str) -> Reply:
    if isinstance(answer, Response):
        return answer
    ctx = context()
    if form in ("json", "csv") and answer.problem is not None:
        return json_response({"error": answer.problem}, 400)
    if form == "json":
        return json_response(answer.data, answer.status)
    if form == "csv":
        table = request.args.get("table") or next(iter(answer.tables), "")
        if table not in answer.tables:
            names = ", ".join(answer.tables) or "none"
            return json_response({"error": {"message": f"No table {table!r} here; there is: {names}."}}, 404)
        base = name if len(answer.tables) == 1 else f"{name}_{table}"
        return csv_response(file_name(base, ctx, "csv"), answer.tables[table])
    with timing.step("render"):
        page = _render(
            answer.template,
            page=name,
            title=answer.title,
            data=answer.data,
            problem=answer.problem,
            **answer.extra,
        )
    return Response(page, answer.status, content_type="text/html; charset=utf-8")


def _render(template: str, **values: Any) -> str:
    values.setdefault("page", "")
    return render_template(template, ctx=context(), **values)


def context() -> Context:
    """The Context of this request, read once."""
    found: Context = g.ctx
    return found


def _admit(web: Web) -> Reply | None:
    """Before every request: whose name it used, who asks, whether a change comes from our own page."""
    timing.begin()
    g.ctx = read_context(request.path, request.args.items(multi=True), request.cookies, web.clock())
    g.visitor, g.new_visitor = security.visitor(request)
    if not security.host_allowed(web, request.host):
        return _problem(
            "Not this host",
            f"This server does not answer to the name {request.host!r}. Open it as http://localhost, "
            "or add the name to web.hosts in the configuration.", 421,
        )  # fmt: skip
    if not request.path.startswith(OPEN_PATHS) and not security.logged_in(web, request):
        if request.method == "GET" and _wants_html():
            return redirect(
                Context.url(g.ctx, "/login", from_=None, to=None, tz=None, next=request.full_path.rstrip("?"))
            )
        return json_response({"error": {"message": "Log in first, or send an API key."}}, 401)
    if request.method not in ("GET", "HEAD", "OPTIONS") and not security.csrf_ok(request):
        return _problem("This form is out of date", "Reload the page it came from and send it again.", 403)
    return None


def _finish(web: Web, response: Response) -> Response:
    """After every request: headers, the visitor's cookie, 304 where the browser has it already."""
    for name, value in security.HEADERS.items():
        response.headers.setdefault(name, value)
    if response.mimetype == "text/html":
        response.headers.setdefault("Cache-Control", "private, no-cache")
        if g.get("new_visitor"):
            response.set_cookie(
                security.VISITOR_COOKIE, g.visitor, httponly=True, samesite="Lax",
                secure=web.settings.secure_cookies, path="/",
            )  # fmt: skip
    if "began" in g:
        response.headers["Server-Timing"] = timing.header()
    if response.status_code == 200:
        response.make_conditional(request)
    return response


def _wants_html() -> bool:
    form = request.args.get("format", "")
    return (
        form not in ("json", "csv")
        and not request.path.endswith((".json", ".csv"))
        and not request.path.startswith("/api/")
    )


def _failed(app: Flask, error: Exception) -> Reply:
    """Every error as a page or as JSON, never a traceback on the screen."""
    if isinstance(error, HTTPException):
        if error.code is not None and error.code < 400:
            return error
        title = {404: "There is no such page", 405: "Not like this"}.get(error.code or 0, error.name)
        return _problem(title, error.description or "", error.code or 500)
    if isinstance(error, QueryError):
        return _problem("This cannot be answered as asked", str(error), 400, error)
    if isinstance(error, DeadlineExceeded):
        return _problem("This took too long", f"{error} Choose a shorter range or a narrower filter.", 504)
    if isinstance(error, RaywatchError):
        return _problem("This did not work", str(error), 503)
    app.logger.exception("page %s failed", request.path)
    return _problem("Something is wrong here", "The server's log has the details.", 500)


def _problem(title: str, text: str, status: int, error: QueryError | None = None) -> Reply:
    if not _wants_html():
        detail = {"message": text, "line": error.line, "column": error.column, "end": error.end,
                  "suggestion": error.suggestion} if error else {"message": text}  # fmt: skip
        return json_response({"error": detail}, status)
    return Response(
        _render("problem.html", title=title, text=text, status=status),
        status,
        content_type="text/html; charset=utf-8",
    )


def _login(web: Web) -> Reply:
    """The login page; `?token=` is the one-time link that the first start prints."""
    secret = request.form.get("token", "") if request.method == "POST" else request.args.get("token", "")
    target = security.safe_next(request.values.get("next", "/"))
    if secret:
        session = security.login(web, secret.strip())
        if session is not None:
            response = redirect(target, 303)
            security.set_session(web, response, session)  # type: ignore[arg-type]
            return response
    elif request.method == "GET" and security.logged_in(web, request):
        return redirect(target, 303)
    page = _render("login.html", title="Log in", failed=bool(secret), next=target)
    return Response(page, 401 if secret else 200, content_type="text/html; charset=utf-8")


def _logout(web: Web) -> Reply:
    web.control.end_session(request.cookies.get(security.SESSION_COOKIE, ""))
    response = redirect("/login", 303)
    response.delete_cookie(security.SESSION_COOKIE, path="/")
    return response


def _register_template_tools(app: Flask, web: Web) -> None:
    colours = Colours(web.control, web.clock)
    filters: Mapping[str, Callable[..., Any]] = {
        "number": units.number, "count": units.count, "percent": units.percent, "duration": units.duration,
        "size": units.size, "spell": timerange.spell, "iso": timerange.iso,
        "clock": lambda ns, places=0: units.clock(ns, context().zone, places),
        "minute": lambda ns: units.minute(ns, context().zone),
        "day": lambda ns: units.day(ns, context().zone),
        "moment": lambda ns, places=0: units.moment(ns, context().zone, places),
        "ago": lambda ns: units.ago(ns, context().now_ns),
        "data": lambda value: Markup(to_json(value).decode().replace("<", "\\u003c").replace("&", "\\u0026")),
    }  # fmt: skip
    app.jinja_env.filters.update(filters)
    app.jinja_env.globals.update(
        static_url=assets.static_url, plotly_url=assets.plotly_url, plotly_style_ids=assets.plotly_style_ids, plotly_templates=charts.templates, colour=colours.css, icons=icons.ICONS,
        shapes=icons.SHAPES, glyphs=icons.GLYPH, presets=timerange.PRESETS,
        spark_path=svg.spark_path, preset_name=_preset_name, when_text=_when_text, foot_text=lambda: "",
        nav=_navigation(), tabbar=[(k, SHORT_NAMES.get(k, t), p) for k, t, p in _flat() if k in TABBAR],
        settings=web.settings, csrf=lambda: security.csrf_token(g.visitor),
        may_log_out=lambda: security.SESSION_COOKIE in request.cookies and web.control.has_keys(),
    )  # fmt: skip
    app.extensions["colours"] = colours


def _preset_name(text: str) -> str:
    length = -timerange.parse(text, timerange.LAST_NS // 2, UTC).ns + timerange.LAST_NS // 2
    return f"Last {timerange.spell(length)}"


def _when_text(moment: timerange.Moment) -> str:
    """What the picker's input shows: relative as it is, absolute in the zone of the page."""
    if moment.relative:
        return moment.text
    places = len(f"{moment.ns % timerange.SECOND:09d}".rstrip("0"))
    when = timerange.to_datetime(moment.ns, context().zone)
    return f"{when:%Y-%m-%d} {units.clock(moment.ns, context().zone, places)}"


def _navigation() -> list[tuple[str, list[tuple[str, str, str]]]]:
    groups = [(title, [item for item in items if item[0] in PAGES]) for title, items in NAV]
    return [(title, items) for title, items in groups if items]


def _flat() -> list[tuple[str, str, str]]:
    return [item for _, items in _navigation() for item in items]
