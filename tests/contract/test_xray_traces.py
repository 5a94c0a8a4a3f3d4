"""X-Ray's operations about traces over a real store and control database: every member of every answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import botocore.session
import orjson
import pytest
from botocore.model import ServiceModel, Shape
from botocore.validate import validate_parameters

from collector.errors import QueryError
from collector.query.model_traces import TraceSelection
from collector.query.trace import get_trace
from collector.query.traces import find_traces
from collector.query.xray.documents_infer import inferred_id
from collector.query.xray.load import get_stored
from collector.request import Outcome
from collector.storage import Store, StoreOptions, open_store
from collector.storage.control import Control
from collector.storage.control_retrievals import LIFE_NS
from dashboard.aws.call import AwsError, Call, Parts
from dashboard.aws.xray_traces import GROUP_EXPRESSIONS, OPERATIONS
from tests.span_rows import Made, span_id, trace_id, traces_batch
from tests.storing import NOON, SECOND
from tests.xray_documents import decode
from tests.xray_rows import START, below, document, documents_batch, xray_id

MODEL: ServiceModel = botocore.session.get_session().get_service_model("xray")
CALL = Call("123456789012", "us-east-1", 0, "", "tests", "r", NOON + 100 * SECOND)
RANGE = {"StartTime": START - 60, "EndTime": START + 60}


@pytest.fixture
def parts() -> Iterator[Parts]:
    """An empty store and control database."""
    store = open_store(":memory:", StoreOptions(background=False))
    control = Control(":memory:")
    store.start()
    control.start()
    yield Parts(store, control, lambda _: Outcome(), others={})
    control.close()
    store.close()


def ask(parts: Parts, operation: str, call: Call = CALL, **members: Any) -> dict[str, Any]:
    """The answer of an operation, as far as it is there, held to botocore's output shape."""
    answer = _without_none(OPERATIONS[operation](parts, call, members))
    shape = MODEL.operation_model(operation).output_shape
    known_members(answer, shape)
    validate_parameters(answer, shape)
    assert isinstance(answer, dict)
    return answer


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(each) for name, each in value.items() if each is not None}
    return [_without_none(each) for each in value] if isinstance(value, list) else value


def known_members(value: Any, shape: Shape) -> None:
    """Nothing is answered that the model does not have."""
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members)
        for name, each in value.items():
            known_members(each, shape.members[name])
    elif shape.type_name == "list":
        for each in value:
            known_members(each, shape.member)
    elif shape.type_name == "map":
        for each in value.values():
            known_members(each, shape.value)


def refused(parts: Parts, operation: str, call: Call = CALL, **members: Any) -> AwsError:
    """The error that an operation answers."""
    with pytest.raises(AwsError) as caught:
        OPERATIONS[operation](parts, call, members)
    return caught.value


def keep(store: Store, number: int, *documents: dict[str, Any]) -> None:
    """Commit documents of a trace."""
    store.write(documents_batch(number, documents))
    store.settle()


CALLED = below(
    2, 0.1, 0.4, name="pay", namespace="remote", http={"request": {"url": "http://pay/"}}, error=True
)
WEB = document(
    1, 1, 0, 0.5, name="web", origin="AWS::EC2::Instance", user="alice", error=True,
    resource_arn="arn:aws:x:web",
    http={
        "request": {"method": "POST", "url": "http://web/pay", "user_agent": "curl", "client_ip": "10.0.0.1"},
        "response": {"status": 404},
    },
    aws={"account_id": "123456789012", "ec2": {"instance_id": "i-1", "availability_zone": "us-east-1a"}},
    annotations={"tier": "gold", "age": 29, "vip": True}, subsegments=[CALLED],
)  # fmt: skip
PAY = document(
    1, 3, 0.2, 0.3, parent=2, name="pay", throttle=True, error=True, annotations={"age": 30, "tier": "gold"}
)


# BatchGetTraces


