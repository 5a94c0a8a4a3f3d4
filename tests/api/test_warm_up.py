"""The first page of a fresh server finds its templates compiled."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import Environment

from dashboard import create_app, warm_up
from tests.pages.running import serving


def test_the_first_page_compiles_nothing_after_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str | None] = []
    compile_ = Environment.compile

    def counting(self: Environment, source: str, name: str | None = None, *args: Any) -> Any:
        compiled.append(name)
        return compile_(self, source, name, *args)

    monkeypatch.setattr(Environment, "compile", counting)
    with serving() as site:
        app = create_app(site.web)
        warm_up(app)
        assert {"overview.html", "base.html"} <= set(compiled)
        before = len(compiled)
        assert app.test_client().get("/").status_code == 200
        assert compiled[before:] == []
