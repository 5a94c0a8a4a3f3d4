"""Static files under names that change with their content, so that browsers may keep them for ever.

`/static/<version>/app.js`: one version over the whole folder, because modules import each other by relative
names. plotly.min.js comes from the installed package; it is packed once, when first asked for.
"""

from __future__ import annotations

import gzip
import re
from functools import cache
from hashlib import blake2b
from importlib import resources
from pathlib import Path

from flask import Blueprint, Response, abort, request, send_from_directory

FOLDER = Path(__file__).parent / "static"
FOREVER = "public, max-age=31536000, immutable"

assets = Blueprint("assets", __name__)


@cache
def version() -> str:
    digest = blake2b(digest_size=6)
    for path in sorted(p for p in FOLDER.rglob("*") if p.is_file()):
        digest.update(path.relative_to(FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def static_url(name: str) -> str:
    return f"/static/{version()}/{name}"


@cache
def _plotly() -> tuple[bytes, str]:
    script = (resources.files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    return script, blake2b(script, digest_size=6).hexdigest()


@cache
def _plotly_packed() -> bytes:
    return gzip.compress(_plotly()[0], 6, mtime=0)


@cache
def plotly_style_ids() -> tuple[str, ...]:
    """Ids of the style elements that Plotly would add unless the page has an element of that id.

    The policy refuses inline styles; static/plotly.css holds what is needed of them.
    """
    found = re.findall(rb'getElementById\("([0-9a-f]{32,})"\)', _plotly()[0])
    return tuple(sorted({name.decode() for name in found}))


def plotly_url() -> str:
    return f"/static/plotly-{_plotly()[1]}.min.js"


@assets.get("/static/plotly-<tag>.min.js")
def plotly_script(tag: str) -> Response:
    script, known = _plotly()
    if tag != known:
        abort(404)
    packed = request.accept_encodings["gzip"] > 0
    response = Response(_plotly_packed() if packed else script, content_type="text/javascript; charset=utf-8")
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = FOREVER
    return response


@assets.get("/static/<tag>/<path:name>")
def static_file(tag: str, name: str) -> Response:
    response = send_from_directory(FOLDER, name)
    response.headers["Cache-Control"] = FOREVER if tag == version() else "no-cache"
    return response


@assets.get("/favicon.ico")
def favicon() -> Response:
    return send_from_directory(FOLDER, "icon.svg")