def test_documents_of_a_trace(parts: Parts) -> None:
    keep(
        parts.store,
        1,
        {**WEB, "subsegments": []},
        document(1, 2, 0.1, 0.4, parent=1, type="subsegment", namespace="aws"),
    )
    answer = ask(parts, "BatchGetTraces", TraceIds=[xray_id(1)])
    assert answer["UnprocessedTraceIds"] == []
    (trace,) = answer["Traces"]
    assert (trace["Id"], trace["Duration"], trace["LimitExceeded"]) == (xray_id(1), 0.5, False)
    documents = [orjson.loads(each["Document"]) for each in trace["Segments"]]
    assert [each["Id"] for each in trace["Segments"]] == [each["id"] for each in documents]
    web, inferred = documents
    assert web == {
        **WEB, "subsegments": [
            {"id": span_id(2), "name": "shop", "start_time": START + 0.1, "end_time": START + 0.4,
            "namespace": "aws"}
        ],
    }  # fmt: skip
    assert (inferred["id"], inferred["inferred"]) == (inferred_id(xray_id(1), span_id(2)), True)


def test_documents_come_together_whatever_was_committed_first(parts: Parts) -> None:
    early = {**document(1, 1, end=None), "name": "web"}
    late = document(1, 2, 0.1, 0.4, parent=1, type="subsegment", name="pay", namespace="remote")
    for sent in (late, WEB | {"subsegments": []}, early, PAY):
        keep(parts.store, 1, sent)
    (trace,) = ask(parts, "BatchGetTraces", TraceIds=[xray_id(1)])["Traces"]
    documents = [orjson.loads(each["Document"]) for each in trace["Segments"]]
    assert [(each["name"], [b["id"] for b in each.get("subsegments", [])]) for each in documents] == [
        ("web", [span_id(2)]),
        ("pay", []),
    ]
    assert "in_progress" not in documents[0]
    assert trace["Duration"] == 0.5


def test_spans_and_documents_of_one_trace_give_one_set(parts: Parts) -> None:
    parts.store.write(traces_batch([Made(1, 3, 2, 200, 100, "pay", "charge", attributes={"a": 1})]))
    keep(parts.store, 1, WEB)
    (trace,) = ask(parts, "BatchGetTraces", TraceIds=[xray_id(1)])["Traces"]
    documents = [orjson.loads(each["Document"]) for each in trace["Segments"]]
    assert [(each["name"], each.get("parent_id")) for each in documents] == [
        ("web", None),
        ("pay", span_id(2)),
    ]
    assert documents[0] == WEB
    assert documents[1]["annotations"] == {"a": 1}


def test_a_stored_trace_is_the_trace_with_all_its_figures(parts: Parts) -> None:
    spans = [Made(1, 1, 0, 0, 100, "web"), Made(1, 2, 1, 10, 50, "web", "work", "internal")]
    parts.store.write(traces_batch(spans))
    stored = get_stored(parts.store, trace_id(1), figures=True)
    whole = get_trace(parts.store, trace_id(1))
    assert stored is not None
    assert stored.trace == whole
    assert stored.trace.critical_ns == 100_000_000


def test_ids_of_w3c_are_accepted_and_unknown_ones_are_said(parts: Parts) -> None:
    keep(parts.store, 1, WEB)
    unknown = ["nonsense", xray_id(7), "1-00000000-" + "0" * 24, f" {xray_id(1)}"]
    answer = ask(parts, "BatchGetTraces", TraceIds=[trace_id(1), *unknown])
    assert [each["Id"] for each in answer["Traces"]] == [xray_id(1)]
    assert answer["UnprocessedTraceIds"] == unknown
    assert "NextToken" in refused(parts, "BatchGetTraces", TraceIds=[xray_id(1)], NextToken="x").message
    error = refused(parts, "BatchGetTraces", TraceIds=[xray_id(at) for at in range(1, 7)])
    assert (error.code, error.status) == ("InvalidRequestException", 400)
    assert ask(parts, "BatchGetTraces", replace(CALL, tenant=5), TraceIds=[xray_id(1)])["Traces"] == []


# GetTraceSummaries

