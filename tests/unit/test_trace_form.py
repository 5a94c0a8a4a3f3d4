"""The form beside the expression: read, written, and what it cannot say left alone."""

from __future__ import annotations

import pytest
from hypothesis import given

from collector.errors import QueryError
from collector.query.filters import TRACES, Node, canonical, conjuncts, parse
from dashboard.trace_form import Annotation, read_form, without_part, write_form
from tests.filter_trees import trees

READ = [
    ("", {}, [], []),
    ('service("web")', {"service": "web"}, [], []),
    ('service = "web" AND operation = "GET /"', {"service": "web", "operation": "GET /"}, [], []),
    ("fault", {"outcome": "fault"}, [], []),
    ("error", {"outcome": "error,throttle"}, [], []),
    ("outcome in (fault, ok)", {"outcome": "ok,fault"}, [], []),
    ("duration > 250ms AND duration <= 2", {"dmin": "0.25", "dmax": "2"}, [], []),
    ("responsetime >= 1 responsetime < 3", {"rmin": "1", "rmax": "3"}, [], []),
    ("http.status = 502", {"status": "502"}, [], []),
    (
        "http.status >= 500 AND fault AND http.status <= 599",
        {"status": "500-599", "outcome": "fault"},
        [],
        [],
    ),
    ("http.status > 400", {"status": ">400"}, [], []),
    ("http.status = 502 AND http.status = 503", {}, [], ["http.status = 502", "http.status = 503"]),
    ('http.method = GET AND http.url CONTAINS "/api"', {"method": "GET", "url": "/api"}, [], []),
    ("user = alice", {"user": "alice"}, [], []),
    (
        'annotation.tier = gold AND order > 3 AND id = "7" AND vip exists',
        {},
        [("tier", "=", "gold"), ("order", ">", "3"), ("id", "=", '"7"'), ("vip", "exists", "")],
        [],
    ),
    ('attr["weird key"] != "x y"', {}, [('attr["weird key"]', "!=", "x y")], []),
    ('service("web") { fault } AND fault', {"outcome": "fault"}, [], ['service("web") { fault }']),
    ("fault OR ok", {}, [], ["fault OR ok"]),
    ("!fault AND user = a AND user = b", {"user": "a"}, [], ["!fault", 'user = "b"']),
    ('"timeout" AND ok', {"outcome": "ok"}, [], ['"timeout"']),
]


@pytest.mark.parametrize(("q", "values", "rows", "rest"), READ)
def test_what_the_form_reads(
    q: str, values: dict[str, str], rows: list[tuple[str, str, str]], rest: list[str]
) -> None:
    form = read_form(q)
    assert dict(form.values) == values
    assert list(form.annotations) == [Annotation(*row) for row in rows]
    assert list(form.rest) == rest


WRITTEN = [
    ("", {"service": "web"}, 'service = "web"'),
    ('service("web") AND fault', {"outcome": "ok,fault"}, 'service("web") AND outcome in ("ok", "fault")'),
    ('service("web") AND fault', {"outcome": ""}, 'service("web")'),
    ('service("web")', {"service": "web"}, 'service("web")'),
    (
        'service("web") { ok } AND fault',
        {"service": "pay"},
        'service("web") { ok } AND fault AND service = "pay"',
    ),
    ("a = 1 OR b = 2", {"user": "eve"}, '(a = 1 OR b = 2) AND user = "eve"'),
    ("duration > 1", {"dmin": "250ms"}, "duration >= 0.25"),
    ("", {"status": "5xx"}, "http.status >= 500 AND http.status <= 599"),
    ("http.status >= 500 AND ok AND http.status <= 599", {"status": "404"}, "http.status = 404 AND ok"),
    ("", {"status": ">=400 <500"}, "http.status >= 400 AND http.status < 500"),
    ("", {"url": 'a"b'}, 'http.url contains "a\\"b"'),
    ("fault", {"user": 'x" OR ok OR user = "'}, 'fault AND user = "x\\" OR ok OR user = \\""'),
]


@pytest.mark.parametrize(("q", "values", "expected"), WRITTEN)
def test_what_the_form_writes(q: str, values: dict[str, str], expected: str) -> None:
    assert write_form(q, values) == expected


def test_annotations_are_rows() -> None:
    q = "tier = gold AND ok AND order > 3"
    rows = read_form(q).annotations
    assert write_form(q, {}, rows) == 'ok AND tier = "gold" AND order > 3'
    assert write_form(q, {}, [Annotation("a.b", "contains", "x")]) == 'ok AND a.b contains "x"'
    assert write_form(q, {}, []) == "ok"
    assert (
        write_form("", {}, [Annotation("vip", "=", "true"), Annotation("n", "<", "1.5")])
        == "vip = true AND n < 1.5"
    )
    assert (
        write_form("", {}, [Annotation("n", "=", '"7"'), Annotation("k", "=", "")]) == 'n = "7" AND k exists'
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"dmin": "1 OR ok"}, "Duration from: '1 OR ok' is no time"),
        ({"status": "teapot"}, "Status: 'teapot' is no status"),
        ({"outcome": "bad"}, "Outcome: 'bad' is none of"),
        ({"colour": "red"}, "no field 'colour'"),
    ],
)
def test_what_cannot_be_in_a_field_is_said(values: dict[str, str], words: str) -> None:
    with pytest.raises(QueryError, match=words):
        write_form("", values)


def test_a_keyword_is_no_annotation() -> None:
    with pytest.raises(QueryError, match="is a word of the language"):
        write_form("", {}, [Annotation("duration", ">", "1")])


def test_a_part_can_be_taken_out() -> None:
    assert without_part('service("web") { fault } AND ok', 'service("web") { fault }') == "ok"


@given(trees(TRACES))
def test_an_untouched_form_changes_nothing(tree: Node) -> None:
    text = canonical(tree, TRACES)
    form = read_form(text)
    assert write_form(text, form.values) == text
    again = write_form(text, form.values, form.annotations)
    parts = sorted(canonical(p, TRACES) for p in conjuncts(parse(text, TRACES)))
    assert sorted(canonical(p, TRACES) for p in conjuncts(parse(again, TRACES))) == parts
