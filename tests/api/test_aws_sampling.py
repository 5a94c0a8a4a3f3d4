"""The sampling operations by boto3, and by raw JSON as samplers in other languages send it (3 and 4.4)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from collector.accounting import Accounting
from collector.receivers.server import HttpServer
from collector.request import Outcome
from collector.sampling.service import SamplingService
from collector.storage.control import Control
from collector.storage.control_sampling import SamplingStore
from collector.storage.store import Store
from dashboard.aws.call import Call, Parts
from dashboard.aws.front import AwsFront, FrontOptions
from dashboard.aws.registry import SERVICES
from dashboard.aws.xray_sampling import rule_arn_exists

START = 1_700_000_000
CLIENT = "0123456789abcdef01234567"
ARN = "arn:aws:xray:us-east-1:123456789012:sampling-rule/"
RULE: dict[str, Any] = {
    "RuleName": "checkout",
    "ResourceARN": "*",
    "Priority": 10,
    "FixedRate": 0.5,
    "ReservoirSize": 4,
    "ServiceName": "shop",
    "ServiceType": "*",
    "Host": "*",
    "HTTPMethod": "*",
    "URLPath": "/pay/*",
    "Version": 1,
}


@dataclass
class Served:
    """A server with its clock and what was tagged."""

    url: str
    client: Any
    parts: Parts
    tags: dict[str, Any]
    now_ns: int = START * 10**9

    def post(self, path: str, body: str = "", **headers: str) -> tuple[int, Any]:
        """Raw bytes, as samplers send them."""
        request = urllib.request.Request(
            self.url + path, body.encode(), {"content-type": "", **headers}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def targets(self, *documents: Any, **more: Any) -> Any:
        status, answer = self.post(
            "/SamplingTargets", json.dumps({"SamplingStatisticsDocuments": documents, **more})
        )
        assert status == 200, answer
        return answer


@pytest.fixture
def served() -> Iterator[Served]:
    with ExitStack() as stack:
        control = stack.enter_context(closing(Control(":memory:")))
        control.start()
        tags: dict[str, Any] = {}
        parts = Parts(
            cast(Store, None),
            control,
            lambda _: Outcome(),
            others={
                "sampling": SamplingService(SamplingStore(control), rules_limit=25),
                "tag": lambda _, arn, given: tags.update({arn: given}),
                "untag": lambda _, arn: tags.pop(arn, None),
            },
        )
        found = Served("", None, parts, tags)
        front = AwsFront(SERVICES, parts, Accounting(), options=FrontOptions(clock=lambda: found.now_ns))
        server = HttpServer(front, [("127.0.0.1", 0)], prompt=front.prompt)
        server.start()
        stack.callback(server.close)
        found.url = f"http://127.0.0.1:{server.port}"
        found.client = boto3.client(
            "xray",
            endpoint_url=found.url,
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(retries={"max_attempts": 0}, parameter_validation=False),
        )
        stack.callback(found.client.close)
        yield found


def document(rule: str = "Default", **members: Any) -> dict[str, Any]:
    return {
        "RuleName": rule, "ClientID": CLIENT, "Timestamp": START, "RequestCount": 10, "SampledCount": 1,
        "BorrowCount": 0, **members,
    }  # fmt: skip


def test_create_update_and_delete_answer_the_record(served: Served) -> None:
    made = served.client.create_sampling_rule(SamplingRule=RULE, Tags=[{"Key": "team", "Value": "shop"}])
    at = datetime.fromtimestamp(START, UTC)
    assert made["SamplingRuleRecord"] == {
        "SamplingRule": {**RULE, "RuleARN": ARN + "checkout", "Attributes": {}},
        "CreatedAt": at,
        "ModifiedAt": at,
    }
    assert served.tags == {ARN + "checkout": [{"Key": "team", "Value": "shop"}]}
    served.now_ns += 10**9
    changed = served.client.update_sampling_rule(
        SamplingRuleUpdate={"RuleARN": ARN + "checkout", "FixedRate": 0.25, "Attributes": {"a": "b"}}
    )["SamplingRuleRecord"]
    assert changed["SamplingRule"] == {
        **made["SamplingRuleRecord"]["SamplingRule"], "FixedRate": 0.25, "Attributes": {"a": "b"}
    }  # fmt: skip
    assert changed["CreatedAt"] == at < changed["ModifiedAt"]
    assert served.client.delete_sampling_rule(RuleName="checkout")["SamplingRuleRecord"] == changed
    assert served.tags == {}
    assert [
        r["SamplingRule"]["RuleName"] for r in served.client.get_sampling_rules()["SamplingRuleRecords"]
    ] == ["Default"]


def test_an_arn_may_lack_the_account(served: Served) -> None:
    served.client.create_sampling_rule(SamplingRule=RULE)
    served.client.delete_sampling_rule(RuleARN="arn:aws:xray:us-east-1::sampling-rule/checkout")


@pytest.mark.parametrize(
    ("operation", "members", "says"),
    [
        ("create_sampling_rule", {"SamplingRule": RULE}, "already"),
        ("create_sampling_rule", {"SamplingRule": {**RULE, "RuleName": "Default"}}, "Default"),
        ("create_sampling_rule", {"SamplingRule": {**RULE, "RuleName": "x", "Priority": 10_000}}, "9999"),
        ("create_sampling_rule", {"SamplingRule": {**RULE, "RuleName": "x", "FixedRate": 2}}, "0 to 1"),
        ("create_sampling_rule", {"SamplingRule": {**RULE, "RuleARN": ARN + "x"}}, "RuleName"),
        (
            "update_sampling_rule",
            {"SamplingRuleUpdate": {"RuleName": "x", "FixedRate": 1}},
            "no sampling rule 'x'",
        ),
        ("update_sampling_rule", {"SamplingRuleUpdate": {"FixedRate": 1}}, "RuleName or by RuleARN"),
        (
            "update_sampling_rule",
            {"SamplingRuleUpdate": {"RuleName": "checkout", "RuleARN": ARN + "checkout"}},
            "by one of them",
        ),
        ("update_sampling_rule", {"SamplingRuleUpdate": {"RuleName": "Default", "Host": "x"}}, "Host"),
        ("delete_sampling_rule", {"RuleName": "Default"}, "cannot be deleted"),
        ("delete_sampling_rule", {"RuleName": "x"}, "no sampling rule 'x'"),
        ("delete_sampling_rule", {}, "RuleName or by RuleARN"),
        ("delete_sampling_rule", {"RuleARN": "arn:aws:s3:::x"}, "RuleARN must be like"),
        (
            "delete_sampling_rule",
            {"RuleARN": ARN.replace("us-east-1", "eu-west-1") + "checkout"},
            "eu-west-1",
        ),
        ("get_sampling_statistic_summaries", {"NextToken": "??"}, "NextToken"),
    ],
)
def test_what_cannot_be_is_an_invalid_request(
    served: Served, operation: str, members: dict[str, Any], says: str
) -> None:
    served.client.create_sampling_rule(SamplingRule=RULE)
    with pytest.raises(ClientError, match=says) as raised:
        getattr(served.client, operation)(**members)
    assert raised.value.response["Error"]["Code"] == "InvalidRequestException"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_the_26th_rule_is_one_too_many_and_25_come_in_one_page(served: Served) -> None:
    for number in range(25):
        served.client.create_sampling_rule(SamplingRule={**RULE, "RuleName": f"r{number}"})
    with pytest.raises(ClientError) as raised:
        served.client.create_sampling_rule(SamplingRule={**RULE, "RuleName": "r25"})
    assert raised.value.response["Error"]["Code"] == "RuleLimitExceededException"
    answer = served.client.get_sampling_rules()
    assert len(answer["SamplingRuleRecords"]) == 26
    assert "NextToken" not in answer


def test_default_is_written_with_zero_times_and_nothing_that_a_sampler_stumbles_over(served: Served) -> None:
    served.client.create_sampling_rule(
        SamplingRule={**RULE, "SamplingRateBoost": {"MaxRate": 0.5, "CooldownWindowMinutes": 10}}
    )
    for body in ("", "{}", '{"NextToken": null}'):
        status, answer = served.post("/GetSamplingRules", body)
        assert (status, set(answer)) == (200, {"SamplingRuleRecords"})
        boosted, default = answer["SamplingRuleRecords"]
        assert boosted["SamplingRule"]["SamplingRateBoost"] == {"MaxRate": 0.5, "CooldownWindowMinutes": 10}
        assert default == {
            "SamplingRule": {
                "RuleName": "Default", "RuleARN": ARN + "Default", "ResourceARN": "*", "Priority": 10000,
                "FixedRate": 0.05, "ReservoirSize": 1, "ServiceName": "*", "ServiceType": "*", "Host": "*",
                "HTTPMethod": "*", "URLPath": "*", "Version": 1, "Attributes": {},
            },
            "CreatedAt": 0.0, "ModifiedAt": 0.0,
        }  # fmt: skip


def test_a_target_has_exactly_its_members_and_integers_are_integers(served: Served) -> None:
    answer = served.targets(document(), document("gone"))
    assert answer == {
        "SamplingTargetDocuments": [
            {
                "RuleName": "Default",
                "FixedRate": 0.05,
                "ReservoirQuota": 1,
                "ReservoirQuotaTTL": START + 60,
                "Interval": 10,
            }
        ],
        "LastRuleModification": 0,
        "UnprocessedStatistics": [
            {"RuleName": "gone", "ErrorCode": "RuleNotFound", "Message": "There is no sampling rule 'gone'."}
        ],
    }
    (target,) = answer["SamplingTargetDocuments"]
    whole = [target[name] for name in ("ReservoirQuota", "ReservoirQuotaTTL", "Interval")]
    assert all(type(value) is int for value in [*whole, answer["LastRuleModification"]])


def test_last_modification_is_not_before_the_second_of_a_fetch_that_missed_it(served: Served) -> None:
    """A client that fetched at 100.2 remembers 100; a change at 100.7 must look later than that."""
    served.now_ns += 700_000_000
    served.client.create_sampling_rule(SamplingRule=RULE)
    assert served.targets(document())["LastRuleModification"] == START + 1
    served.client.delete_sampling_rule(RuleName="checkout")
    assert served.targets(document())["LastRuleModification"] == START + 1
    served.now_ns += 10**9
    served.client.update_sampling_rule(SamplingRuleUpdate={"RuleName": "Default", "FixedRate": 0.1})
    assert served.targets(document())["LastRuleModification"] == START + 2


def test_boosts_are_told_only_when_boosts_were_reported(served: Served) -> None:
    served.client.create_sampling_rule(
        SamplingRule={**RULE, "SamplingRateBoost": {"MaxRate": 0.9, "CooldownWindowMinutes": 10}}
    )
    boost = {
        "RuleName": "checkout",
        "ServiceName": "shop",
        "Timestamp": START,
        "AnomalyCount": 5,
        "TotalCount": 50,
        "SampledAnomalyCount": 0,
        "ClientID": CLIENT,
    }
    for nothing in ([], None):
        assert "UnprocessedBoostStatistics" not in served.targets(
            document(), SamplingBoostStatisticsDocuments=nothing
        )
    answer = served.targets(
        document("checkout"),
        document(),
        SamplingBoostStatisticsDocuments=[boost, {**boost, "RuleName": "gone"}],
    )
    boosted, default = answer["SamplingTargetDocuments"]
    assert boosted["SamplingBoost"] == {"BoostRate": 0.9, "BoostRateTTL": START + 60}
    assert "SamplingBoost" not in default
    assert answer["UnprocessedBoostStatistics"] == [
        {"RuleName": "gone", "ErrorCode": "RuleNotFound", "Message": "There is no sampling rule 'gone'."}
    ]


@pytest.mark.parametrize(
    "members",
    [
        {"SampledCount": None, "SampleCount": 1},
        {"BorrowCount": None},
        {"Timestamp": START * 1000},
        {"Timestamp": "2023-11-14T22:13:20Z"},
        {"Timestamp": float(START)},
        {"RequestCount": 10.0},
        {"SomethingNew": {"a": 1}},
        {"ClientID": CLIENT.upper()},
    ],
)
def test_what_samplers_send_otherwise_counts_all_the_same(served: Served, members: dict[str, Any]) -> None:
    given = {key: value for key, value in document(**members).items() if value is not None}
    assert len(served.targets(given)["SamplingTargetDocuments"]) == 1
    (window,) = served.client.get_sampling_statistic_summaries()["SamplingStatisticSummaries"]
    assert (window["RequestCount"], window["SampledCount"], window["BorrowCount"]) == (10, 1, 0)
    assert window["Timestamp"] == datetime.fromtimestamp(START, UTC)


def test_more_than_25_documents_and_no_documents_are_answered(served: Served) -> None:
    many = served.targets(*(document(ClientID=f"{n:024x}") for n in range(60)))
    assert [t["ReservoirQuota"] for t in many["SamplingTargetDocuments"]] == [1] + [0] * 59
    assert served.targets()["SamplingTargetDocuments"] == []
    status, answer = served.post("/SamplingTargets", '{"SamplingStatisticsDocuments": null}')
    assert (status, answer["SamplingTargetDocuments"]) == (200, [])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"SamplingStatisticsDocuments": "x"},
        {"SamplingStatisticsDocuments": [1]},
        {"SamplingStatisticsDocuments": [document(ClientID="short")]},
        {"SamplingStatisticsDocuments": [document(ClientID=None)]},
        {"SamplingStatisticsDocuments": [document(RequestCount=-1)]},
        {"SamplingStatisticsDocuments": [document(SampledCount="many")]},
        {"SamplingStatisticsDocuments": [document(rule="")]},
        {"SamplingStatisticsDocuments": [], "SamplingBoostStatisticsDocuments": [{}]},
    ],
)
def test_a_report_that_cannot_be_read_is_refused_and_nothing_of_it_counts(
    served: Served, body: dict[str, Any]
) -> None:
    if isinstance(body.get("SamplingStatisticsDocuments"), list):
        body = {**body, "SamplingStatisticsDocuments": [document(), *body["SamplingStatisticsDocuments"]]}
    status, answer = served.post("/SamplingTargets", json.dumps(body))
    assert status == 400
    assert answer["__type"] in ("InvalidRequestException", "SerializationException")
    assert answer["Message"]
    assert served.client.get_sampling_statistic_summaries()["SamplingStatisticSummaries"] == []


def test_statistics_are_paged_newest_first(served: Served) -> None:
    for _ in range(60):
        served.targets(document(), document(ClientID="f" * 24, RequestCount=1, SampledCount=1, BorrowCount=1))
        served.now_ns += 5 * 10**9
    served.now_ns += 330 * 10**9
    first = served.client.get_sampling_statistic_summaries()
    pages = list(served.client.get_paginator("get_sampling_statistic_summaries").paginate())
    windows = [one for page in pages for one in page["SamplingStatisticSummaries"]]
    assert "NextToken" not in first
    assert [one["Timestamp"].timestamp() for one in windows] == [START + 290 - n * 10 for n in range(27)]
    assert {(w["RequestCount"], w["SampledCount"], w["BorrowCount"]) for w in windows} == {(22, 4, 2)}


def test_many_statistics_take_several_pages(served: Served) -> None:
    names = ["Default", *(f"r{n}" for n in range(5))]
    for name in names[1:]:
        served.client.create_sampling_rule(SamplingRule={**RULE, "RuleName": name})
    for _ in range(30):
        served.targets(*map(document, names))
        served.now_ns += 10**10
    pages = list(served.client.get_paginator("get_sampling_statistic_summaries").paginate())
    found = [(w["Timestamp"], w["RuleName"]) for page in pages for w in page["SamplingStatisticSummaries"]]
    assert [len(page["SamplingStatisticSummaries"]) for page in pages] == [100, 80]
    assert found == sorted(set(found), key=lambda one: (-one[0].timestamp(), one[1]))
    assert len(found) == 180


def test_who_keeps_tags_can_ask_for_a_rule_by_its_arn(served: Served) -> None:
    served.client.create_sampling_rule(SamplingRule=RULE)
    call = Call("123456789012", "us-east-1", 0, "", "", "", served.now_ns)
    assert rule_arn_exists(served.parts, call, ARN + "checkout")
    assert rule_arn_exists(served.parts, call, ARN + "Default")
    assert not rule_arn_exists(served.parts, call, ARN + "other")
    assert not rule_arn_exists(served.parts, call, "arn:aws:xray:us-east-1:123456789012:group/checkout/ABC")