ID_WEB = {"Name": "web", "Names": ["web"], "Type": "AWS::EC2::Instance", "AccountId": "123456789012"}
ID_PAY = {"Name": "pay", "Names": ["pay"]}


def test_every_member_of_a_summary(parts: Parts) -> None:
    keep(parts.store, 1, WEB, PAY)
    answer = ask(parts, "GetTraceSummaries", **RANGE)
    path = [
        {"Name": "web", "Exceptions": [], "Remote": False},
        {"Name": "pay", "Exceptions": [], "Remote": True},
    ]
    cause = {
        "ClientImpacting": True,
        "Services": [
            {**ID_WEB, "Inferred": False, "EntityPath": path},
            {**ID_PAY, "Inferred": False, "EntityPath": [{"Name": "pay", "Exceptions": [], "Remote": False}]},
        ],
    }  # fmt: skip
    assert answer == {
        "TraceSummaries": [
            {
                "Id": xray_id(1), "StartTime": START, "Duration": 0.5, "ResponseTime": 0.5, "HasFault": False,
                "HasError": True, "HasThrottle": True, "IsPartial": False,
                "Http": {
                    "HttpURL": "http://web/pay", "HttpStatus": 404, "HttpMethod": "POST", "UserAgent": "curl",
                    "ClientIp": "10.0.0.1",
                },
                "Annotations": {
                    "tier": [{"AnnotationValue": {"StringValue": "gold"}, "ServiceIds": [ID_WEB, ID_PAY]}],
                    "age": [
                        {"AnnotationValue": {"NumberValue": 29.0}, "ServiceIds": [ID_WEB]},
                        {"AnnotationValue": {"NumberValue": 30.0}, "ServiceIds": [ID_PAY]},
                    ],
                    "vip": [{"AnnotationValue": {"BooleanValue": True}, "ServiceIds": [ID_WEB]}],
                },
                "Users": [{"UserName": "alice", "ServiceIds": [ID_WEB]}],
                "ServiceIds": [ID_WEB, ID_PAY, {**ID_WEB, "Type": "client"}],
                "ResourceARNs": [{"ARN": "arn:aws:x:web"}], "InstanceIds": [{"Id": "i-1"}],
                "AvailabilityZones": [{"Name": "us-east-1a"}], "EntryPoint": ID_WEB, "FaultRootCauses": [],
                "ErrorRootCauses": [cause], "ResponseTimeRootCauses": [], "Revision": 1,
            }
        ],
        "ApproximateTime": START - 60, "TracesProcessedCount": 1,
    }  # fmt: skip


def test_inferred_nodes_take_part_and_slow_traces_say_where_the_time_went(parts: Parts) -> None:
    slow = document(
        1,
        1,
        0,
        5,
        name="web",
        subsegments=[below(2, 1, 5, name="db@host", namespace="remote", sql={"url": "x"})],
    )
    keep(parts.store, 1, slow)
    (summary,) = ask(parts, "GetTraceSummaries", **RANGE)["TraceSummaries"]
    assert [(each["Name"], each.get("Type")) for each in summary["ServiceIds"]] == [
        ("web", None), ("db@host", "Database::SQL"), ("web", "client"),
    ]  # fmt: skip
    (cause,) = summary["ResponseTimeRootCauses"]
    assert [
        (each["Name"], each["Inferred"], [e["Coverage"] for e in each["EntityPath"]])
        for each in cause["Services"]
    ] == [("web", False, [1.0, 0.8]), ("db@host", True, [0.8])]


def summaries(parts: Parts, **members: Any) -> list[str]:
    """The ids that are found."""
    return [each["Id"] for each in ask(parts, "GetTraceSummaries", **{**RANGE, **members})["TraceSummaries"]]


