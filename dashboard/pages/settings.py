"""Settings: what is set, from where, what follows; API keys, who is logged in, how the pages look.

One form a section, each with its own Save, all without a script. What the environment or a flag gives is
shown and cannot be changed here. A secret is in one answer to one POST and nowhere else.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from flask import Response, g, redirect

from collector.batch import SIGNALS
from dashboard import security, timerange, units
from dashboard.answers import Answer, Table
from dashboard.context import Context
from dashboard.pages.page import Page
from dashboard.respond import HTML, render
from dashboard.timerange import SECOND, BadTime
from dashboard.web import SettingRow, Web

Form = Mapping[str, str]

SECTIONS = (
    ("general", "General"), ("retention", "Retention"), ("limits", "Limits"), ("keys", "API keys and logins"),
    ("observation", "Self-observation"), ("appearance", "Appearance"), ("about", "About"),
)  # fmt: skip
CHANGED = "settings page"
YEAR_S = 365 * 86_400
MOST_NAME = 80
LEAST_KNOWN_NS = 600 * SECOND
NAMES = {
    "data": "Data directory", "host": "Host", "port": "Port", "otlp_http": "OTLP/HTTP",
    "otlp_grpc": "OTLP/gRPC", "xray_udp": "X-Ray daemon, UDP", "xray_tcp": "X-Ray daemon, TCP",
    "auth": "Ask for keys", "api_keys": "Configured keys",
    "allowed_hosts": "Allowed host names",
    "cors_origins": "Browser senders", "log_level": "Log level", "self_observation": "Self-observation",
    "limits.request": "Largest request", "limits.queue": "Waiting requests", "limits.memory": "Memory",
    "limits.query_memory": "Memory of a question", "limits.query_time": "Time of a question",
    "limits.readers": "Questions at a time", "limits.threads": "Threads", "limits.workers": "HTTP workers",
    "retention.traces.age": "Traces, age", "retention.traces.size": "Traces, size",
    "retention.logs.age": "Logs, age", "retention.logs.size": "Logs, size",
    "retention.metrics.age": "Metrics, age", "retention.metrics.size": "Metrics, size",
}  # fmt: skip
ZONES = (
    "UTC", "Europe/London", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Kolkata",
    "Asia/Tokyo", "Australia/Sydney",
)  # fmt: skip
_LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")


@dataclass(frozen=True, slots=True)
class Field:
    """A setting on the page. text: what its input holds; choices: '' when anything may be typed."""

    row: SettingRow
    title: str
    text: str
    choices: Sequence[str] = ()
    problem: str = ""

    @property
    def changed(self) -> bool:
        return self.row.source == CHANGED


@dataclass(frozen=True, slots=True)
class Kept:
    """What is on disk of a signal, and what the bounds mean at the rate of late."""

    signal: str
    bytes: int
    since_ns: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class Said:
    """What an action has to tell: in which section, and whether it went wrong. secret: shown this once."""

    section: str
    text: str
    bad: bool = False
    secret: str = ""
    link: str = ""
    problems: Mapping[str, str] | None = None
    typed: Mapping[str, str] | None = None


_SAVED = {
    "general": "Saved. It is in force now.",
    "retention": "Saved. The next look at the files, within a minute, goes by it.",
    "revoked": "Revoked. Whoever sends with this key is refused from now on.",
    "ended": "Everyone is logged out but you.",
    "appearance": "Saved in this browser.",
    "same": "Nothing was different.",
}


def show(web: Web, ctx: Context) -> Answer:
    return _answer(web, ctx, _said(ctx))


def _said(ctx: Context) -> Said | None:
    """What the action before this page was: `?done=retention`."""
    done = ctx.get("done")
    if done not in _SAVED:
        return None
    section = {"revoked": "keys", "ended": "keys", "same": ctx.get("in") or "general"}.get(done, done)
    return Said(section, _SAVED[done])


def _answer(web: Web, ctx: Context, said: Said | None = None) -> Answer:
    rows = list(web.configuration.rows()) if web.configuration else []
    keys = web.control.find_keys()
    kept = _kept(web)
    return Answer(
        template="settings.html",
        title="Settings",
        data={"settings": rows, "keys": keys, "kept": kept, "about": _about(web)},
        extra={
            "sections": SECTIONS,
            "fields": {name: _fields(rows, name, said) for name, _ in SECTIONS},
            "said": said,
            "effects": [_effect(one) for one in kept],
            "asked": web.control.has_keys(),
            "any_key": web.control.any_key(),
            "auth": next((row.value for row in rows if row.name == "auth"), "auto"),
            "zones": _zones(ctx),
            "observing": next((row.value for row in rows if row.name == "self_observation"), "").lower()
            in ("true", "on", "yes"),
        },
        tables={
            "settings": Table(_COLUMNS, lambda: [[getattr(row, name) for name in _COLUMNS] for row in rows]),
            "keys": Table(_KEY_COLUMNS, lambda: [[getattr(k, name) for name in _KEY_COLUMNS] for k in keys]),
        },
        status=400 if said and said.bad else 200,
    )


_COLUMNS = ("name", "value", "default", "source", "kind", "doc", "changeable")
_KEY_COLUMNS = ("id", "name", "created_ns", "last_used_ns", "revoked_ns")


# -- what is shown


def _fields(rows: Sequence[SettingRow], section: str, said: Said | None) -> list[Field]:
    typed = (said.typed if said else None) or {}
    problems = (said.problems if said else None) or {}
    return [
        Field(
            row,
            NAMES.get(row.name, row.name),
            typed.get(row.name, row.value),
            _choices(row.kind),
            problems.get(row.name, ""),
        )
        for row in rows
        if _section(row.name) == section
    ]


def _section(name: str) -> str:
    group = name.partition(".")[0]
    if group in ("retention", "limits"):
        return group
    if name in ("auth", "api_keys"):
        return "keys"
    return "observation" if name == "self_observation" else "general"


def _choices(kind: str) -> Sequence[str]:
    """The words of `debug, info, warning or error`."""
    words = kind.replace(" or ", ", ").split(", ")
    return words if len(words) > 1 and all(word.isalpha() and word.islower() for word in words) else ()


def _kept(web: Web) -> list[Kept]:
    """Bytes a signal, and bytes a second over the time that its files cover."""
    files = web.store.stats().files
    found = []
    for signal in SIGNALS:
        own = [f for f in files if f.signal == signal]
        timed = [f for f in own if f.rows]
        total = sum(f.bytes + f.wal_bytes for f in own)
        since = min((f.least_ns for f in timed), default=0)
        covered = max((f.greatest_ns for f in timed), default=0) - since
        known = covered >= LEAST_KNOWN_NS and total > 0
        found.append(Kept(signal, total, since, total / covered * SECOND if known else None))
    return found


def _effect(kept: Kept) -> str:
    """What is kept now, and how much a day of it takes, in words."""
    name = kept.signal.capitalize()
    if not kept.since_ns:
        return f"{name}: nothing is stored yet."
    if kept.rate is None:
        return f"{name}: {units.size(kept.bytes)} are on disk; too little yet to tell how fast it grows."
    day = units.size(kept.rate * 86_400)
    return f"{name}: {units.size(kept.bytes)} are on disk, about {day} a day at this rate."


def _about(web: Web) -> dict[str, object]:
    stats = web.store.stats()
    return {
        "version": web.settings.version,
        "name": web.settings.name,
        "python": platform.python_version(),
        "data": web.settings.data,
        "files": len(stats.files),
        "bytes": sum(f.bytes + f.wal_bytes for f in stats.files),
        "otlp_http": web.settings.otlp_http,
        "otlp_grpc": web.settings.otlp_grpc,
    }


def _zones(ctx: Context) -> list[str]:
    """The zone of now and some of many, as suggestions."""
    return list(dict.fromkeys((ctx.tz, *ZONES)))


# -- what is changed


def save(web: Web, ctx: Context, form: Form, section: str) -> str | Answer:
    """The section's form: what differs is kept, all of it or nothing. `reset` names one to put back."""
    if web.configuration is None or section not in dict(SECTIONS):
        return _answer(web, ctx, Said(section, "These settings cannot be changed here.", bad=True))
    rows = {row.name: row for row in web.configuration.rows() if _section(row.name) == section}
    reset = form.get("reset", "")
    values: dict[str, str | None]
    if reset:
        values = {reset: None} if reset in rows else {}
    else:
        values = {
            name: form[name].strip()
            for name, row in rows.items()
            if row.changeable and name in form and form[name].strip() != row.value
        }
    if not values:
        return _here(ctx, "same", section)
    problems = dict(web.configuration.change(values))
    if problems:
        typed = {name: text for name, text in form.items() if name in rows}
        some = "one value is" if len(problems) == 1 else "some values are"
        text = f"Nothing was saved: {some} not right."
        return _answer(web, ctx, Said(section, text, bad=True, problems=problems, typed=typed))
    return _here(ctx, section, section)


