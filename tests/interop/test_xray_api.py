"""All 38 operations of X-Ray by boto3 against a running Raywatch; every answer is held to its model."""

from __future__ import annotations

import json
import secrets
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from programs import Server, serving
from receiving import wait_until

from tests.pages.shop import Shop

ACCOUNT, REGION = "123456789012", "us-east-1"
GROUP = f"arn:aws:xray:{REGION}:{ACCOUNT}:group/slow"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("xray")) as running:
        yield running


def client(server: Server, service: str = "xray") -> Any:
    return boto3.client(
        service,
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


class Caller:
    """Calls operations by name, holds each answer to its shape in the model, and remembers the names."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.called: set[str] = set()
        self.methods = {name: method for method, name in client.meta.method_to_api_mapping.items()}

    def __call__(self, operation: str, **members: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self.client, self.methods[operation])(**members)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert answer["ResponseMetadata"]["RequestId"]
        plain = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
        shape = self.client.meta.service_model.operation_model(operation).output_shape
        report = ParamValidator().validate(plain, shape)
        assert not report.has_errors(), f"{operation}: {report.generate_report()}"
        unknown = set(plain) - set(shape.members)
        assert not unknown, f"{operation} answers members that the model does not have: {unknown}"
        self.called.add(operation)
        return plain

    def refused(self, operation: str, code: str, **members: Any) -> str:
        """The message of the error that it must answer."""
        with pytest.raises(ClientError) as caught:
            getattr(self.client, self.methods[operation])(**members)
        assert caught.value.response["Error"]["Code"] == code
        return str(caught.value.response["Error"]["Message"])


@pytest.fixture(scope="module")
def call(server: Server) -> Caller:
    return Caller(client(server))


def segment(begin: float, **members: Any) -> dict[str, Any]:
    return {
        "id": secrets.token_hex(8),
        "start_time": begin,
        "end_time": begin + 0.5,
        "trace_id": f"1-{int(begin):08x}-{secrets.token_hex(12)}",
        **members,
    }


def documents(begin: float) -> list[dict[str, Any]]:
    """A till that calls a bank, which fails, and DynamoDB."""
    till = segment(
        begin,
        name="till",
        end_time=begin + 1.5,
        fault=True,
        user="u1",
        annotations={"customer": "c-7", "cart": 3},
        http={"request": {"method": "POST", "url": "http://till/pay"}, "response": {"status": 502}},
    )
    call, table = secrets.token_hex(8), secrets.token_hex(8)
    till["subsegments"] = [
        {
            "id": call,
            "name": "bank",
            "start_time": begin + 0.1,
            "end_time": begin + 1.2,
            "namespace": "remote",
            "fault": True,
            "http": {"request": {"method": "POST", "url": "http://bank/"}, "response": {"status": 500}},
        },
        {
            "id": table,
            "name": "DynamoDB",
            "start_time": begin + 1.25,
            "end_time": begin + 1.3,
            "namespace": "aws",
            "aws": {"operation": "PutItem", "table_name": "orders"},
        },
    ]
    failed = {"id": secrets.token_hex(8), "type": "Timeout", "message": "no answer in 1 s"}
    bank = segment(
        begin + 0.15,
        name="bank",
        end_time=begin + 1.15,
        trace_id=till["trace_id"],
        parent_id=call,
        fault=True,
        cause={"working_directory": "/", "exceptions": [failed]},
        origin="AWS::ECS::Container",
        http={"response": {"status": 500}},
    )
    return [till, bank]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_all_operations_by_boto3(server: Server, call: Caller) -> None:
    now = time.time()
    fails(server, call)
    sent = documents(now - 30)
    trace_id = sent[0]["trace_id"]
    traces(call, sent, trace_id, now)
    graphs(call, trace_id, now)
    retrieval(call, trace_id, now)
    groups(call, now)
    sampling(call, now)
    settings(call)
    insights(call, now)
    assert call.called == set(call.client.meta.service_model.operation_names)
    assert len(call.called) == 38


def traces(call: Caller, sent: list[dict[str, Any]], trace_id: str, now: float) -> None:
    bad = json.dumps(segment(now - 30, name="x", trace_id="nonsense"))
    answer = call("PutTraceSegments", TraceSegmentDocuments=[*map(json.dumps, sent), bad, "{"])
    first, _ = answer["UnprocessedTraceSegments"]
    assert first["ErrorCode"] == "InvalidTraceId"
    call(
        "PutTelemetryRecords",
        Hostname="host-1",
        TelemetryRecords=[{"Timestamp": now, "SegmentsReceivedCount": 2, "SegmentsSentCount": 2}],
    )
    found = call("BatchGetTraces", TraceIds=[trace_id, "1-00000000-000000000000000000000000"])
    assert [trace["Id"] for trace in found["Traces"]] == [trace_id]
    assert found["UnprocessedTraceIds"] == ["1-00000000-000000000000000000000000"]
    assert found["Traces"][0]["Duration"] == 1.5
    read = {each["Id"]: json.loads(each["Document"]) for each in found["Traces"][0]["Segments"]}
    assert read[sent[0]["id"]]["annotations"] == {"customer": "c-7", "cart": 3}
    assert [each["name"] for each in read.values() if each.get("inferred")] == ["DynamoDB"]
    asked = {"StartTime": now - 600, "EndTime": now + 60}
    summaries: list[dict[str, Any]] = []

    def there() -> bool:
        wanted = 'annotation.customer = "c-7" AND responsetime > 1 service("bank") { fault }'
        summaries[:] = call("GetTraceSummaries", FilterExpression=wanted, **asked)["TraceSummaries"]
        return bool(summaries)

    wait_until(there, 20)
    assert summaries[0]["Id"] == trace_id
    assert summaries[0]["HasFault"] is True
    assert summaries[0]["Http"]["HttpStatus"] == 502
    assert summaries[0]["EntryPoint"]["Name"] == "till"
    [cause] = summaries[0]["FaultRootCauses"]
    assert [service["Name"] for service in cause["Services"]] == ["till", "bank"]
    assert not call("GetTraceSummaries", FilterExpression='ok AND user = "u1"', **asked)["TraceSummaries"]
    message = call.refused(
        "GetTraceSummaries", "InvalidRequestException", FilterExpression="service(", **asked
    )
    assert message.startswith("Line 1, column 9")
    call.refused("GetTraceSummaries", "InvalidRequestException", StartTime=now, EndTime=now - 60)


def graphs(call: Caller, trace_id: str, now: float) -> None:
    asked = {"StartTime": now - 600, "EndTime": now + 60}
    expected = {
        ("till", "client"),
        ("till", None),
        ("bank", "AWS::ECS::Container"),
        ("orders", "AWS::DynamoDB::Table"),
    }
    for operation, members in (("GetTraceGraph", {"TraceIds": [trace_id]}), ("GetServiceGraph", asked)):
        nodes: list[dict[str, Any]] = call(operation, **members)["Services"]
        found = {(node["Name"], node.get("Type")) for node in nodes}
        assert found >= expected if operation == "GetServiceGraph" else found == expected
        numbers = {node["ReferenceId"]: node for node in nodes}
        till = next(node for node in nodes if node["Name"] == "till" and node.get("Root"))
        assert {numbers[edge["ReferenceId"]]["Name"] for edge in till["Edges"]} == {"bank", "orders"}
    rows = call(
        "GetTimeSeriesServiceStatistics", EntitySelectorExpression='service("bank")', Period=60, **asked
    )["TimeSeriesServiceStatistics"]
    assert sum(row["ServiceSummaryStatistics"]["FaultStatistics"]["TotalCount"] for row in rows) == 1


def retrieval(call: Caller, trace_id: str, now: float) -> None:
    asked = {"StartTime": now - 600, "EndTime": now + 60}
    token = call("StartTraceRetrieval", TraceIds=[trace_id], **asked)["RetrievalToken"]
    for form in ("XRAY", "OTEL"):
        answer = call("ListRetrievedTraces", RetrievalToken=token, TraceFormat=form)
        assert answer["RetrievalStatus"] == "COMPLETE"
        assert [trace["Id"] for trace in answer["Traces"]] == [trace_id]
        assert all(json.loads(span["Document"]) for span in answer["Traces"][0]["Spans"])
    assert call("GetRetrievedTracesGraph", RetrievalToken=token)["Services"]
    call("CancelTraceRetrieval", RetrievalToken=token)
    call.refused("ListRetrievedTraces", "ResourceNotFoundException", RetrievalToken="unknown")


def groups(call: Caller, now: float) -> None:
    made = call(
        "CreateGroup",
        GroupName="slow",
        FilterExpression="responsetime > 1",
        Tags=[{"Key": "team", "Value": "till"}],
        InsightsConfiguration={"InsightsEnabled": True, "NotificationsEnabled": False},
    )["Group"]
    arn = made["GroupARN"]
    assert arn.startswith(GROUP + "/")
    assert call("GetGroup", GroupARN=arn)["Group"] == made
    assert (
        call("UpdateGroup", GroupName="slow", FilterExpression="responsetime > 1.2")["Group"]["GroupName"]
        == "slow"
    )
    assert {group["GroupName"] for group in call("GetGroups")["Groups"]} == {"Default", "slow"}
    asked = {"StartTime": now - 600, "EndTime": now + 60}
    assert call("GetServiceGraph", GroupName="slow", **asked)["Services"]
    assert call("GetTraceSummaries", FilterExpression='group.name = "slow"', **asked)["TraceSummaries"]
    call("TagResource", ResourceARN=arn, Tags=[{"Key": "tier", "Value": "gold"}])
    call("UntagResource", ResourceARN=arn, TagKeys=["team"])
    assert call("ListTagsForResource", ResourceARN=arn)["Tags"] == [{"Key": "tier", "Value": "gold"}]
    insight = "11111111-2222-4333-8444-555555555555"
    call.refused("GetInsight", "InvalidRequestException", InsightId=insight)
    call.refused("GetInsightEvents", "InvalidRequestException", InsightId=insight)
    call.refused("GetInsightImpactGraph", "InvalidRequestException", InsightId=insight, **asked)
    call("DeleteGroup", GroupName="slow")
    call.refused("GetGroup", "InvalidRequestException", GroupName="slow")


def fails(server: Server, call: Caller) -> None:
    """Two hours of a shop by OTLP, whose payments began to fail half an hour ago; insights are asked for."""
    call("UpdateGroup", GroupName="Default", InsightsConfiguration={"InsightsEnabled": True})
    for request in Shop(now_ns=time.time_ns()).requests(evil=False):
        body = urllib.request.Request(
            f"{server.url}/v1/{request.signal}",
            request.payload,
            {"content-type": "application/x-protobuf"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(body, timeout=30) as answer:
            assert answer.status == 200


def insights(call: Caller, now: float) -> None:
    asked = {"StartTime": now - 7200, "EndTime": now + 60}
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = call("GetInsightSummaries", GroupName="Default", States=["ACTIVE"], **asked)[
            "InsightSummaries"
        ]
        return bool(found)

    wait_until(there, 150)
    insight = found[0]["InsightId"]
    assert found[0]["RootCauseServiceId"]["Name"] == "card-gateway.example"
    assert call("GetInsight", InsightId=insight)["Insight"]["State"] == "ACTIVE"
    assert call("GetInsightEvents", InsightId=insight)["InsightEvents"]
    bounds = {"StartTime": now - 3600, "EndTime": now}
    nodes = call("GetInsightImpactGraph", InsightId=insight, **bounds)["Services"]
    assert {"payments", "checkout", "storefront"} <= {node["Name"] for node in nodes}


def sampling(call: Caller, now: float) -> None:
    rule = {
        "RuleName": "pay",
        "Priority": 5,
        "FixedRate": 0.5,
        "ReservoirSize": 10,
        "ServiceName": "till",
        "ServiceType": "*",
        "Host": "*",
        "HTTPMethod": "POST",
        "URLPath": "/pay*",
        "ResourceARN": "*",
        "Version": 1,
    }
    record = call("CreateSamplingRule", SamplingRule=rule)["SamplingRuleRecord"]
    assert record["SamplingRule"]["RuleARN"].endswith("sampling-rule/pay")
    changed = call("UpdateSamplingRule", SamplingRuleUpdate={"RuleName": "pay", "FixedRate": 0.25})
    assert changed["SamplingRuleRecord"]["SamplingRule"]["FixedRate"] == 0.25
    names = {each["SamplingRule"]["RuleName"] for each in call("GetSamplingRules")["SamplingRuleRecords"]}
    assert names == {"pay", "Default"}
    told = {
        "RuleName": "pay",
        "ClientID": secrets.token_hex(12),
        "Timestamp": now,
        "RequestCount": 20,
        "SampledCount": 5,
        "BorrowCount": 1,
    }
    answer = call("GetSamplingTargets", SamplingStatisticsDocuments=[told])
    [target] = answer["SamplingTargetDocuments"]
    assert (target["FixedRate"], target["ReservoirQuota"]) == (0.25, 10)
    wait_until(lambda: bool(call("GetSamplingStatisticSummaries")["SamplingStatisticSummaries"]), 30)
    call("DeleteSamplingRule", RuleName="pay")
    call.refused("DeleteSamplingRule", "InvalidRequestException", RuleName="pay")


def settings(call: Caller) -> None:
    assert call("GetEncryptionConfig")["EncryptionConfig"]["Type"] == "NONE"
    assert (
        call("PutEncryptionConfig", Type="KMS", KeyId="alias/mine")["EncryptionConfig"]["Status"]
        == "UPDATING"
    )
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "xray:PutTraceSegments",
    }
    statement["Resource"] = "*"
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    assert (
        call("PutResourcePolicy", PolicyName="mine", PolicyDocument=policy)["ResourcePolicy"]["PolicyName"]
        == "mine"
    )
    assert [each["PolicyName"] for each in call("ListResourcePolicies")["ResourcePolicies"]] == ["mine"]
    call("DeleteResourcePolicy", PolicyName="mine")
    assert call("GetTraceSegmentDestination")["Destination"] == "XRay"
    call("UpdateTraceSegmentDestination", Destination="CloudWatchLogs")
    assert [rule["Name"] for rule in call("GetIndexingRules")["IndexingRules"]] == ["Default"]
    rule = {"Probabilistic": {"DesiredSamplingPercentage": 5.0}}
    changed = call("UpdateIndexingRule", Name="Default", Rule=rule)["IndexingRule"]
    assert changed["Rule"]["Probabilistic"]["DesiredSamplingPercentage"] == 5.0