def test_a_trace_of_otlp_has_a_summary(parts: Parts) -> None:
    root = Made(
        1,
        1,
        0,
        0,
        100,
        "web",
        "GET /",
        attributes={"tier": "gold", "http.request.method": "GET"},
        method="GET",
    )
    call = Made(
        1,
        2,
        1,
        10,
        50,
        "web",
        "SELECT",
        "client",
        peer="db",
        peer_type="database",
        attributes={"db.system": "mysql"},
    )
    parts.store.write(traces_batch([root, call]))
    parts.store.settle()
    (summary,) = ask(parts, "GetTraceSummaries", **RANGE)["TraceSummaries"]
    assert (summary["ResponseTime"], summary["Http"], summary["Annotations"]["tier"][0]["ServiceIds"]) == (
        0.1, {"HttpMethod": "GET"}, [{"Name": "web", "Names": ["web"]}],
    )  # fmt: skip
    assert [(each["Name"], each.get("Type")) for each in summary["ServiceIds"]] == [
        ("web", None), ("db", "Database::SQL"), ("web", "client"),
    ]  # fmt: skip
    (graph,) = [ask(parts, "GetRetrievedTracesGraph", **started(parts, 1))["Services"]]
    assert {(each["Service"]["Name"], each["Service"].get("Type")) for each in graph} == {
        ("web", None), ("db", "Database::SQL"), ("web", "client"),
    }  # fmt: skip


def test_the_three_types_of_time_range(parts: Parts) -> None:
    epoch = int(START) - 120
    number = 0x5000
    high = (epoch << 32) | 7
    made = traces_batch([Made(number, 1, 0, 0, 30_000, "web")])
    for table in ("spans",):
        rows = made.tables[table].to_pylist()
        made.tables[table] = made.tables[table].from_pylist(  # type: ignore[index]
            [{**row, "trace_hi": high} for row in rows], made.tables[table].schema
        )
    parts.store.write(made)
    parts.store.write(traces_batch([Made(2, 1, 0, 5_000, 10_000, "web")]))
    parts.store.settle()
    by_epoch, by_start = f"1-{epoch:08x}-{7:08x}{number:016x}", xray_id(2)

    def found(kind: str, begin: float, end: float) -> list[str]:
        return summaries(parts, TimeRangeType=kind, StartTime=START + begin, EndTime=START + end)

    assert found("TraceId", -121, -119) == [by_epoch]
    assert found("TraceId", -119, 4) == []
    assert found("TraceId", -120, 5.5) == [by_start, by_epoch]
    assert found("TraceId", -200, -120) == []
    assert found("Event", 20, 21) == [by_epoch]
    assert found("Event", 10, 12) == [by_start, by_epoch]
    assert found("Event", -10, 0) == []
    assert found("Service", 14, 16) == [by_start]
    assert found("Service", 30, 30.5) == [by_epoch]
    assert found("Service", 29, 30) == []
    assert found("Service", 3, 10) == []
    (event,) = ask(
        parts, "GetTraceSummaries", TimeRangeType="Event", StartTime=START + 20, EndTime=START + 31
    )["TraceSummaries"]  # fmt: skip
    assert event["MatchedEventTime"] == START + 30
    assert summaries(parts, TimeRangeType="Event", EndTime=START + 1, StartTime=START) == [by_epoch]


@pytest.mark.parametrize(
    "expression",
    ["fault", 'service("web") { fault }', 'annotation[odd] = "yes"', 'annotation[odd] = "yes" AND fault'],
)
def test_pages_go_backwards_from_the_end(parts: Parts, expression: str) -> None:
    """Whatever the filter asks for, every trace of the range is processed once."""
    parts.store.write(
        traces_batch(
            [
                Made(
                    at, 1, 0, at * 10, 5, "web", outcome="fault" if at % 2 else "ok",
                    attributes={"odd": "yes" if at % 2 else "no"},
                )
                for at in range(1, 251)
            ]
        )
    )  # fmt: skip
    parts.store.settle()
    seen: list[str] = []
    processed = []
    token: dict[str, Any] = {}
    approximate = START + 60
    while True:
        page = ask(parts, "GetTraceSummaries", **RANGE, FilterExpression=expression, **token)
        assert page["ApproximateTime"] <= approximate
        approximate = page["ApproximateTime"]
        seen += [each["Id"] for each in page["TraceSummaries"]]
        processed.append(page["TracesProcessedCount"])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert seen == [xray_id(at) for at in range(249, 0, -2)]
    assert sum(processed) == 250
    assert approximate == START - 60
    assert summaries(parts, StartTime=START + 0.5, EndTime=START + 0.6) == [
        xray_id(at) for at in range(59, 49, -1)
    ]