def _here(ctx: Context, done: str, section: str) -> str:
    own = {"in": section} if done == "same" else {}
    return f"{ctx.url('/settings', done=done, **own)}#{section}"


def create_key(web: Web, ctx: Context, form: Form) -> Answer | Response:
    """A new key; its secret is in this one answer. The first key does not lock out who made it."""
    name = " ".join(form.get("name", "").split())[:MOST_NAME]
    if not name:
        return _answer(web, ctx, Said("keys", "Give the key a name, such as that of its sender.", bad=True))
    was_asked = web.control.has_keys()
    secret, _ = web.control.create_key(name, web.clock())
    text = f"The key {name} is made. It is shown this once: copy it now."
    locked = not was_asked and web.control.has_keys()
    if locked:
        text += " From now on senders need a key and people log in. This browser is logged in."
    return _once(web, ctx, Said("keys", text, secret=secret), enter=locked)


def revoke_key(web: Web, ctx: Context, _form: Form, key_id: str) -> str | Answer:
    """End a key, unless that would open this installation to a network."""
    alive = [key for key in web.control.find_keys() if key.revoked_ns is None]
    if [key.id for key in alive] == [key_id] and _would_open(web):
        text = "This is the last key, and Raywatch listens on the network: without one, anyone could read."
        return _answer(web, ctx, Said("keys", f"{text} Create another one first.", bad=True))
    if not web.control.revoke_key(key_id, web.clock()):
        text = "There is no such key alive; it may be revoked already."
        return _answer(web, ctx, Said("keys", text, bad=True))
    return _here(ctx, "revoked", "keys")


