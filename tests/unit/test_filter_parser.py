"""What expressions mean as trees, and what is said about those that mean nothing."""

from __future__ import annotations

import pytest

from collector.errors import QueryError
from collector.query.filters import LOGS, TRACES, canonical, parse
from collector.query.filters.groups import expand_groups
from collector.query.filters.parser import MAX_DEPTH, MAX_LENGTH, parse_field
from collector.query.filters.tree import (
    And,
    Compare,
    Edge,
    Entity,
    Everything,
    Exists,
    Field,
    Node,
    Not,
    OneSpan,
    Or,
    RootCause,
    RootCauseJson,
    Service,
    Text,
)

OK, FAULT, DURATION, STATUS, URL = (
    Field("keyword", name) for name in ("ok", "fault", "duration", "http.status", "http.url")
)
USER = Field("keyword", "user")
AGE = Field("attribute", "age")
NOTHING = Everything()

XRAY = {
    "responsetime > 5": Compare(Field("keyword", "responsetime"), ">", 5),
    "duration >= 5 AND duration <= 8": And((Compare(DURATION, ">=", 5), Compare(DURATION, "<=", 8))),
    "ok = false": Compare(OK, "=", False),
    "http.status != 200": Compare(STATUS, "!=", 200),
    'http.url CONTAINS "/api/game/"': Compare(URL, "contains", "/api/game/"),
    "http.url AND responseTime > 2": And((Exists(URL), Compare(Field("keyword", "responsetime"), ">", 2))),
    'service("api.example.com") { fault = true OR responsetime > 2.5 } AND annotation.account = "12345"': And(
        (
            Service(
                Entity("api.example.com"),
                Or((Compare(FAULT, "=", True), Compare(Field("keyword", "responsetime"), ">", 2.5))),
            ),
            Compare(Field("attribute", "account"), "=", "12345"),
        )
    ),
    'edge("api.example.com", "backend.example.com") { fault = true }': Edge(
        Entity("api.example.com"), Entity("backend.example.com"), Compare(FAULT, "=", True)
    ),
    'http.url BEGINSWITH "http://a/" AND http.url CONTAINS "/v2/" AND !service("a")': And(
        (
            Compare(URL, "beginswith", "http://a/"),
            Compare(URL, "contains", "/v2/"),
            Not(Service(Entity("a"), NOTHING)),
        )
    ),
    'service(id(type: "AWS::Lambda::Function")) { error }': Service(
        Entity(type="AWS::Lambda::Function"), Exists(Field("keyword", "error"))
    ),
    'service(id(account.id: "123456789012"))': Service(Entity(account="123456789012"), NOTHING),
    "annotation.age > 29": Compare(AGE, ">", 29),
    "!annotation.age": Not(Exists(AGE)),
    'user = "alice"': Compare(USER, "=", "alice"),
    'service("dp") {root = true and fault = true}': Service(
        Entity("dp"), And((Compare(Field("keyword", "root"), "=", True), Compare(FAULT, "=", True)))
    ),
    'service(id(name: "n", type: "t")) { ok = true }': Service(Entity("n", "t"), Compare(OK, "=", True)),
    "annotation[a.b] = 1": Compare(Field("attribute", "a.b"), "=", 1),
    'user CONTAINS ""': Compare(USER, "contains", ""),
    "name = traces": Compare(Field("keyword", "operation"), "=", "traces"),
    'group.name = "high" AND user = "alice"': And(
        (Compare(Field("keyword", "group.name"), "=", "high"), Compare(USER, "=", "alice"))
    ),
    'rootcause.fault.exception { last and message = "denied" }': RootCause(
        "fault",
        "exception",
        And((Exists(Field("keyword", "last")), Compare(Field("keyword", "message"), "=", "denied"))),
    ),
    'rootcause.responsetime.entity { remote and coverage > 0.7 and name = "traces" }': RootCause(
        "responsetime",
        "entity",
        And(
            (
                Exists(Field("keyword", "remote")),
                Compare(Field("keyword", "coverage"), ">", 0.7),
                Compare(Field("keyword", "name"), "=", "traces"),
            )
        ),
    ),
    "RootCause.Error.Service": RootCause("error", "service", NOTHING),
    'rootcause.json = #[{"Services": [{"Name": "a b"}]}]': RootCauseJson('[{"Services":[{"Name":"a b"}]}]'),
    "rootcause.json != #[] ok": And((Not(RootCauseJson("[]")), Exists(OK))),
    'edge(id(name:"www",type:"client"), "b")': Edge(Entity("www", "client"), Entity("b"), NOTHING),
}


