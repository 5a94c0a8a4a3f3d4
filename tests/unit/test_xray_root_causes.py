"""Root causes of faults, errors and response time (section 6.6 of X-Ray's specification)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.query.filters import TRACES, parse
from collector.query.filters.causes import holds
from collector.query.filters.tree import Not, RootCause, RootCauseJson
from collector.query.xray.documents import trace_documents
from collector.query.xray.documents_merge import Original
from collector.query.xray.root_causes import RootCauses, alone_times, cause_members, root_causes
from tests.span_rows import Made
from tests.xray_rows import below, document, trace_of


def causes(*documents: dict[str, Any], slow_ns: int = 0) -> RootCauses:
    """The root causes of a trace of these documents."""
    originals = [Original(orjson.dumps(each).decode(), at) for at, each in enumerate(documents)]
    trace = trace_of([Made(1, int(documents[0]["id"], 16))])
    return root_causes(trace_documents(trace, originals), slow_ns=slow_ns)


def paths(found: Any) -> list[list[tuple[str, list[str]]]]:
    """Names of services, each with the names of its entities."""
    return [[(s.id.name, [e.name for e in s.entities]) for s in cause.services] for cause in found]


DENIED = {"exceptions": [{"id": "e" * 16, "type": "Denied", "message": "denied"}]}
WEB = document(
    1, 1, 0, 10, name="web", origin="AWS::ECS::Container", fault=True, cause="e" * 16,
    aws={"account_id": "123456789012"},
    subsegments=[
        below(2, 0, 1, name="cache", namespace="remote", fault=True),
        below(3, 1, 9, name="work", fault=True, subsegments=[below(4, 2, 9, name="pay", namespace="remote",
        fault=True)]),
    ],
)  # fmt: skip
PAY = document(
    1, 5, 2, 8, parent=4, name="pay", fault=True,
    subsegments=[
        below(6, 3, 8, name="DynamoDB", namespace="aws", fault=True, cause=DENIED,
        aws={"table_name": "orders"}),
        below(7, 7, 8, name="late"),
    ],
)  # fmt: skip


def test_the_path_of_a_fault_leads_through_services_to_where_it_began() -> None:
    (cause,) = causes(WEB, PAY).fault
    assert cause.client_impacting
    assert cause_members("fault", cause) == {
        "ClientImpacting": True,
        "Services": [
            {
                "Name": "web", "Names": ["web"], "Type": "AWS::ECS::Container", "AccountId": "123456789012",
                "Inferred": False,
                "EntityPath": [
                    {"Name": "web", "Exceptions": [{"Name": "Denied", "Message": "denied"}], "Remote": False},
                    {"Name": "work", "Exceptions": [], "Remote": False},
                    {"Name": "pay", "Exceptions": [], "Remote": True},
                ],
            },
            {
                "Name": "pay", "Names": ["pay"], "Inferred": False,
                "EntityPath": [
                    {"Name": "pay", "Exceptions": [], "Remote": False},
                    {"Name": "DynamoDB", "Exceptions": [{"Name": "Denied", "Message": "denied"}],
                    "Remote": True},
                ],
            },
            {
                "Name": "orders", "Names": ["orders"], "Type": "AWS::DynamoDB::Table", "Inferred": True,
                "EntityPath": [{"Name": "DynamoDB", "Exceptions": [], "Remote": False}],
            },
        ],
    }  # fmt: skip


def test_a_fault_that_was_handled_does_not_touch_the_client() -> None:
    handled = document(
        1, 1, name="web", subsegments=[below(2, name="a", subsegments=[below(3, name="b", fault=True)])]
    )
    (cause,) = causes(handled).fault
    assert (cause.client_impacting, paths([cause])) == (False, [[("web", ["web", "a", "b"])]])


def test_of_equally_deep_faults_the_last_counts_and_the_path_stops_where_nobody_below_failed() -> None:
    twice = document(
        1, 1, name="web", fault=True,
        subsegments=[below(2, 0, name="a", fault=True), below(3, 1, name="b", fault=True,
        subsegments=[below(4)])],
    )  # fmt: skip
    assert paths(causes(twice).fault) == [[("web", ["web", "b"])]]


def test_errors_and_throttles_are_errors() -> None:
    failed = document(1, 1, name="web", error=True, subsegments=[below(2, name="a", throttle=True)])
    found = causes(failed)
    assert paths(found.error) == [[("web", ["web", "a"])]]
    assert found.fault == ()


def test_the_path_of_time_follows_the_child_with_most_of_it_to_itself() -> None:
    slow = document(
        1, 1, 0, 10, name="web",
        subsegments=[
            below(2, 0, 3.5, name="early"), below(3, 3, 9.5, name="api", namespace="remote"), below(4, 9,
            10, name="x"),
        ],
    )  # fmt: skip
    callee = document(1, 5, 3.5, 9.5, parent=3, name="api", subsegments=[below(6, 4, 6, name="half")])
    (cause,) = causes(slow, callee).responsetime
    found = cause_members("responsetime", cause)
    assert paths([cause]) == [[("web", ["web", "api"]), ("api", ["api"])]]
    assert [
        [each["Coverage"] for each in service["EntityPath"]]
        for service in found["Services"]  # type: ignore[attr-defined]
    ] == [[1.0, 0.55], [0.55]]


def test_without_a_child_that_takes_more_than_half_the_path_ends() -> None:
    even = document(1, 1, 0, 10, subsegments=[below(2, 0, 5), below(3, 5, 10)])
    assert paths(causes(even).responsetime) == [[("shop", ["shop"])]]


def test_nothing_is_said_of_the_time_of_fast_traces_and_of_those_in_progress() -> None:
    assert causes(document(1, 1, 0, 1), slow_ns=1_000_000_000).responsetime != ()
    assert causes(document(1, 1, 0, 1), slow_ns=1_000_000_001).responsetime == ()
    assert causes(document(1, 1, 0, None)).responsetime == ()
    assert causes(document(1, 1, 3, 2)).responsetime == ()


INTERVALS = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 20)).map(lambda each: (min(each), max(each))), max_size=6
)


@settings(deadline=None)
@given(intervals=INTERVALS)
def test_time_alone_is_time_in_which_nobody_else_runs(intervals: list[tuple[int, int]]) -> None:
    ticks = [set(range(begin, end)) for begin, end in intervals]
    expected = [
        len(own - set().union(*(other for place, other in enumerate(ticks) if place != at)))
        for at, own in enumerate(ticks)
    ]
    assert alone_times([(float(begin), float(end)) for begin, end in intervals]) == expected


FOUND = causes(WEB, PAY)
MEANINGS = [
    ("rootcause.fault.service { name = \"pay\" }", True),
    ("rootcause.fault.service { name = \"pay\" and first }", False),
    ("rootcause.fault.service { name = \"web\" and first and index = 0 }", True),
    ("rootcause.fault.service { inferred and type = \"AWS::DynamoDB::Table\" and last }", True),
    ("rootcause.fault.service { account.id = \"123456789012\" }", True),
    ("rootcause.fault.service { type != \"x\" and name = \"pay\" }", False),
    ("rootcause.fault.entity { remote and name = pay }", True),
    ("rootcause.fault.entity { remote = false and name = DynamoDB and first }", True),
    ("rootcause.fault.entity { name beginswith \"wo\" }", True),
    ("rootcause.fault.entity { name in (nobody, work) }", True),
    ("rootcause.fault.entity { index > 2 }", False),
    ("rootcause.fault.entity { index >= 2 }", True),
    ("rootcause.fault.exception { last and message = \"denied\" }", True),
    ("rootcause.fault.exception { message contains \"no\" }", False),
    ("rootcause.fault.exception { name endswith \"ied\" !remote }", True),
    ("rootcause.fault.service", True),
    ("rootcause.error.service", False),
    ("rootcause.responsetime.entity { coverage > 0.7 and name = web }", True),
    ("rootcause.responsetime.entity { remote and coverage > 0.99 }", False),
    ("rootcause.responsetime.service { last and name = orders }", True),
    ('rootcause.json = #[{"Services":[{"Name":"web"},{"Name":"pay"},{"Name":"orders"}]}]', True),
    ('rootcause.json = #[{"Services":[{"Name":"web"},{"Name":"pay"}]}]', False),
    ('rootcause.json = #[{"Services":[{},{"EntityPath":[{},{"Name":"DynamoDB"}]},{}]}]', True),
    ('rootcause.json = #[{"Services":[{},{"EntityPath":[{"Name":"DynamoDB"}]},{}]}]', False),
    ('rootcause.json = #[{"ClientImpacting":true}]', True),
    ('rootcause.json = #[{"Unknown":1}]', False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MEANINGS)
def test_conditions_on_root_causes(text: str, expected: bool) -> None:
    node = parse(text, TRACES)
    assert isinstance(node, RootCause | RootCauseJson)
    assert holds(node, FOUND) == expected
    negated = parse(f"!({text})", TRACES)
    assert isinstance(negated, Not)


@settings(deadline=None)
@given(
    documents=st.lists(
        st.tuples(st.integers(1, 6), st.integers(1, 6), st.booleans(), st.booleans()), min_size=1, max_size=8
    )
)
def test_any_documents_have_root_causes_and_every_failure_is_on_a_path_or_below_one(
    documents: list[tuple[int, int, bool, bool]],
) -> None:
    sent = []
    for id_, parent, alone, fault in documents:
        more: dict[str, Any] = {"type": "subsegment"} if alone else {}
        sent.append(document(1, id_, name=str(id_), parent=parent, fault=fault, **more))
    found = causes(*sent)
    assert bool(found.fault) == any(
        each.get("fault")
        for each in trace_documents(
            trace_of([Made(1, 1)]),
            [Original(orjson.dumps(each).decode(), at) for at, each in enumerate(sent)],
        ).documents
        for each in _all(each)
    )


def _all(node: Any) -> list[Any]:
    return [node, *(each for child in node.get("subsegments", ()) for each in _all(child))]
