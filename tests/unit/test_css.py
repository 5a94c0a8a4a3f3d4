"""Style sheets as they are sent, and what ui.md allows them and our scripts to weigh."""

from __future__ import annotations

import pytest

from dashboard.assets import FOLDER
from dashboard.css import minified

MOST_STYLE, MOST_SCRIPT = 50_000, 60_000


@pytest.mark.parametrize(
    ("css", "sent"),
    [
        ("a { color: red; }", "a{color:red}"),
        ("/* x */ .a > .b,\n.c { margin: 0 auto; padding: 1px }", ".a>.b,.c{margin:0 auto;padding:1px}"),
        ('.a::before { content: "  /* ; } , "; }', '.a::before{content:"  /* ; } , "}'),
        (
            "@media (max-width: 860px) { .a :hover { top: 1px; } }",
            "@media (max-width:860px){.a :hover{top:1px}}",
        ),
        (".a .b:not(.c) { --x:  light-dark(#fff, #000); }", ".a .b:not(.c){--x:light-dark(#fff,#000)}"),
        (".a { width: calc(100% - 16px); }", ".a{width:calc(100% - 16px)}"),
        (".a { grid-template: auto auto / 1fr auto; }", ".a{grid-template:auto auto / 1fr auto}"),
        ("a[title='x,  y'] { top: 0 }", "a[title='x,  y']{top:0}"),
    ],
)
def test_what_is_sent(css: str, sent: str) -> None:
    assert minified(css) == sent
    assert minified(sent) == sent


def test_the_style_sheet_is_within_its_budget() -> None:
    css = (FOLDER / "app.css").read_text()
    sent = minified(css)
    assert len(sent.encode()) <= MOST_STYLE
    assert sent.count("{") == sent.count("}") == css.count("{") - css_in_comments(css)


def css_in_comments(css: str) -> int:
    """Braces that stand in comments."""
    return sum(part.partition("*/")[0].count("{") for part in css.split("/*")[1:])


def test_no_page_loads_more_script_of_ours_than_its_budget() -> None:
    shared = ("app", "dom", "keys", "nav", "palette", "time", "expr", "brush", "table", "morph")
    pages = {"traces": ("traces", "form", "plot"), "trace": ("trace", "rows"), "metrics": ("metrics", "plot")}
    size = {path.stem: path.stat().st_size for path in FOLDER.glob("*.js")}
    for page, own in pages.items():
        assert sum(size[name] for name in (*shared, *own)) <= MOST_SCRIPT, page