@pytest.mark.parametrize(("text", "tree"), XRAY.items(), ids=list(XRAY))
def test_expressions_of_xray(text: str, tree: Node) -> None:
    assert repr(parse(text, TRACES)) == repr(tree)


OWN = {
    "": NOTHING,
    "checkout": Text("checkout"),
    '"time out"': Text("time out"),
    "502": Text("502"),
    "http.route": Exists(Field("attribute", "http.route")),
    "order exists": Exists(Field("attribute", "order")),
    "http.route = /x/{}": None,
    "http.route = /x/:id": Compare(Field("attribute", "http.route"), "=", "/x/:id"),
    "x = 007": Compare(Field("attribute", "x"), "=", "007"),
    "x = true": Compare(Field("attribute", "x"), "=", True),
    'x = "true"': Compare(Field("attribute", "x"), "=", "true"),
    "x contains 5": Compare(Field("attribute", "x"), "contains", "5"),
    "x = -1.5e3": Compare(Field("attribute", "x"), "=", -1500.0),
    "a=1 b=2 or c=3": Or(
        (
            And((Compare(Field("attribute", "a"), "=", 1), Compare(Field("attribute", "b"), "=", 2))),
            Compare(Field("attribute", "c"), "=", 3),
        )
    ),
    "!!ok": Not(Not(Exists(OK))),
    'span("SELECT"){db.rows > 3}': OneSpan("SELECT", Compare(Field("attribute", "db.rows"), ">", 3)),
    "service(){}": Service(Entity(), NOTHING),
    'service(id(name:"a", type:"b", account.id:"c"))': Service(Entity("a", "b", "c"), NOTHING),
    'attr["a.b"] = 1': Compare(Field("attribute", "a.b"), "=", 1),
    'attr["fault"] = 1': Compare(Field("attribute", "fault"), "=", 1),
    "resource.host.name = h": Compare(Field("resource", "host.name"), "=", "h"),
    "resource.arn = h": Compare(Field("keyword", "resource.arn"), "=", "h"),
    "user = 12": Compare(USER, "=", "12"),
    "x == 1": Compare(Field("attribute", "x"), "=", 1),
    "x <> 1": Compare(Field("attribute", "x"), "!=", 1),
    "ok\nAND\nfault": And((Exists(OK), Exists(FAULT))),
}


@pytest.mark.parametrize(("text", "tree"), [(text, tree) for text, tree in OWN.items() if tree is not None])
def test_own_expressions(text: str, tree: Node) -> None:
    assert repr(parse(text, TRACES)) == repr(tree)