def test_pages_with_many_candidates_go_only_so_far_back(parts: Parts) -> None:
    failing = [Made(at, 1, 0, at, 5, "web" if at % 700 else "pay", outcome="fault") for at in range(1, 2101)]
    parts.store.write(traces_batch(failing))
    parts.store.settle()
    found: list[str] = []
    pages = 0
    token: dict[str, Any] = {}
    asked = {**RANGE, "FilterExpression": 'rootcause.fault.service { name = "pay" }'}
    while pages == 0 or token:
        page = ask(parts, "GetTraceSummaries", **asked, **token)
        found += [each["Id"] for each in page["TraceSummaries"]]
        pages += 1
        token = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
    assert found == [xray_id(at) for at in (2100, 1400, 700)]
    assert pages > 1
    with pytest.raises(QueryError, match="narrow the time range"):
        find_traces(parts.store, TraceSelection(NOON, NOON + 60 * SECOND, str(asked["FilterExpression"])))


def test_filters_groups_and_samples(parts: Parts) -> None:
    keep(parts.store, 1, WEB, PAY)
    parts.store.write(traces_batch([Made(at, 1, 0, at, 5, "other") for at in range(100, 180)]))
    parts.store.settle()
    groups = {"gold": 'annotation.tier = "gold"', "arn:gold": 'annotation.tier = "gold"', "Default": ""}
    parts = replace(parts, others={GROUP_EXPRESSIONS: lambda call: groups if call.tenant == 0 else {}})
    for text in (
        'annotation.tier = "gold" AND responsetime > 0.4', 'group.name = "gold"', 'group.arn = "arn:gold"',
        "error throttle = false",
        'rootcause.error.service { name = "pay" and last }',
        'rootcause.error.entity { remote } AND service("web")',
        'service("web") { error }',
        'rootcause.json = #[{"Services":[{"Name":"web"},{"Name":"pay"}]}]',
        'group.name = "gold" AND !rootcause.fault.service { name = "pay" }',
    ):  # fmt: skip
        assert summaries(parts, FilterExpression=text) == [xray_id(1)], text
    assert len(summaries(parts, FilterExpression='group.name != "gold"')) == 80
    assert summaries(parts, FilterExpression='rootcause.fault.service { name = "pay" }') == []
    half = {"Sampling": True, "SamplingStrategy": {"Name": "FixedRate", "Value": 0.5}}
    some = summaries(parts, **half)
    assert 15 < len(some) < 65
    assert summaries(parts, **half) == some
    assert len(summaries(parts, SamplingStrategy={"Name": "FixedRate", "Value": 1.0})) == 81
    assert summaries(parts, SamplingStrategy={"Name": "FixedRate", "Value": 0.0}) == []
    assert len(summaries(parts, Sampling=True, SamplingStrategy={"Name": "PartialScan", "Value": 0.1})) == 81


