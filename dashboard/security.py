"""Who may ask and what a browser may do with the answer: Host check, login, CSRF, headers.

Sessions, login tokens and keys live in the control store. Without any key alive an installation is open
on loopback, as the program refuses to listen elsewhere without one.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import blake2b
from urllib.parse import urlsplit

from flask import Request, Response

from collector.storage.control import SESSION_TTL_NS
from dashboard.web import Web

SESSION_COOKIE = "raywatch_session"
VISITOR_COOKIE = "raywatch_visitor"
SECOND = 1_000_000_000

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def host_allowed(web: Web, host: str) -> bool:
    """Whether a Host header names this installation; a page of a rebound DNS name carries its own name."""
    if web.settings.hosts is None:
        return True
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name.lower() in web.settings.hosts


def logged_in(web: Web, request: Request) -> bool:
    """True on an open installation and for a live session, or for a program that sends an API key."""
    if not web.control.has_keys():
        return True
    now = web.clock()
    token = request.cookies.get(SESSION_COOKIE, "")
    if token and web.control.get_session(token, now) is not None:
        return True
    key = request.headers.get("x-api-key", "") or _bearer(request)
    return bool(key) and web.control.verify_key(key, now) is not None


def _bearer(request: Request) -> str:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def login(web: Web, secret: str) -> str | None:
    """A new session for a one-time token or an API key, None when it is neither."""
    now = web.clock()
    if web.control.use_login_token(secret, now) or web.control.verify_key(secret, now) is not None:
        return web.control.create_session(now)
    return None


def set_session(web: Web, response: Response, token: str) -> None:
    response.set_cookie(
        SESSION_COOKIE, token, max_age=SESSION_TTL_NS // SECOND, httponly=True, samesite="Lax",
        secure=web.settings.secure_cookies, path="/",
    )  # fmt: skip


def set_visitor(web: Web, response: Response, secret: str) -> None:
    response.set_cookie(
        VISITOR_COOKIE, secret, httponly=True, samesite="Lax", secure=web.settings.secure_cookies, path="/"
    )


def visitor(request: Request) -> tuple[str, bool]:
    """What the CSRF token of this browser is made from, and whether it is new and must be set."""
    known = request.cookies.get(SESSION_COOKIE) or request.cookies.get(VISITOR_COOKIE, "")
    return (known, False) if len(known) >= 32 else (secrets.token_urlsafe(32), True)


def csrf_token(visitor_secret: str) -> str:
    """Only who can read the HttpOnly cookie, which is the server alone, can make it."""
    return blake2b(b"csrf", key=visitor_secret.encode()[:64], digest_size=24).hexdigest()


def csrf_ok(request: Request) -> bool:
    """Whether a changing request comes from a page of ours."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    secret, new = visitor(request)
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf", "")
    return not new and hmac.compare_digest(given.encode(), csrf_token(secret).encode())


def safe_next(target: str) -> str:
    """A path of this installation to go on to after a login, never another site."""
    parts = urlsplit(target)
    if (
        parts.scheme
        or parts.netloc
        or not target.startswith("/")
        or target.startswith(("//", "/\\", "/login"))
    ):
        return "/"
    return target