def _would_open(web: Web) -> bool:
    """Whether nobody would be asked for a key any more, on an address that others reach."""
    rows = {row.name: row.value for row in web.configuration.rows()} if web.configuration else {}
    configured = rows.get("api_keys", "(none)") != "(none)"
    reachable = rows.get("host", "localhost") not in _LOOPBACK
    return reachable and rows.get("auth", "auto") == "auto" and not configured


def invite(web: Web, ctx: Context, _form: Form) -> Answer | Response:
    """A link that logs one browser in, once, within a day."""
    if not web.control.has_keys():
        return _answer(
            web, ctx, Said("keys", "Nobody has to log in here, so a link is not needed.", bad=True)
        )
    token = web.control.create_login_token(web.clock())
    text = "Whoever opens this link first, within 24 hours, is logged in. It is shown this once."
    return _once(web, ctx, Said("keys", text, link=token))


def end_sessions(web: Web, ctx: Context, _form: Form) -> Response:
    """Log everyone out but who asks."""
    web.control.end_sessions()
    response = _onward(_here(ctx, "ended", "keys"))
    if web.control.has_keys():
        security.set_session(web, response, web.control.create_session(web.clock()))
    return response


def _once(web: Web, ctx: Context, said: Said, *, enter: bool = False) -> Response:
    """The page with a secret, which no cache keeps. enter: log this browser in."""
    session = web.control.create_session(web.clock()) if enter else ""
    if session:  # the forms of this page belong to the session from the start
        g.visitor, g.new_visitor = session, False
    answer = _answer(web, ctx, said)
    page = render(
        answer.template, page="settings", title=answer.title, data=answer.data, problem=None, **answer.extra
    )
    response = Response(page, 200, content_type=HTML)
    response.headers["Cache-Control"] = "no-store"
    if session:
        security.set_session(web, response, session)
    return response


def appearance(web: Web, ctx: Context, form: Form) -> Answer | Response:
    """Theme and zone, as cookies of this browser."""
    theme, zone = form.get("theme", ""), form.get("tz", "").strip() or "UTC"
    try:
        timerange.find_zone(zone)
    except BadTime as error:
        return _answer(web, ctx, Said("appearance", str(error), bad=True, typed={"tz": zone}))
    shown = replace(ctx, args=tuple(pair for pair in ctx.args if pair[0] != "tz"))
    response = _onward(_here(shown, "appearance", "appearance"))
    if theme in ("light", "dark"):
        response.set_cookie("theme", theme, max_age=YEAR_S, samesite="Lax", path="/")
    else:
        response.delete_cookie("theme", path="/")
    response.set_cookie("tz", zone, max_age=YEAR_S, samesite="Lax", path="/")
    return response


def _onward(target: str) -> Response:
    return cast("Response", redirect(target, 303, Response))


PAGE = Page(
    routes={"/settings": show},
    posts={
        "/settings/keys": create_key,
        "/settings/keys/<key_id>/revoke": revoke_key,
        "/settings/logins": invite,
        "/settings/sessions/end": end_sessions,
        "/settings/appearance": appearance,
        "/settings/save/<section>": save,
    },
)