TYPES = [
    ('service(id(type: "AWS::EC2::Instance")) { error }', True),
    ('service(id(type: "AWS::EC2::Instance")) { ok }', False),
    ('service(id(name: "web", type: "AWS::EC2::Instance", account.id: "123456789012"))', True),
    ('service(id(account.id: "123456789012"))', True),
    ('service(id(account.id: "1"))', False),
    ('service(id(type: "AWS::ECS::Container"))', False),
    ('service(id(name: "pay", type: "AWS::EC2::Instance"))', False),
    ('service(id(type: "AWS::DynamoDB::Table")) { fault }', True),
    ('service(id(name: "orders", type: "AWS::DynamoDB::Table"))', True),
    ('service(id(type: "AWS::SQS::Queue"))', False),
    ('edge(id(type: "AWS::EC2::Instance"), "pay") { error }', True),
    ('edge("web", id(type: "AWS::DynamoDB::Table")) { fault }', True),
    ('edge(id(name: "web", type: "client"), "web")', True),
    ('service() { type = "AWS::EC2::Instance" AND error }', True),
    ('service("pay") { type = "AWS::EC2::Instance" }', False),
    ('service("web") { annotation.age = 29 }', True),
    ('service("web") { annotation.age = 30 }', False),
    ("inferred", True),
    ("error throttle = false fault = false http.status = 404", True),
    ('user = "alice" http.method = POST http.url ENDSWITH "/pay" http.clientip = 10.0.0.1', True),
    ('availabilityzone = "us-east-1a" AND instance.id = i-1 AND resource.arn = "arn:aws:x:web"', True),
    ("!annotation.nothing annotation.vip = true annotation[age] > 29", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TYPES)
def test_expressions_over_documents(parts: Parts, text: str, expected: bool) -> None:
    table = below(
        4, 0.1, 0.2, name="DynamoDB", namespace="aws", fault=True, aws={"table_name": "orders",
        "operation": "GetItem"}
    )  # fmt: skip
    sent = decode({**WEB, "subsegments": [CALLED, table]}, PAY).decoded
    parts.store.write(sent.batch)
    parts.store.settle()
    assert summaries(parts, FilterExpression=text) == ([xray_id(1)] if expected else [])


def test_a_request_with_both_flags_is_an_error_and_a_fault(parts: Parts) -> None:
    parts.store.write(decode(document(1, 1, error=True, fault=True), document(1, 2, parent=1)).decoded.batch)
    parts.store.settle()
    for kind in ("error", "fault"):
        assert summaries(parts, FilterExpression=f"rootcause.{kind}.service") == [xray_id(1)]
    (summary,) = ask(parts, "GetTraceSummaries", **RANGE)["TraceSummaries"]
    assert summary["HasError"] is summary["HasFault"] is True
    assert len(summary["ErrorRootCauses"]) == len(summary["FaultRootCauses"]) == 1


def test_traces_that_are_not_complete(parts: Parts) -> None:
    keep(parts.store, 1, document(1, 1, end=None))
    keep(parts.store, 2, document(2, 1, parent=9))
    promised = below(2, namespace="remote", http={"request": {"url": "http://b/", "traced": True}})
    keep(parts.store, 3, document(3, 1, subsegments=[promised]))
    keep(parts.store, 4, document(4, 1, subsegments=[promised]), document(4, 5, parent=2))
    keep(parts.store, 5, document(5, 1, end=None))
    keep(parts.store, 5, document(5, 1))
    found = ask(parts, "GetTraceSummaries", **RANGE)["TraceSummaries"]
    partial = {each["Id"] for each in found if each["IsPartial"]}
    assert partial == {xray_id(1), xray_id(2), xray_id(3)}
    assert set(summaries(parts, FilterExpression="partial")) == partial
    assert set(summaries(parts, FilterExpression="!partial")) == {xray_id(4), xray_id(5)}
    by_id = {each["Id"]: each for each in found}
    assert "ResponseTime" not in by_id[xray_id(1)]
    assert "ResponseTime" not in by_id[xray_id(2)]
    assert by_id[xray_id(3)]["ResponseTime"] == 1.0


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"EndTime": START - 61}, "EndTime"),
    ({"FilterExpression": "falt ="}, "Line 1, column 7: Expected a value"),
    ({"FilterExpression": 'group.name = "x"'}, "There is no group with the name"),
    ({"FilterExpression": "rootcause.fault.x"}, "Did you mean rootcause.fault.entity?"),
    ({"NextToken": "nonsense"}, "cursor"),
    ({"TimeRangeType": "Event", "NextToken": "WyJUcmFjZUlkIiwxLCIwIl0"}, "another type of time range"),
    ({"NextToken": "WyJUcmFjZUlkIiwxLCJ6Il0"}, "token is broken"),
    ({"SamplingStrategy": {"Name": "FixedRate", "Value": 2.0}}, "from 0 to 1"),
]