ERRORS = [
    # text, line, column, end, part of the message, suggestion
    ("a =", 1, 4, 5, "Expected a value, found the end", ""),
    ("a => 3", 1, 4, 5, "Expected a value, found '>'", ""),
    ("= 3", 1, 1, 2, "A field has to stand before '='", ""),
    ("a = 1 AND", 1, 10, 11, "ends where a condition was expected", ""),
    ("AND a = 1", 1, 1, 4, "A condition has to stand before 'AND'", ""),
    ("http.status contains 5", 1, 13, 21, "http.status cannot be compared with contains", "="),
    ("http.status = ok", 1, 15, 17, "http.status is compared with a number.", ""),
    ("duration > soon", 1, 12, 16, "a number of seconds, or a time like 250ms", ""),
    ("fault = maybe", 1, 9, 14, "fault is either true or false", "true"),
    ("outcome = falt", 1, 11, 15, "one of ok, error, throttle, fault", "fault"),
    ("user > 5", 1, 6, 7, "user cannot be compared with >", "="),
    ('group.name > "x"', 1, 12, 13, "group.name cannot be compared with >", "="),
    ("group.name", 1, 1, 11, "group.name is compared with = or !=", 'group.name = ""'),
    ("service(){group.arn = x}", 1, 11, 20, "group.arn can only be asked outside", ""),
    ("rootcause.fault.service { x = 1 }", 1, 27, 28, "Root causes have no x, but name, type", ""),
    ("rootcause.fault.service { nane = x }", 1, 27, 31, "Root causes have no nane", "name"),
    ("rootcause.fault.service { attr[x] = 1 }", 1, 27, 31, "Root causes have no attributes", ""),
    (
        "rootcause.fault.sevice { last }",
        1,
        1,
        23,
        "fault.sevice is unknown",
        "rootcause.fault.service",
    ),
    (
        "rootcause.responsetime.exception{}",
        1,
        1,
        33,
        "is unknown; there are",
        "rootcause.responsetime.entity",
    ),
    ("rootcause.fault.service = x", 1, 25, 26, "is not compared; what holds on it", "{"),
    ("rootcause.fault.entity { coverage > much }", 1, 37, 41, "coverage is compared with a number", ""),
    ("rootcause.fault.entity { service(x) }", 1, 26, 33, "cannot stand inside the braces", ""),
    ("service() { rootcause.fault.entity }", 1, 13, 35, "cannot stand inside braces", ""),
    ("rootcause.fault.entity { last", 1, 30, 31, "Expected '}'", "}"),
    ("rootcause.json > #[]", 1, 16, 17, "compared with = and !=", "="),
    ("rootcause.json = x", 1, 18, 19, "compared with JSON after a #", '#[{"Services":[{"Name":"…"}]}]'),
    ("rootcause.json = #{}", 1, 18, 21, "compared with a list of objects", "[{}]"),
    ("rootcause.json = #[{]", 1, 21, 22, "This is no JSON: ", ""),
    ("rootcause.json = #[", 1, 19, 20, "This is no JSON: ", ""),
    ('servce("x")', 1, 1, 7, "There is no function servce()", "service"),
    ("a && b", 1, 3, 5, "is written AND here", "AND"),
    ("a || b", 1, 3, 5, "is written OR here", "OR"),
    ('ok "open', 1, 4, 9, "has no closing", '"open"'),
    ("(ok", 1, 4, 5, "Expected ')'", ")"),
    ("ok)", 1, 3, 4, "Did not expect ')'", ""),
    ('service("a"', 1, 12, 13, "Expected ')' after service(", ")"),
    ('service("a"){ok', 1, 16, 17, "Expected '}'", "}"),
    ('service("a"){service("b")}', 1, 14, 21, "cannot stand inside the braces", ""),
    ("root", 1, 1, 5, "root can only be asked inside", "service(){root}"),
    ("service(){partial}", 1, 11, 18, "partial can only be asked outside", ""),
    ("x in ()", 1, 7, 8, "Expected a value", ""),
    ("x in (1 2)", 1, 9, 10, "Expected ','", ","),
    ('"http.route" = 5', 1, 1, 13, "stands without quotes", "http.route"),
    ("ok AND\n  outcome = falt", 2, 13, 17, "one of ok", "fault"),
    ("foo[bar] = 1", 1, 1, 4, "an attribute is attr[…]", "attr"),
    ('service(id(nme:"x"))', 1, 12, 15, "id() takes name, type and account.id", "name"),
    ("trace.id = 12", 1, 12, 14, "is no trace id", ""),
    ("trace.id contains 12", 1, 10, 18, "cannot be compared with contains", "="),
    ("outcome:fault", 1, 1, 14, "compared with =, not with a colon", "outcome = fault"),
    ("x = and", 1, 5, 8, "the word itself is", '"and"'),
    ("x = #[]", 1, 5, 8, "Expected a value, found '[]'", ""),
    ("x = #", 1, 5, 6, "Expected a value, found '#'", ""),
    ('span(id(type:"x"))', 1, 1, 5, "span() takes the name of an operation", ""),
    ("x = 1e999", 1, 5, 10, "too large", '"1e999"'),
]


