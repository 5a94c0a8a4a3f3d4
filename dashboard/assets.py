"""Static files under names that change with their content, so that browsers may keep them for ever.

`/static/<version>/app.js`: one version over the whole folder, because modules import each other by relative
names. plotly.min.js comes from the installed package. Each file is read and packed once, on demand; style
sheets lose their comments and whitespace on the way.
"""

from __future__ import annotations

import gzip
import mimetypes
import re
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib import resources
from pathlib import Path

from flask import Blueprint, Response, abort, request

from dashboard.css import minified

FOLDER = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"
TEXT = ("text/css", "text/javascript", "image/svg+xml", "application/json")

assets = Blueprint("assets", __name__)


@dataclass(frozen=True, slots=True)
class _File:
    """packed: gzip, None where it saves nothing."""

    body: bytes
    packed: bytes | None
    content_type: str


@cache
def version() -> str:
    """Changes when any file of the folder does."""
    digest = blake2b(digest_size=6)
    for path in _paths().values():
        digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def static_url(name: str) -> str:
    return f"/static/{version()}/{name}"


def plotly_url() -> str:
    return f"/static/plotly-{_plotly_tag()}.min.js"


@cache
def plotly_style_ids() -> tuple[str, ...]:
    """Ids of the style elements that Plotly would add unless the page has an element of that id.

    The policy refuses inline styles; static/plotly.css holds what is needed of them.
    """
    found = re.findall(rb'getElementById\("([0-9a-f]{32,})"\)', _plotly_script())
    return tuple(sorted({name.decode() for name in found}))


@cache
def _paths() -> dict[str, Path]:
    files = sorted(p for p in FOLDER.rglob("*") if p.is_file())
    return {path.relative_to(FOLDER).as_posix(): path for path in files}


@cache
def _file(name: str) -> _File:
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if name.endswith(".js"):
        content_type = "text/javascript"
    body = _paths()[name].read_bytes()
    if content_type == "text/css":
        body = minified(body.decode()).encode()
    return _pack(body, content_type)


def _pack(body: bytes, content_type: str) -> _File:
    if content_type not in TEXT:
        return _File(body, None, content_type)
    return _File(body, gzip.compress(body, 6, mtime=0), f"{content_type}; charset=utf-8")


def _plotly_script() -> bytes:
    return (resources.files("plotly") / "package_data" / "plotly.min.js").read_bytes()


@cache
def _plotly_tag() -> str:
    return blake2b(_plotly_script(), digest_size=6).hexdigest()


@cache
def _plotly() -> _File:
    return _pack(_plotly_script(), "text/javascript")


def _sent(file: _File, cache_control: str) -> Response:
    packed = file.packed if request.accept_encodings["gzip"] > 0 else None
    response = Response(packed or file.body, content_type=file.content_type)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = cache_control
    return response


@assets.get("/static/plotly-<tag>.min.js")
def plotly_script(tag: str) -> Response:
    if tag != _plotly_tag():
        abort(404)
    return _sent(_plotly(), FOREVER)


@assets.get("/static/<tag>/<path:name>")
def static_file(tag: str, name: str) -> Response:
    if name not in _paths():
        abort(404)
    return _sent(_file(name), FOREVER if tag == version() else "no-cache")


@assets.get("/favicon.ico")
def favicon() -> Response:
    return _sent(_file("icon.svg"), "max-age=86400")