@pytest.mark.parametrize(("members", "text"), WRONG)
def test_questions_that_are_wrong(parts: Parts, members: dict[str, Any], text: str) -> None:
    error = refused(parts, "GetTraceSummaries", **{**RANGE, **members})
    assert (error.code, error.status) == ("InvalidRequestException", 400)
    assert text in error.message


def test_the_limit_of_six_hours_where_it_is_on(parts: Parts) -> None:
    long = {"StartTime": START - 7 * 3600, "EndTime": START}
    assert ask(parts, "GetTraceSummaries", **long)["TraceSummaries"] == []
    error = refused(replace(parts, others={"strict": True}), "GetTraceSummaries", **long)
    assert "Time range cannot be longer than 6 hours" in error.message


# Retrievals


def started(parts: Parts, *numbers: int, **members: Any) -> dict[str, str]:
    """The token of a retrieval, as the next operations take it."""
    answer = ask(
        parts, "StartTraceRetrieval", TraceIds=[xray_id(at) for at in numbers], **{**RANGE, **members}
    )
    return {"RetrievalToken": answer["RetrievalToken"]}


def test_traces_are_retrieved_page_by_page(parts: Parts) -> None:
    for number in range(1, 8):
        keep(
            parts.store,
            number,
            document(number, 1, name=f"s{number}", subsegments=[below(2, namespace="remote")]),
        )
    token = started(parts, *range(1, 9))
    first = ask(parts, "ListRetrievedTraces", **token)
    assert (first["RetrievalStatus"], first["TraceFormat"]) == ("COMPLETE", "XRAY")
    assert [each["Id"] for each in first["Traces"]] == [xray_id(at) for at in range(1, 6)]
    assert [len(each["Spans"]) for each in first["Traces"]] == [2] * 5
    span = orjson.loads(first["Traces"][0]["Spans"][0]["Document"])
    assert (span["name"], span["subsegments"][0]["id"]) == ("s1", span_id(2))
    second = ask(parts, "ListRetrievedTraces", **token, NextToken=first["NextToken"])
    assert [each["Id"] for each in second["Traces"]] == [xray_id(6), xray_id(7)]
    assert "NextToken" not in second
    assert ask(parts, "ListRetrievedTraces", **started(parts, 1, StartTime=START + 30))["Traces"] == []


def test_a_trace_with_many_spans_goes_over_several_pages(parts: Parts) -> None:
    parts.store.write(traces_batch([Made(1, at, 0, at, 5, f"s{at}") for at in range(1, 251)]))
    keep(parts.store, 2, document(2, 1))
    token = started(parts, 1, 2)
    pages = [ask(parts, "ListRetrievedTraces", **token)]
    while "NextToken" in pages[-1]:
        pages.append(ask(parts, "ListRetrievedTraces", **token, NextToken=pages[-1]["NextToken"]))
    assert [[len(each["Spans"]) for each in page["Traces"]] for page in pages] == [[100], [100], [50, 1]]
    ids = [span["Id"] for page in pages for each in page["Traces"] for span in each["Spans"]]
    assert len(ids) == 251