@pytest.mark.parametrize(("text", "line", "column", "end", "message", "suggestion"), ERRORS)
def test_errors_say_what_is_wrong_and_where(
    text: str, line: int, column: int, end: int, message: str, suggestion: str
) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text, TRACES)
    error = caught.value
    assert message in str(error)
    assert (error.line, error.column, error.end, error.suggestion) == (line, column, end, suggestion)


def test_groups_are_known_by_name_and_arn() -> None:
    groups = {"shop": "", "arn:aws:xray:us-east-1:1:group/shop/X": ""}
    assert parse("group.name = shop", TRACES, groups=groups)
    assert parse('group.arn != "arn:aws:xray:us-east-1:1:group/shop/X"', TRACES, groups=groups)
    with pytest.raises(QueryError, match='no group with the name "shap"') as caught:
        parse('ok AND\n group.name in ("shop", "shap")', TRACES, groups=groups)
    error = caught.value
    assert (error.line, error.column, error.end, error.suggestion) == (2, 25, 31, '"shop"')


def test_groups_stand_for_their_expressions() -> None:
    groups = {
        "bad": "fault OR error",
        "slow": 'duration > 1 !group.name="bad"',
        "Default": "",
        "ring": "group.name=ring",
    }
    expanded = expand_groups(parse("ok group.name = slow", TRACES), groups)
    assert canonical(expanded, TRACES) == "ok AND duration > 1 AND !(fault OR error)"
    assert expand_groups(parse("group.name = Default", TRACES), groups) == NOTHING
    assert canonical(expand_groups(parse("group.name != bad", TRACES), groups), TRACES) == "!(fault OR error)"
    with pytest.raises(QueryError, match="refers to itself"):
        expand_groups(parse("group.name = ring", TRACES), groups)
    with pytest.raises(QueryError, match="no group"):
        expand_groups(parse("group.name = gone", TRACES), groups)


def test_logs_search_bare_words_and_know_their_own_keywords() -> None:
    assert parse("message", LOGS) == Text("message")
    assert parse("fault", LOGS) == Text("fault")
    assert parse("fault = 1", LOGS) == Compare(Field("attribute", "fault"), "=", 1)
    with pytest.raises(QueryError, match="level is one of") as caught:
        parse("level = EROR", LOGS)
    assert caught.value.suggestion == "ERROR"
    with pytest.raises(QueryError, match="no function service") as caught:
        parse('service("x")', LOGS)
    with pytest.raises(QueryError, match="not with a colon") as caught:
        parse("level:ERROR", LOGS)
    assert caught.value.suggestion == "level = ERROR"


@pytest.mark.parametrize(
    "text", ["(" * 10_000, "!" * 10_000 + "ok", "service(){" * 10_000, "x = 1 " * MAX_LENGTH]
)
def test_what_is_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        parse(text, TRACES)


def test_as_deep_as_it_may_be() -> None:
    assert parse("(" * MAX_DEPTH + "ok" + ")" * MAX_DEPTH, TRACES) == Exists(OK)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("http.route", Field("attribute", "http.route")),
        ("operation", Field("keyword", "operation")),
        ('attr["a b"]', Field("attribute", "a b")),
        ("annotation.x", Field("attribute", "x")),
        ("resource.k8s.pod.name", Field("resource", "k8s.pod.name")),
    ],
)
def test_a_field_alone(text: str, field: Field) -> None:
    assert parse_field(text, TRACES) == field


@pytest.mark.parametrize("text", ["", "a b", "(", "a = 1", '"a"'])
def test_what_is_no_field(text: str) -> None:
    with pytest.raises(QueryError):
        parse_field(text, TRACES)
