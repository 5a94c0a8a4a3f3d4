"""The operations GetServiceGraph, GetTraceGraph and GetTimeSeriesServiceStatistics over a real store.

Every answer is checked against the output shape of botocore's model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from collector.query.xray.nodes import ServiceId
from collector.query.xray.time_series import Band, Forecast
from collector.request import Outcome, Request
from collector.storage import Store, StoreOptions, open_store
from collector.storage.control import Control
from dashboard.aws import xray_graphs
from dashboard.aws.call import AwsError, Call, Parts
from tests.span_rows import Made, trace_id, traces_batch
from tests.storing import MINUTE, NOON, SECOND

MODEL = ServiceModel(Loader().load_service_model("xray", "service-2"))
BEGIN = NOON // SECOND
RANGE = {"StartTime": float(BEGIN), "EndTime": float(BEGIN + 300)}
CALL = Call("123456789012", "eu-central-1", 0, "", "tests", "r", NOON + 10 * MINUTE)
ECS = {"aws.xray.origin": "AWS::ECS::Container"}


class SomeGroups:
    """Two groups."""

    def find_group(self, tenant: int, name_or_arn: str) -> str | None:
        assert tenant == 0
        known = {
            "Default": "",
            "payments": 'service("pay")',
            "arn:aws:xray:eu:1:group/x/ABC": 'service("batch")',
        }
        return known.get(name_or_arn)


class SomeForecasts:
    """Knows of one group."""

    def forecast(self, tenant: int, name_or_arn: str) -> Forecast | None:
        assert tenant == 0

        def expected(services: Any, at_ns: int, period_ns: int) -> Band | None:
            assert [type(each) for each in services] == [ServiceId]
            return Band(1, 4) if at_ns == NOON and period_ns == MINUTE else None

        return expected if name_or_arn == "payments" else None


def _refused(_: Request) -> Outcome:
    raise AssertionError("a question sends nothing")


@pytest.fixture
def store() -> Iterator[Store]:
    """A store with two traces in two minutes."""
    found = open_store(":memory:", StoreOptions(background=False))
    found.start()
    found.write(
        traces_batch(
            [
                Made(1, 1, 0, 0, 100, "web", resource=ECS, outcome="error"),
                Made(1, 2, 1, 5, 80.4, "web", kind="client", peer="pay:80", outcome="fault", resource=ECS),
                Made(1, 3, 2, 10, 60, "pay", outcome="throttle"),
                Made(1, 4, 3, 20, 8, "pay", kind="client", peer="orders", peer_type="AWS::DynamoDB::Table"),
                Made(1, 5, 3, 30, 2, "pay", kind="client", peer="SQS", peer_type="AWS::SQS"),
                Made(2, 6, 0, 61_000, 20, "batch", kind="consumer", links=[(1, 5)]),
            ]
        )
    )
    found.settle(remote=True)
    yield found
    found.close()


def parts(store: Store, **others: Any) -> Parts:
    return Parts(store, Control(":memory:"), _refused, others={"groups": SomeGroups(), **others})


def ask(operation: str, members: Mapping[str, Any], found: Parts, call: Call = CALL) -> Any:
    """The answer, as the front would write it, once it has been checked."""
    answer = _without_none(xray_graphs.OPERATIONS[operation](found, call, members))
    shape = MODEL.operation_model(operation).output_shape
    assert not ParamValidator().validate(answer, shape).has_errors()
    return answer


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def stats(
    seconds: float, *, ok: int = 0, throttle: int = 0, error: int = 0, fault: int = 0
) -> dict[str, Any]:
    return {
        "OkCount": ok,
        "ErrorStatistics": {"ThrottleCount": throttle, "OtherCount": error, "TotalCount": throttle + error},
        "FaultStatistics": {"OtherCount": fault, "TotalCount": fault},
        "TotalCount": ok + throttle + error + fault,
        "TotalResponseTime": seconds,
    }


def once(seconds: float) -> list[dict[str, Any]]:
    return [{"Value": seconds, "Count": 1}]


def row(second: int, of: str, seconds: float, **counts: int) -> dict[str, Any]:
    figures = {f"{of}SummaryStatistics": stats(seconds, **counts)}
    return {"Timestamp": second, **figures, "ResponseTimeHistogram": once(seconds)}


def test_a_service_graph_whole(store: Store) -> None:
    answer = ask("GetServiceGraph", RANGE, parts(store))
    services = {(each["Name"], each.get("Type")): each for each in answer["Services"]}
    ids = {key: each["ReferenceId"] for key, each in services.items()}
    assert sorted(ids.values()) == list(range(7))
    web, own, sqs = ("web", "client"), ("web", "AWS::ECS::Container"), ("SQS", "AWS::SQS")
    assert services[web] == {
        "ReferenceId": ids[web], "Name": "web", "Names": ["web"], "Type": "client", "State": "unknown",
        "StartTime": BEGIN, "EndTime": BEGIN + 1, "DurationHistogram": [], "ResponseTimeHistogram": [],
        "Edges": [
            {
                "ReferenceId": ids[own], "StartTime": BEGIN, "EndTime": BEGIN + 1,
                "SummaryStatistics": stats(0.1, error=1), "ResponseTimeHistogram": once(0.1), "Aliases": [],
            }
        ],
    }  # fmt: skip
    assert services[own] == {
        "ReferenceId": ids[own], "Name": "web", "Names": ["web"], "Root": True, "Type": "AWS::ECS::Container",
        "State": "active", "StartTime": BEGIN, "EndTime": BEGIN + 1, "SummaryStatistics": stats(0.1, error=1),
        "DurationHistogram": once(0.1), "ResponseTimeHistogram": once(0.1),
        "Edges": [
            {
                "ReferenceId": ids["pay", None], "StartTime": BEGIN, "EndTime": BEGIN + 1,
                "SummaryStatistics": stats(0.0804, fault=1), "ResponseTimeHistogram": once(0.08),
                "Aliases": [{"Name": "pay:80", "Names": ["pay:80"], "Type": "remote"}],
            }
        ],
    }  # fmt: skip
    assert services["pay", None]["SummaryStatistics"] == stats(0.06, throttle=1)
    assert services["orders", "AWS::DynamoDB::Table"]["State"] == "unknown"
    assert services["orders", "AWS::DynamoDB::Table"]["SummaryStatistics"] == stats(0.008, ok=1)
    assert services["orders", "AWS::DynamoDB::Table"]["Edges"] == []
    assert services[sqs]["Edges"] == [
        {
            "ReferenceId": ids["batch", None], "StartTime": BEGIN + 61, "EndTime": BEGIN + 62,
            "EdgeType": "link", "SummaryStatistics": stats(0.02, ok=1), "ResponseTimeHistogram": [],
            "Aliases": [], "ReceivedEventAgeHistogram": once(60.97),
        }
    ]  # fmt: skip
    assert (answer["StartTime"], answer["EndTime"]) == (BEGIN, BEGIN + 61.02)
    assert answer["ContainsOldGroupVersions"] is False
    assert "NextToken" not in answer


def test_every_node_can_be_drawn_by_grafana(store: Store) -> None:
    for service in ask("GetServiceGraph", RANGE, parts(store))["Services"]:
        assert service.get("SummaryStatistics") or service["Edges"][0]["SummaryStatistics"]
        assert isinstance(service["ResponseTimeHistogram"], list)
        assert isinstance(service["DurationHistogram"], list)
        assert service["EndTime"] > service["StartTime"]


def test_a_graph_of_a_group(store: Store) -> None:
    named = ask("GetServiceGraph", {**RANGE, "GroupName": "payments"}, parts(store))
    assert {each["Name"] for each in named["Services"]} == {"web", "pay", "orders", "SQS"}
    by_arn = ask("GetServiceGraph", {**RANGE, "GroupARN": "arn:aws:xray:eu:1:group/x/ABC"}, parts(store))
    assert "batch" in {each["Name"] for each in by_arn["Services"]}
    everything = ask("GetServiceGraph", {**RANGE, "GroupName": "Default"}, parts(store))
    assert everything == ask("GetServiceGraph", RANGE, parts(store))


def test_a_trace_graph(store: Store) -> None:
    answer = ask("GetTraceGraph", {"TraceIds": [trace_id(1), trace_id(9)]}, parts(store))
    assert {each["Name"] for each in answer["Services"]} == {"web", "pay", "orders", "SQS"}
    whole = ask("GetTraceGraph", {"TraceIds": [trace_id(1), trace_id(2)]}, parts(store))
    assert whole["Services"] == ask("GetServiceGraph", RANGE, parts(store))["Services"]
    assert ask("GetTraceGraph", {"TraceIds": [trace_id(9)]}, parts(store)) == {"Services": []}


def test_numbers_of_nodes_are_unique_over_pages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ask("GetServiceGraph", RANGE, parts(store))["Services"]
    monkeypatch.setattr(xray_graphs, "PAGE_NODES", 3)
    for operation, asked in (
        ("GetServiceGraph", RANGE),
        ("GetTraceGraph", {"TraceIds": [trace_id(1), trace_id(2)]}),
    ):
        found: list[Any] = []
        token = None
        while True:
            page = ask(operation, {**asked, "NextToken": token} if token else asked, parts(store))
            assert len(page["Services"]) <= 3
            found += page["Services"]
            token = page.get("NextToken")
            if not token:
                break
        assert found == whole


def test_a_later_page_looks_at_what_the_first_one_saw(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xray_graphs, "PAGE_NODES", 3)
    call = Call("123456789012", "eu-central-1", 0, "", "tests", "r", NOON + 2 * MINUTE)
    first = ask("GetServiceGraph", RANGE, parts(store), call)
    store.write(traces_batch([Made(3, 9, 0, 3 * 60_000, 5, "a new one")]))
    store.settle(remote=True)
    second = ask("GetServiceGraph", {**RANGE, "NextToken": first["NextToken"]}, parts(store))
    assert [each["ReferenceId"] for each in second["Services"]] == [3, 4, 5]
    assert "a new one" in {each["Name"] for each in ask("GetServiceGraph", RANGE, parts(store))["Services"]}


def test_figures_over_time(store: Store) -> None:
    def series(**members: Any) -> Any:
        return ask("GetTimeSeriesServiceStatistics", {**RANGE, **members}, parts(store))[
            "TimeSeriesServiceStatistics"
        ]

    assert series() == [
        row(BEGIN, "Edge", 0.1, error=1),
        row(BEGIN + 60, "Edge", 0.02, ok=1),
    ]
    assert [each["Timestamp"] for each in series(Period=300)] == [BEGIN]
    assert series(Period=300)[0]["EdgeSummaryStatistics"] == stats(0.12, ok=1, error=1)
    assert series(EntitySelectorExpression='service("pay")') == [row(BEGIN, "Service", 0.06, throttle=1)]


@pytest.mark.parametrize(
    ("selector", "which", "expected"),
    [
        ('id(name: "pay")', "Service", stats(0.06, throttle=1)),
        ('service(id(name: "web", type: "AWS::ECS::Container"))', "Service", stats(0.1, error=1)),
        ('service(id(type: "AWS::DynamoDB::Table"))', "Service", stats(0.008, ok=1)),
        ('service("pay") OR service("orders")', "Service", stats(0.068, ok=1, throttle=1)),
        ('edge("web", "pay")', "Edge", stats(0.0804, fault=1)),
        ('edge(id(name: "web", type: "client"), id(name: "web"))', "Edge", stats(0.1, error=1)),
        ('edge("pay", id(type: "AWS::SQS"))', "Edge", stats(0.002, ok=1)),
        ('edge(id(type: "client"), "batch")', "Edge", stats(0.02, ok=1)),
        ('service("nobody")', "Service", None),
        ('service(id(account.id: "999999999999"))', "Service", None),
    ],
)
def test_selectors(store: Store, selector: str, which: str, expected: Any) -> None:
    asked = {**RANGE, "Period": 300, "EntitySelectorExpression": selector}
    rows = ask("GetTimeSeriesServiceStatistics", asked, parts(store))["TimeSeriesServiceStatistics"]
    assert [row[f"{which}SummaryStatistics"] for row in rows] == ([expected] if expected else [])


def test_a_series_of_a_group_and_its_forecast(store: Store) -> None:
    asked = {
        **RANGE, "GroupName": "payments", "EntitySelectorExpression": 'service("pay")',
        "ForecastStatistics": True,
    }  # fmt: skip
    rows = ask("GetTimeSeriesServiceStatistics", asked, parts(store, forecasts=SomeForecasts()))
    assert rows["TimeSeriesServiceStatistics"][0]["ServiceForecastStatistics"] == {
        "FaultCountHigh": 4, "FaultCountLow": 1,
    }  # fmt: skip
    for others in ({}, {"forecasts": SomeForecasts()}):
        silent = ask(
            "GetTimeSeriesServiceStatistics", {**asked, "GroupName": "Default"}, parts(store, **others)
        )
        assert "ServiceForecastStatistics" not in silent["TimeSeriesServiceStatistics"][0]


@pytest.mark.parametrize(
    ("operation", "members", "said"),
    [
        ("GetServiceGraph", {"EndTime": BEGIN - 1.0}, "EndTime lies before StartTime"),
        ("GetServiceGraph", {"EndTime": BEGIN + 6 * 3600 + 1.0}, "Time range cannot be longer than 6 hours"),
        ("GetServiceGraph", {"GroupName": "none"}, "no group 'none'"),
        ("GetServiceGraph", {"GroupARN": "arn:none"}, "no group 'arn:none'"),
        ("GetServiceGraph", {"GroupName": "payments", "GroupARN": "arn:x"}, "not by both"),
        ("GetServiceGraph", {"NextToken": "x"}, "NextToken is none"),
        ("GetServiceGraph", {"NextToken": "WzEsMiwzXQ=="}, "NextToken is none"),
        ("GetTraceGraph", {"TraceIds": ["1-2-3"]}, "no trace id"),
        ("GetTimeSeriesServiceStatistics", {"Period": 0}, "Period is 0"),
        ("GetTimeSeriesServiceStatistics", {"EntitySelectorExpression": "service("}, "line 1, column 9"),
        ("GetTimeSeriesServiceStatistics", {"EntitySelectorExpression": "fault"}, "names services or edges"),
        (
            "GetTimeSeriesServiceStatistics",
            {"EntitySelectorExpression": 'service("a"){fault}'},
            "without braces",
        ),
        (
            "GetTimeSeriesServiceStatistics",
            {"EntitySelectorExpression": 'service("a") OR edge("a", "b")'},
            "one kind",
        ),
        ("GetTimeSeriesServiceStatistics", {"ForecastStatistics": True}, "ForecastStatistics needs"),
        ("GetTimeSeriesServiceStatistics", {"EndTime": BEGIN - 1.0}, "EndTime lies before"),
    ],
)
def test_what_is_wrong_is_said(store: Store, operation: str, members: dict[str, Any], said: str) -> None:
    asked = {**RANGE, **members} if operation != "GetTraceGraph" else members
    with pytest.raises(AwsError, match=said) as caught:
        ask(operation, asked, parts(store, strict=True))
    assert (caught.value.code, caught.value.status) == ("InvalidRequestException", 400)


def test_long_ranges_are_answered_where_the_limits_are_off(store: Store) -> None:
    asked = {"StartTime": BEGIN - 86_400.0, "EndTime": BEGIN + 86_400.0}
    assert ask("GetServiceGraph", asked, parts(store))["Services"]


def test_an_empty_range(store: Store) -> None:
    asked = {"StartTime": BEGIN - 600.0, "EndTime": BEGIN - 300.0}
    answer = ask("GetServiceGraph", asked, parts(store))
    assert answer["Services"] == []
    assert (answer["StartTime"], answer["EndTime"]) == (BEGIN - 600, BEGIN - 300)
    assert ask("GetTimeSeriesServiceStatistics", asked, parts(store))["TimeSeriesServiceStatistics"] == []


def test_without_groups_there_is_only_the_default_one(store: Store) -> None:
    bare = Parts(store, Control(":memory:"), _refused)
    assert ask("GetServiceGraph", {**RANGE, "GroupName": "Default"}, bare)["Services"]
    with pytest.raises(AwsError, match="no group"):
        ask("GetServiceGraph", {**RANGE, "GroupName": "payments"}, bare)