def test_the_form_of_opentelemetry(parts: Parts) -> None:
    spans = [
        Made(1, 1, 0, 0, 100, "web", "GET /", outcome="fault", message="no", attributes={"a": 1,
        "raw": b"\x00"}, links=[(9, 5)],
             events=[{"type": "Boom", "at": 5, "attributes": {"exception.message": "m"}}]),
        Made(1, 2, 1, 10, 50, "web", "SELECT", "client"),
    ]  # fmt: skip
    parts.store.write(traces_batch(spans))
    parts.store.settle()
    answer = ask(parts, "ListRetrievedTraces", **started(parts, 1), TraceFormat="OTEL")
    first, second = (orjson.loads(each["Document"]) for each in answer["Traces"][0]["Spans"])
    assert answer["TraceFormat"] == "OTEL"
    assert first == {
        "resource": {"attributes": {"service.name": "web"}}, "scope": {"name": "tests", "version": "1"},
        "traceId": trace_id(1), "spanId": span_id(1), "flags": 0, "name": "GET /", "kind": "SERVER",
        "startTimeUnixNano": NOON, "endTimeUnixNano": NOON + 100_000_000, "durationNano": 100_000_000,
        "attributes": {"a": 1, "raw": "AA=="}, "status": {"code": "ERROR", "message": "no"},
        "events": [{"timeUnixNano": NOON + 5, "name": "exception", "attributes": {"exception.message": "m"}}],
        "links": [{"traceId": trace_id(9), "spanId": span_id(5), "attributes": {}}],
    }  # fmt: skip
    assert (second["parentSpanId"], second["kind"]) == (span_id(1), "CLIENT")


def test_the_graph_of_what_was_retrieved(parts: Parts) -> None:
    parts.store.write(
        traces_batch([Made(1, 1, 0, 0, 100, "web", links=[(9, 5), (8, 4)]), Made(2, 1, 0, 0, 10, "other")])
    )
    parts.store.settle()
    answer = ask(parts, "GetRetrievedTracesGraph", **started(parts, 1, 5))
    assert answer["RetrievalStatus"] == "COMPLETE"
    names = {
        (each["Service"]["Name"], each["Service"].get("Type")): each["Links"] for each in answer["Services"]
    }
    assert names == {
        ("web", None): [
            {
                "ReferenceType": "link",
                "SourceTraceId": xray_id(1),
                "DestinationTraceIds": sorted([xray_id(8), xray_id(9)]),
            }
        ],
        ("web", "client"): [],
    }


def test_a_retrieval_ends_by_itself_and_can_be_cancelled(parts: Parts) -> None:
    keep(parts.store, 1, document(1, 1))
    token = started(parts, 1)
    in_time = replace(CALL, now_ns=CALL.now_ns + LIFE_NS - 1)
    late = replace(CALL, now_ns=CALL.now_ns + LIFE_NS)
    assert len(ask(parts, "ListRetrievedTraces", in_time, **token)["Traces"]) == 1
    for operation in ("ListRetrievedTraces", "GetRetrievedTracesGraph", "CancelTraceRetrieval"):
        for call, members in (
            (late, token), (CALL, {"RetrievalToken": "unknown"}), (replace(CALL, tenant=5), token),
        ):  # fmt: skip
            error = refused(parts, operation, call, **members)
            assert (error.code, error.status) == ("ResourceNotFoundException", 404)
            assert error.fields == {"ResourceName": members["RetrievalToken"]}
    assert ask(parts, "CancelTraceRetrieval", **token) == {}
    listed = ask(parts, "ListRetrievedTraces", **token)
    assert (listed["RetrievalStatus"], listed["Traces"]) == ("CANCELLED", [])
    assert ask(parts, "GetRetrievedTracesGraph", **token) == {"RetrievalStatus": "CANCELLED", "Services": []}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"TraceIds": [f"1-{at:08x}-{1:024x}" for at in range(1, 102)]}, "101 ids"),
        ({"TraceIds": []}, "0 ids"),
        ({"TraceIds": ["x"]}, "'x' is no trace id"),
        ({"EndTime": START - 61}, "EndTime is before StartTime"),
    ],
)
def test_retrievals_that_are_wrong(parts: Parts, members: dict[str, Any], text: str) -> None:
    error = refused(parts, "StartTraceRetrieval", **{"TraceIds": [xray_id(1)], **RANGE, **members})
    assert error.code == "InvalidRequestException"
    assert text in error.message


def test_a_page_token_that_is_wrong(parts: Parts) -> None:
    token = started(parts, 1)
    for wrong in ("x", "Wy0xLDBd", "WzEsInkiXQ"):
        assert (
            refused(parts, "ListRetrievedTraces", **token, NextToken=wrong).code == "InvalidRequestException"
        )
