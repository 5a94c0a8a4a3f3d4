"""The page context: what it reads from a URL and the URLs it makes."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.context import Context, read_context

NOW = 1_795_430_520 * 10**9
DASH = "\N{EN DASH}"
HOUR = 3600 * 10**9


def context(query: str = "", path: str = "/traces", **cookies: str) -> Context:
    return read_context(path, parse_qsl(query, keep_blank_values=True), cookies, NOW)


def params(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query)


def test_the_default_is_the_last_hour() -> None:
    ctx = context()
    assert (ctx.start_ns, ctx.end_ns, ctx.range_text, ctx.zone_name) == (
        NOW - HOUR,
        NOW,
        f"09:42 {DASH} 10:42",
        "UTC",
    )
    assert ctx.url() == "/traces"


def test_range_and_zone_go_along_to_other_pages_and_the_rest_stays() -> None:
    ctx = context("from=-3h&q=fault&sel=x&tz=Europe/Berlin&sort=-duration")
    assert ctx.url("/logs", q="service = a") == "/logs?from=-3h&tz=Europe/Berlin&q=service%20%3D%20a"
    assert params(ctx.url(sel=None, cursor="c")) == [
        ("from", "-3h"), ("q", "fault"), ("tz", "Europe/Berlin"), ("sort", "-duration"), ("cursor", "c"),
    ]  # fmt: skip


def test_repeated_parameters_are_kept_and_replaced_together() -> None:
    ctx = context("group=a&group=b&q=x", "/logs")
    assert ctx.all("group") == ("a", "b")
    assert params(ctx.url(group=["b", "c"])) == [("q", "x"), ("group", "b"), ("group", "c")]


def test_what_cannot_be_read_is_said_and_the_default_shown() -> None:
    ctx = context("from=soon&to=now&tz=Mars")
    assert ctx.end_ns - ctx.start_ns == HOUR
    assert [note.split(".")[0] for note in ctx.notes] == [
        "There is no time zone named 'Mars'",
        "'soon' is no time",
    ]
    assert "soon" not in ctx.url()


def test_a_permalink_is_absolute_and_names_its_zone() -> None:
    assert (
        context("from=-1h").permalink() == "/traces?from=2026-11-23T09:42:00Z&to=2026-11-23T10:42:00Z&tz=UTC"
    )


def test_columns_cycle_through_descending_ascending_and_default() -> None:
    steps, query = [], ""
    for _ in range(3):
        url = context(query).sort_url("p95")
        query = urlsplit(url).query
        steps.append(query)
    assert steps == ["sort=-p95", "sort=p95", ""]
    assert context("sort=-p95").sort_state("p95") == "descending"


def test_links_say_the_moment_that_a_text_meant() -> None:
    assert context("from=yesterday 14:00&to=now").url() == "/traces?from=2026-11-22T14:00:00Z"
    assert context("from=-90m").url() == "/traces?from=-90m"


def test_an_unknown_zone_in_a_cookie_is_nobodys_business() -> None:
    ctx = context(tz="Mars/Olympus")
    assert (ctx.tz, ctx.notes) == ("UTC", ())


def test_cookies_give_zone_and_theme_and_the_url_wins() -> None:
    assert context(tz="Europe/Berlin", theme="dark").tz == "Europe/Berlin"
    assert context("tz=UTC", tz="Europe/Berlin").tz == "UTC"
    assert context(theme='"><script>').theme == ""


@pytest.mark.parametrize(
    ("text", "value"), [("1.5", 1.5), ("", None), ("x", None), ("nan", None), ("inf", None)]
)
def test_numbers_are_finite_or_none(text: str, value: float | None) -> None:
    assert context(f"dmin={text}").number("dmin") == value


@given(
    st.lists(
        st.tuples(st.sampled_from(["q", "sel", "group", "view"]), st.text(min_size=1, max_size=20)),
        max_size=6,
    )
)
def test_a_url_read_again_gives_the_same_parameters(pairs: list[tuple[str, str]]) -> None:
    clean = [(k, v.encode("utf-8", "replace").decode()) for k, v in pairs]
    ctx = read_context("/logs", clean, {}, NOW)
    again = read_context("/logs", parse_qsl(urlsplit(ctx.url()).query, keep_blank_values=True), {}, NOW)
    assert again.args == ctx.args
