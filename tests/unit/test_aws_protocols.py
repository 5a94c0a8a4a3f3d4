"""Every protocol against botocore's own serializers and parsers, over many shapes of real models."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from aws_models import as_dates, as_seconds, botocore_model, environ_of, members, parsed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.aws import reading, writing
from dashboard.aws.models import Member, OperationModel, ServiceModel, Shape, load
from dashboard.aws.problems import problem_of
from dashboard.aws.protocols import Problem, Spoken, Wire
from dashboard.aws.reading import Unfit
from dashboard.aws.routes import Routes
from dashboard.aws.service import Service
from dashboard.aws.xray import XRAY

SERVICES = {
    "xray": XRAY,
    "sts": Service("sts", "sts", "STS", {}),
    "logs": Service("logs", "logs", "CloudWatch Logs", {}),
    "monitoring": Service("monitoring", "cloudwatch", "CloudWatch", {}),
}
MODELS: dict[str, ServiceModel] = {one.model: load(one.model) for one in SERVICES.values()}
for _name, _model in MODELS.items():
    if _name != "xray":  # texts that fit a pattern are slow to find; patterns have cases of their own
        for _shape in _model._document["shapes"].values():
            _shape.pop("pattern", None)
THEIRS = {name: botocore_model(name) for name in MODELS}
SPOKEN = {"rest-json": ["xray"], "json": ["logs", "cloudwatch"], "query": ["sts", "cloudwatch"],
          "smithy-rpc-v2-cbor": ["cloudwatch"]}  # fmt: skip
SOME = {
    "logs": {
        "CreateLogGroup", "PutLogEvents", "FilterLogEvents", "StartQuery", "GetQueryResults",
        "PutMetricFilter", "DescribeLogStreams", "TestMetricFilter", "ListTagsForResource", "PutTransformer",
    },
    "cloudwatch": {
        "PutMetricData", "GetMetricData", "GetMetricStatistics", "PutMetricAlarm", "DescribeAlarms",
        "PutDashboard", "ListMetrics", "GetMetricWidgetImage", "DescribeAlarmHistory", "PutCompositeAlarm",
    },
}  # fmt: skip
"""Of services that are not built yet, enough for every kind of shape and every protocol."""
CASES = sorted(
    (protocol, model, name)
    for protocol, models in SPOKEN.items()
    for model in models
    for name in SOME.get(model, MODELS[model].names)
)
ROUTES = Routes(SERVICES, lambda folder: MODELS[folder])
FEW = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))


def wire_of(protocol: str, model: str) -> Wire:
    service = next(one for one in SERVICES.values() if one.model == model)
    spoken = Spoken(service, MODELS[model])
    return {"rest-json": spoken.json(), "json": spoken.json(), "query": spoken.query,
            "smithy-rpc-v2-cbor": spoken.cbor}[protocol]  # fmt: skip


@pytest.mark.parametrize(("protocol", "model", "name"), CASES)
@FEW
@given(data=st.data())
def test_a_request_of_botocore_is_found_and_read(data: Any, protocol: str, model: str, name: str) -> None:
    operation = MODELS[model].operation(name)
    query = protocol == "query"
    sent = data.draw(members(operation.input, 8 if query else 4, full=query))
    environ, body = environ_of(THEIRS[model], protocol, name, as_dates(operation.input, sent))
    route = ROUTES.find(environ, "", lambda: body)
    assert route.problem is None
    assert route.operation is not None
    assert (route.service.model if route.service else "", route.operation.name) == (model, name)
    assert route.wire.content_type == wire_of(protocol, model).content_type
    read = route.wire.read(route.operation, body if route.form is None else route.form)
    assert read == sent


@pytest.mark.parametrize(("protocol", "model", "name"), CASES)
@FEW
@given(data=st.data())
def test_an_answer_is_read_by_botocore(data: Any, protocol: str, model: str, name: str) -> None:
    operation = MODELS[model].operation(name)
    answer = data.draw(members(operation.output))
    body = wire_of(protocol, model).write(operation, answer, "id-1")
    found = parsed(THEIRS[model], protocol, name, body)
    assert as_seconds(operation.output, found) == answer


@pytest.mark.parametrize(("protocol", "model", "name"), CASES)
def test_an_error_is_read_by_botocore(protocol: str, model: str, name: str) -> None:
    operation = MODELS[model].operation(name)
    wire = wire_of(protocol, model)
    for code in (*operation.errors, "NotImplementedException"):
        status = operation.errors[code].status if code in operation.errors else 501
        body, headers = wire.problem(Problem(code, "it's <wrong> & ☃", status), operation, "id-1")
        plain = {key.lower().replace("-", "_"): value for key, value in headers}
        error = parsed(THEIRS[model], protocol, name, body, status=status, **plain)["Error"]
        queried = protocol == "query" or MODELS[model].query_compatible
        old = operation.errors[code].code if code in operation.errors else "NotImplemented"
        assert error["Code"] == (old if queried else code)
        assert error["Message"] == "it's <wrong> & ☃"


def test_members_of_an_error_come_through() -> None:
    operation = MODELS["xray"].operation("TagResource")
    problem = Problem("ResourceNotFoundException", "no such ARN", 404, {"ResourceName": "arn:x"})
    body, headers = wire_of("rest-json", "xray").problem(problem, operation, "id-1")
    assert ("x-amzn-ErrorType", "ResourceNotFoundException") in headers
    found = parsed(THEIRS["xray"], "rest-json", "TagResource", body, status=404)
    assert found["Error"] == {"Code": "ResourceNotFoundException", "Message": "no such ARN"}
    assert b'"ResourceName":"arn:x"' in body


def read(name: str, body: bytes) -> dict[str, Any]:
    return wire_of("rest-json", "xray").read(MODELS["xray"].operation(name), body)


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("CreateGroup", b"{}", "the member GroupName is required"),
        ("CreateGroup", b'{"GroupName": null}', "the member GroupName is required"),
        ("CreateGroup", b'{"GroupName": ""}', "GroupName: expected 1 to 32 characters, not 0"),
        ("CreateGroup", b'{"GroupName": "%s"}' % (b"x" * 33), "1 to 32 characters, not 33"),
        (
            "CreateGroup",
            b'{"GroupName": "a", "Tags": [{"Key": "a"}]}',
            "Tags[0]: the member Value is",
        ),
        ("CreateSamplingRule", b'{"SamplingRule": {"Priority": 10000}}', "Priority: expected 1 to 9999, not"),
        (
            "CreateSamplingRule",
            b'{"SamplingRule": {"FixedRate": 1.5}}',
            "FixedRate: expected 0 to 1, not",
        ),
        ("CreateSamplingRule", b'{"SamplingRule": {"ReservoirSize": -1}}', "expected at least 0, not -1"),
        ("GetInsight", b'{"InsightId": "x"}', "'x' does not match [0-9a-fA-F]{8}"),
        ("PutEncryptionConfig", b'{"Type": "AES"}', "Type: expected one of NONE, KMS, not 'AES'"),
        ("GetInsightSummaries", b'{"StartTime":1,"EndTime":2,"States":["ACTIVE","CLOSED"]}', "0 to 1 items"),
        (
            "UpdateIndexingRule",
            b'{"Name":"Default","Rule":{}}',
            "exactly one of Probabilistic is",
        ),
    ],
)
def test_what_the_model_forbids_is_told(name: str, body: bytes, says: str) -> None:
    with pytest.raises(Unfit) as caught:
        read(name, body)
    assert says in str(caught.value)
    assert not caught.value.malformed
    operation = MODELS["xray"].operation(name)
    assert problem_of(caught.value, XRAY, operation).code == "InvalidRequestException"


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("GetGroup", b"{", "the request: it is not JSON"),
        ("GetGroup", b"\xff\xfe", "the request: it is not JSON"),
        ("GetGroup", b"[" * 100_000, "the request: it is not JSON"),
        ("GetGroup", b"[]", "the request: expected an object, not a list"),
        ("GetGroup", b'{"GroupName": 5}', "GroupName: expected a text, not a number"),
        ("BatchGetTraces", b'{"TraceIds": "x"}', "TraceIds: expected a list, not a text"),
        ("BatchGetTraces", b'{"TraceIds": ["x", {}]}', "TraceIds[1]: expected a text, not an object"),
        ("CreateSamplingRule", b'{"SamplingRule": {"Priority": "1"}}', "expected a whole number, not a text"),
        ("CreateSamplingRule", b'{"SamplingRule": {"Priority": true}}', "expected a whole number, not true"),
        (
            "CreateSamplingRule",
            b'{"SamplingRule": {"Priority": 1.5}}',
            "a whole number, not a number",
        ),
        (
            "CreateSamplingRule",
            b'{"SamplingRule": {"Priority": 4294967296}}',
            "does not fit the type",
        ),
        ("CreateSamplingRule", b'{"SamplingRule": {"Attributes": []}}', "expected an object, not a list"),
        ("GetServiceGraph", b'{"StartTime": "yesterday"}', "StartTime: 'yesterday' is not a time"),
        (
            "GetServiceGraph",
            b'{"StartTime": {}}',
            "expected a time in seconds since 1970",
        ),
        ("GetTraceSummaries", b'{"StartTime":1,"EndTime":2,"Sampling":"true"}', "expected true or false"),
    ],
)
def test_what_cannot_be_read_is_told(name: str, body: bytes, says: str) -> None:
    with pytest.raises(Unfit) as caught:
        read(name, body)
    assert says in str(caught.value)
    assert caught.value.malformed
    operation = MODELS["xray"].operation(name)
    assert problem_of(caught.value, XRAY, operation).code == "SerializationException"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"1700000000", 1700000000.0), (b"1700000000.25", 1700000000.25), (b"1.5E9", 1.5e9),
        (b"1700000000250", 1700000000.25), (b'"2023-11-14T22:13:20Z"', 1700000000.0),
        (b'"2023-11-14T23:13:20.5+01:00"', 1700000000.5), (b'"1700000000"', 1700000000.0),
        (b'"Tue, 14 Nov 2023 22:13:20 GMT"', 1700000000.0), (b"-5", -5.0),
    ],
)  # fmt: skip
def test_times_come_in_every_form(text: bytes, seconds: float) -> None:
    found = read("GetServiceGraph", b'{"StartTime": %s, "EndTime": 1}' % text)
    assert found["StartTime"] == seconds


@pytest.mark.parametrize("body", [b"", b"  ", b"{}", b'{"NextToken": null}', b'{"Unknown": {"a": 1}}'])
def test_nothing_and_the_unknown_are_fine(body: bytes) -> None:
    assert read("GetSamplingRules", body) == {}


def test_a_service_may_take_what_known_clients_send_differently() -> None:
    def named(body: dict[str, Any]) -> dict[str, Any]:
        return {"TagKeys": body.pop("Keys", None) or [], **body}

    service = replace(XRAY, repairs={"UntagResource": named}, unbounded=frozenset({"TagKeyList"}))
    wire, operation = Spoken(service, MODELS["xray"]).json(), MODELS["xray"].operation("UntagResource")
    body = json.dumps({"ResourceARN": "arn", "Keys": ["k"] * 300}).encode()
    assert wire.read(operation, body) == {"ResourceARN": "arn", "TagKeys": ["k"] * 300}
    assert wire.read(operation, b'{"ResourceARN": "arn"}')["TagKeys"] == []
    with pytest.raises(Unfit, match="expected an object, not a list"):
        wire.read(operation, b"[]")
    with pytest.raises(Unfit, match="TagKeys: expected 0 to 200 items, not 300"):
        read("UntagResource", body.replace(b"Keys", b"TagKeys"))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**65), 2**65) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_json_is_read_or_refused(data: Any) -> None:
    """Values of every kind where the model has members, in operations of every kind."""
    operation = MODELS["xray"].operation(data.draw(st.sampled_from(sorted(MODELS["xray"].names))))
    names = sorted(operation.input.members) if operation.input else []
    some = st.dictionaries(st.sampled_from(names), JSON_VALUES, max_size=4) if names else JSON_VALUES
    try:
        read(operation.name, json.dumps(data.draw(some | JSON_VALUES)).encode())
    except Unfit:
        return


@given(st.binary(max_size=80), st.sampled_from(["GetCallerIdentity", "AssumeRole", "GetSessionToken"]))
def test_any_form_is_read_or_refused(body: bytes, name: str) -> None:
    try:
        wire_of("query", "sts").read(MODELS["sts"].operation(name), b"Action=x&Tags.member." + body)
    except Unfit:
        return


def test_an_answer_keeps_whole_numbers_and_leaves_out_what_is_not_there() -> None:
    rule = {"Priority": 10.0, "FixedRate": 1, "Version": 1, "RuleARN": None, "Attributes": {}}
    answer = {"SamplingRuleRecords": [{"SamplingRule": rule, "CreatedAt": 1700000000.0}], "NextToken": ""}
    body = wire_of("rest-json", "xray").write(MODELS["xray"].operation("GetSamplingRules"), answer, "id")
    assert body == (
        b'{"SamplingRuleRecords":[{"SamplingRule":{"Priority":10,"FixedRate":1.0,"Version":1,"Attributes":{}},'
        b'"CreatedAt":1700000000.0}]}'
    )


def test_a_member_that_the_model_does_not_have_is_a_defect() -> None:
    with pytest.raises(TypeError, match="GetGroupResult has no member 'Grp'"):
        wire_of("rest-json", "xray").write(MODELS["xray"].operation("GetGroup"), {"Grp": {}}, "id")


def test_every_operation_has_an_effect_and_the_tables_name_only_what_exists() -> None:
    names = MODELS["xray"].names
    assert len(names) == 38
    assert set(XRAY.effects) | set(XRAY.repairs) | set(XRAY.operations) <= names
    changing = {name for name in names if XRAY.effect(name) == "change"}
    assert changing == {
        "CreateGroup", "CreateSamplingRule", "DeleteGroup", "DeleteResourcePolicy", "DeleteSamplingRule",
        "PutEncryptionConfig", "PutResourcePolicy", "TagResource", "UntagResource", "UpdateGroup",
        "UpdateIndexingRule", "UpdateSamplingRule", "UpdateTraceSegmentDestination",
    }  # fmt: skip


def _nested() -> Shape:
    """A structure that holds a list of itself."""
    shape = Shape("Node", "structure")
    children = Shape("Nodes", "list", member=Member(shape))
    shape.members = {"Name": Member(Shape("Name", "string", most=3)), "Nodes": Member(children)}
    return shape


def test_a_shape_may_hold_itself() -> None:
    shape = _nested()
    value = {"Name": "a", "Nodes": [{"Name": "b", "Nodes": [{"Name": "c"}]}, {}]}
    assert reading.Compiler().reader(shape)(value) == value
    assert writing.Compiler("iso8601").writer(shape)(value) == value
    with pytest.raises(Unfit) as caught:
        reading.Compiler().reader(shape)({"Nodes": [{}, {"Nodes": [{"Name": "long"}]}]})
    assert str(caught.value) == "Nodes[1].Nodes[0].Name: expected at most 3 characters, not 4"


def test_a_body_may_be_nested_deeper_than_python_likes() -> None:
    operation = OperationModel("Nest", _nested(), None, "", {})
    body = b'{"Nodes":[' * 450 + b"]}" * 450
    with pytest.raises(Unfit, match="nested too deep"):
        wire_of("rest-json", "xray").read(operation, body)


def test_threads_that_compile_at_once_get_functions_that_work() -> None:
    shape = _nested()
    value = {"Nodes": [{"Nodes": [{}]}]}
    for _ in range(50):
        compiler, start = reading.Compiler(), threading.Barrier(4)

        def read_it(compiler: reading.Compiler = compiler, start: threading.Barrier = start) -> Any:
            start.wait()
            return compiler.reader(shape)(value)

        with ThreadPoolExecutor(4) as pool:
            assert [one.result() for one in [pool.submit(read_it) for _ in range(4)]] == [value] * 4
