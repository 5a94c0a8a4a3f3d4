"""Groups, tags, insights and small settings of the X-Ray API, over real parts; answers held to the model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from alarms.insights_forecast import Forecasts
from alarms.insights_job import InsightsJob
from collector.query.xray.nodes import service_id
from collector.request import Outcome, Request
from collector.storage.control import Control
from dashboard.aws import xray_groups, xray_settings
from dashboard.aws.call import AwsError, Call, Parts
from dashboard.aws.xray_parts import group_parts
from tests.aws_operations import Api
from tests.pages.running import Site, serving
from tests.pages.shop import BROKEN_SINCE, MINUTE, NOW, Shop

OPERATIONS = {**xray_groups.OPERATIONS, **xray_settings.OPERATIONS}
INVALID = "InvalidRequestException"
DEFAULT_ARN = "arn:aws:xray:us-east-1:123456789012:group/Default/"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with serving(Shop().requests()) as running:
        yield running


def no_way_in(_: Request) -> Outcome:
    raise AssertionError("none of these operations sends telemetry")


@pytest.fixture
def api(site: Site) -> Iterator[Api]:
    """With nothing in its control database."""
    with closing(Control(":memory:")) as control:
        control.start()
        rules = {"rule_arn_exists": lambda _parts, _call, arn: arn.endswith(":sampling-rule/mine")}
        yield Api(Parts(site.web.store, control, no_way_in, others=rules), OPERATIONS, NOW)


# -- groups


def test_the_group_of_all_traces_is_always_there(api: Api) -> None:
    (default,) = api("GetGroups")["Groups"]
    assert default["GroupName"] == "Default"
    assert default["FilterExpression"] == ""
    assert default["GroupARN"].startswith(DEFAULT_ARN)
    assert api("GetGroup", GroupName="Default")["Group"] == default
    assert api("GetGroup", GroupARN=default["GroupARN"])["Group"] == default
    api.refuses(INVALID, "DeleteGroup", GroupName="Default")
    api.refuses(INVALID, "CreateGroup", GroupName="Default")
    api.refuses(INVALID, "UpdateGroup", GroupName="Default", FilterExpression="fault")


def test_insights_of_default_are_turned_on_and_its_arn_stays(api: Api) -> None:
    before = api("GetGroup", GroupName="Default")["Group"]
    on = {"InsightsEnabled": True, "NotificationsEnabled": True}
    changed = api("UpdateGroup", GroupName="Default", InsightsConfiguration=on)["Group"]
    assert changed == {**before, "InsightsConfiguration": on}
    off = api("UpdateGroup", GroupName="Default", InsightsConfiguration={"InsightsEnabled": False})["Group"]
    assert off == before


def test_a_group_is_made_changed_and_deleted(api: Api) -> None:
    made = api("CreateGroup", GroupName="slow-checkout", FilterExpression="responsetime > 2")["Group"]
    assert made["GroupARN"].startswith("arn:aws:xray:us-east-1:123456789012:group/slow-checkout/")
    assert [g["GroupName"] for g in api("GetGroups")["Groups"]] == ["Default", "slow-checkout"]
    changed = api("UpdateGroup", GroupARN=made["GroupARN"], FilterExpression="responsetime > 3")["Group"]
    assert changed == {**made, "FilterExpression": "responsetime > 3"}
    same = api("UpdateGroup", GroupName="slow-checkout", InsightsConfiguration={"InsightsEnabled": True})
    assert same["Group"]["FilterExpression"] == "responsetime > 3", "what is not given stays"
    assert api("DeleteGroup", GroupName="slow-checkout") == {}
    again = api("CreateGroup", GroupName="slow-checkout")["Group"]
    assert again["GroupARN"] != made["GroupARN"], "another group of the same name has another ARN"


@pytest.mark.parametrize("operation", ["GetGroup", "UpdateGroup", "DeleteGroup"])
def test_a_missing_group_is_an_invalid_request_not_404(api: Api, operation: str) -> None:
    assert "no group nothing" in str(api.refuses(INVALID, operation, GroupName="nothing"))
    api.refuses(INVALID, operation, GroupARN=f"{DEFAULT_ARN}OTHER")
    api.refuses(INVALID, operation)
    api.refuses(INVALID, operation, GroupName="Default", GroupARN=f"{DEFAULT_ARN}OTHER")


def test_groups_belong_to_one_account_and_region(api: Api) -> None:
    made = api("CreateGroup", GroupName="mine")["Group"]
    other = replace(api, region="eu-west-1", tenant=api.parts.control.tenant_id(api.account, "eu-west-1"))
    assert [g["GroupName"] for g in other("GetGroups")["Groups"]] == ["Default"]
    other.refuses(INVALID, "GetGroup", GroupARN=made["GroupARN"])


@pytest.mark.parametrize("name", ["with space", "a_b", "ä", "a/b"])
def test_names_are_letters_digits_and_dashes(api: Api, name: str) -> None:
    api.refuses(INVALID, "CreateGroup", GroupName=name)


@pytest.mark.parametrize(
    ("expression", "column"),
    [
        ('service("payments" AND', 20),
        ("responsetime > > 2", 16),
        ("fault AND group.name = \"x\"", 11),
        ("duration = \"long\"", 12),
    ],
)  # fmt: skip
def test_an_expression_that_cannot_be_read_says_where(api: Api, expression: str, column: int) -> None:
    for operation, more in (("CreateGroup", {"GroupName": "bad"}), ("UpdateGroup", {"GroupName": "good"})):
        if operation == "UpdateGroup":
            api("CreateGroup", GroupName="good", FilterExpression="fault")
        error = api.refuses(INVALID, operation, FilterExpression=expression, **more)
        assert f"line 1, column {column}:" in str(error)
    assert api("GetGroup", GroupName="good")["Group"]["FilterExpression"] == "fault"


def test_a_quoted_group_is_a_text(api: Api) -> None:
    made = api("CreateGroup", GroupName="quoted", FilterExpression='http.url CONTAINS "group.name"')
    assert made["Group"]["FilterExpression"] == 'http.url CONTAINS "group.name"'


def test_names_are_taken_once_and_case_counts(api: Api) -> None:
    api("CreateGroup", GroupName="checkout")
    api("CreateGroup", GroupName="Checkout")
    assert "already" in str(api.refuses(INVALID, "CreateGroup", GroupName="checkout"))


def test_there_are_twenty_five_groups_beside_default(api: Api) -> None:
    for number in range(25):
        api("CreateGroup", GroupName=f"g{number:02d}")
    assert "25" in str(api.refuses(INVALID, "CreateGroup", GroupName="one-more"))
    assert len(api("GetGroups")["Groups"]) == 26


def test_notifications_need_insights(api: Api) -> None:
    only = {"InsightsEnabled": False, "NotificationsEnabled": True}
    api.refuses(INVALID, "CreateGroup", GroupName="told", InsightsConfiguration=only)
    api.refuses(INVALID, "UpdateGroup", GroupName="Default", InsightsConfiguration=only)
    api.refuses(INVALID, "GetGroups", NextToken="made up")


# -- tags


def test_tags_of_groups_and_rules(api: Api) -> None:
    tags = [{"Key": "team", "Value": "pay"}, {"Key": "Team", "Value": ""}]
    arn = api("CreateGroup", GroupName="tagged", Tags=tags)["Group"]["GroupARN"]
    assert api("ListTagsForResource", ResourceARN=arn)["Tags"] == sorted(tags, key=lambda t: t["Key"])
    api("TagResource", ResourceARN=arn, Tags=[{"Key": "team", "Value": "new"}])
    api("UntagResource", ResourceARN=arn, TagKeys=["Team", "never there"])
    assert api("ListTagsForResource", ResourceARN=arn)["Tags"] == [{"Key": "team", "Value": "new"}]
    rule = "arn:aws:xray:us-east-1:123456789012:sampling-rule/mine"
    api("TagResource", ResourceARN=rule, Tags=[{"Key": "a", "Value": "b"}])
    assert api("ListTagsForResource", ResourceARN=rule)["Tags"] == [{"Key": "a", "Value": "b"}]
    api("DeleteGroup", GroupName="tagged")
    api.refuses("ResourceNotFoundException", "ListTagsForResource", ResourceARN=arn)


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:xray:us-east-1:123456789012:group/none/ABC",
        "arn:aws:xray:us-east-1:123456789012:sampling-rule/other",
        "arn:aws:xray:eu-west-1:123456789012:sampling-rule/mine",
        "arn:aws:s3:::bucket",
        "nonsense",
    ],
)
def test_an_unknown_arn_is_404_and_named(api: Api, arn: str) -> None:
    for operation, more in (
        ("TagResource", {"Tags": []}), ("UntagResource", {"TagKeys": ["a"]}), ("ListTagsForResource", {}),
    ):  # fmt: skip
        error = api.refuses("ResourceNotFoundException", operation, ResourceARN=arn, **more)
        assert error.fields["ResourceName"] == arn


def test_limits_of_tags(api: Api) -> None:
    arn = api("CreateGroup", GroupName="tagged")["Group"]["GroupARN"]
    fifty = [{"Key": f"k{n}", "Value": "v"} for n in range(50)]
    api("TagResource", ResourceARN=arn, Tags=fifty)
    api("TagResource", ResourceARN=arn, Tags=[{"Key": "k7", "Value": "again"}])
    error = api.refuses(
        "TooManyTagsException", "TagResource", ResourceARN=arn, Tags=[{"Key": "x", "Value": ""}]
    )
    assert error.fields["ResourceName"] == arn
    for tags in (
        [{"Key": "aws:mine", "Value": ""}],
        [{"Key": "a", "Value": "<b>"}],
        [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}],
    ):
        api.refuses(INVALID, "TagResource", ResourceARN=arn, Tags=tags)
        api.refuses(INVALID, "CreateGroup", GroupName="t", Tags=tags)
    assert len(api("GetGroups")["Groups"]) == 2, "nothing is made when its tags are wrong"


# -- settings


def test_encryption(api: Api) -> None:
    assert api("GetEncryptionConfig")["EncryptionConfig"] == {"Type": "NONE", "Status": "ACTIVE"}
    put = api("PutEncryptionConfig", Type="KMS", KeyId="alias/mine")["EncryptionConfig"]
    assert put == {"Type": "KMS", "KeyId": "alias/mine", "Status": "UPDATING"}
    assert api("GetEncryptionConfig")["EncryptionConfig"] == {**put, "Status": "ACTIVE"}
    api.refuses(INVALID, "PutEncryptionConfig", Type="KMS")
    api.refuses(INVALID, "PutEncryptionConfig", Type="NONE", KeyId="alias/mine")
    assert api("PutEncryptionConfig", Type="NONE")["EncryptionConfig"]["Type"] == "NONE"


def test_destination(api: Api) -> None:
    assert api("GetTraceSegmentDestination") == {"Destination": "XRay", "Status": "ACTIVE"}
    moved = api("UpdateTraceSegmentDestination", Destination="CloudWatchLogs")
    assert moved == {"Destination": "CloudWatchLogs", "Status": "PENDING"}
    assert api("GetTraceSegmentDestination") == {"Destination": "CloudWatchLogs", "Status": "ACTIVE"}
    again = api("UpdateTraceSegmentDestination", Destination="CloudWatchLogs")
    assert again["Status"] == "ACTIVE"
    key = {"SpansLogGroupKmsKeyId": "key"}
    api("UpdateTraceSegmentDestination", CloudWatchLogsConfiguration=key)
    api.refuses(INVALID, "UpdateTraceSegmentDestination", Destination="XRay", CloudWatchLogsConfiguration=key)


def test_indexing_rules(api: Api) -> None:
    (rule,) = api("GetIndexingRules")["IndexingRules"]
    assert rule["Name"] == "Default"
    assert rule["Rule"]["Probabilistic"]["DesiredSamplingPercentage"] == 1
    wanted = {"Probabilistic": {"DesiredSamplingPercentage": 12.5}}
    changed = api("UpdateIndexingRule", Name="Default", Rule=wanted)["IndexingRule"]
    assert changed["Rule"]["Probabilistic"]["DesiredSamplingPercentage"] == 12.5
    assert changed["ModifiedAt"] == NOW / 1e9
    assert api("GetIndexingRules")["IndexingRules"] == [changed]
    api.refuses("ResourceNotFoundException", "UpdateIndexingRule", Name="other", Rule=wanted)
    for percentage in (-1, 100.5):
        bad = {"Probabilistic": {"DesiredSamplingPercentage": percentage}}
        api.refuses(INVALID, "UpdateIndexingRule", Name="Default", Rule=bad)


POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"s"},'
    '"Action":"xray:PutTraceSegments","Resource":"*"}]}'
)


def test_policies_and_their_revisions(api: Api) -> None:
    put = api("PutResourcePolicy", PolicyName="p", PolicyDocument=POLICY)["ResourcePolicy"]
    assert put["PolicyRevisionId"] == "1"
    again = api("PutResourcePolicy", PolicyName="p", PolicyDocument=POLICY, PolicyRevisionId="1")
    assert again["ResourcePolicy"]["PolicyRevisionId"] == "2"
    revised = "InvalidPolicyRevisionIdException"
    for revision in ("0", "1", "7", "x"):
        api.refuses(
            revised, "PutResourcePolicy", PolicyName="p", PolicyDocument=POLICY, PolicyRevisionId=revision
        )
    api("PutResourcePolicy", PolicyName="new", PolicyDocument=POLICY, PolicyRevisionId="0")
    api.refuses(revised, "PutResourcePolicy", PolicyName="newer", PolicyDocument=POLICY, PolicyRevisionId="1")
    assert [p["PolicyName"] for p in api("ListResourcePolicies")["ResourcePolicies"]] == ["new", "p"]
    api.refuses(revised, "DeleteResourcePolicy", PolicyName="p", PolicyRevisionId="1")
    assert api("DeleteResourcePolicy", PolicyName="p", PolicyRevisionId="2") == {}
    api.refuses(INVALID, "DeleteResourcePolicy", PolicyName="p")


def test_limits_of_policies(api: Api) -> None:
    for number in range(5):
        api("PutResourcePolicy", PolicyName=f"p{number}", PolicyDocument=POLICY)
    api("PutResourcePolicy", PolicyName="p0", PolicyDocument=POLICY)
    many, large = "PolicyCountLimitExceededException", "PolicySizeLimitExceededException"
    api.refuses(many, "PutResourcePolicy", PolicyName="p5", PolicyDocument=POLICY)
    api.refuses(large, "PutResourcePolicy", PolicyName="p0", PolicyDocument=POLICY + " " * 5120)


@pytest.mark.parametrize(
    "document",
    [
        "no json", "[]", "{}", '{"Statement":[]}', '{"Statement":[{"Effect":"Maybe"}]}',
        '{"Statement":[{"Effect":"Allow","Principal":"*"}]}', '{"Statement":[7]}',
    ],
)  # fmt: skip
def test_a_malformed_policy(api: Api, document: str) -> None:
    malformed = "MalformedPolicyDocumentException"
    api.refuses(malformed, "PutResourcePolicy", PolicyName="p", PolicyDocument=document)


def test_a_policy_that_locks_everyone_out_is_asked_about(api: Api) -> None:
    locked = '{"Statement":{"Effect":"Deny","Principal":"*","Action":"xray:*","Resource":"*"}}'
    lockout = "LockoutPreventionException"
    api.refuses(lockout, "PutResourcePolicy", PolicyName="p", PolicyDocument=locked)
    api("PutResourcePolicy", PolicyName="p", PolicyDocument=locked, BypassPolicyLockoutCheck=True)


# -- insights


@pytest.fixture(scope="module")
def found(site: Site) -> Iterator[Api]:
    """The shop whose payments fail, after the job has looked at it."""
    with closing(Control(":memory:")) as control:
        control.start()
        api = Api(Parts(site.web.store, control, no_way_in), OPERATIONS, NOW)
        api("UpdateGroup", GroupName="Default", InsightsConfiguration={"InsightsEnabled": True})
        InsightsJob(site.web.store, control).run(NOW)
        yield api


HOUR = {"StartTime": NOW / 1e9 - 3600, "EndTime": NOW / 1e9}


def test_summaries_of_insights(found: Api) -> None:
    answer = found("GetInsightSummaries", **HOUR)
    assert "NextToken" not in answer
    (summary,) = answer["InsightSummaries"]
    assert summary["State"] == "ACTIVE"
    assert "EndTime" not in summary
    assert summary["Categories"] == ["FAULT"]
    assert summary["RootCauseServiceId"]["Name"] == "card-gateway.example"
    assert summary["GroupARN"] == found("GetGroup", GroupName="Default")["Group"]["GroupARN"]
    assert summary["StartTime"] <= BROKEN_SINCE / 1e9
    for key in ("ClientRequestImpactStatistics", "RootCauseServiceRequestImpactStatistics"):
        stats = summary[key]
        assert stats["TotalCount"] == stats["OkCount"] + stats["FaultCount"] > 0
    assert "card-gateway.example is failing" in summary["Summary"]
    insight = found("GetInsight", InsightId=summary["InsightId"].upper())["Insight"]
    assert {**insight, "LastUpdateTime": summary["LastUpdateTime"]} == summary


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ({}, 1), ({"States": ["ACTIVE"]}, 1), ({"States": ["CLOSED"]}, 0), ({"GroupName": "Default"}, 1),
        ({"EndTime": NOW / 1e9 - 3000}, 0), ({"MaxResults": 1}, 1),
    ],
)  # fmt: skip
def test_which_insights_are_asked_for(found: Api, asked: dict[str, Any], count: int) -> None:
    assert len(found("GetInsightSummaries", **{**HOUR, **asked})["InsightSummaries"]) == count


@pytest.mark.parametrize(
    "asked",
    [
        {"EndTime": HOUR["StartTime"] - 1},
        {"StartTime": NOW / 1e9 - 31 * 86_400},
        {"GroupName": "nothing"},
        {"NextToken": "made up"},
    ],
)
def test_ranges_and_groups_that_cannot_be(found: Api, asked: dict[str, Any]) -> None:
    found.refuses(INVALID, "GetInsightSummaries", **{**HOUR, **asked})


def test_events_come_a_page_at_a_time(found: Api) -> None:
    one = found("GetInsightSummaries", **HOUR)["InsightSummaries"][0]["InsightId"]
    whole = found("GetInsightEvents", InsightId=one)["InsightEvents"]
    paged, token = [], None
    while True:
        more = {"NextToken": token} if token else {}
        answer = found("GetInsightEvents", InsightId=one, MaxResults=1, **more)
        paged += answer["InsightEvents"]
        token = answer.get("NextToken")
        if not token:
            break
    assert paged == whole
    assert whole[-1]["EventTime"] <= whole[0]["EventTime"]
    assert "began to fail" in whole[-1]["Summary"]
    unknown = "00000000-0000-4000-8000-000000000000"
    for operation in ("GetInsight", "GetInsightEvents"):
        found.refuses(INVALID, operation, InsightId=unknown)
    found.refuses(INVALID, "GetInsightImpactGraph", InsightId=unknown, **HOUR)


def test_the_impact_graph_shows_how_requests_come_to_the_cause(found: Api) -> None:
    one = found("GetInsightSummaries", **HOUR)["InsightSummaries"][0]["InsightId"]
    graph = found("GetInsightImpactGraph", InsightId=one, **HOUR)
    services = {s["ReferenceId"]: s for s in graph["Services"]}
    assert sorted(services) == list(range(len(services)))
    names = {(s["Name"], s.get("Type")) for s in services.values()}
    assert names == {
        ("storefront", "client"), ("storefront", None), ("checkout", None), ("payments", None),
        ("card-gateway.example", "remote"),
    }  # fmt: skip
    ways = {(s["Name"], services[e["ReferenceId"]]["Name"]) for s in services.values() for e in s["Edges"]}
    assert ("payments", "card-gateway.example") in ways
    assert ("storefront", "storefront") in ways, "the client calls the root"
    assert graph["ServiceGraphStartTime"] >= HOUR["StartTime"] - 300
    assert graph["ServiceGraphEndTime"] <= NOW / 1e9
    early = {"StartTime": HOUR["StartTime"] - 7200, "EndTime": HOUR["StartTime"] - 3600}
    assert found("GetInsightImpactGraph", InsightId=one, **early)["Services"] == []
    long = {"StartTime": NOW / 1e9 - 6 * 3600 - 1, "EndTime": NOW / 1e9}
    found.refuses(INVALID, "GetInsightImpactGraph", InsightId=one, **long)
    found.at(NOW + MINUTE)("GetInsightImpactGraph", InsightId=one, **HOUR)


# -- what others are given


def test_other_operations_find_groups_bands_and_a_place_for_tags(found: Api) -> None:
    parts = group_parts(found.parts.control)
    call = Call("123456789012", "us-east-1", 0, "key", "test", "request", NOW)
    default = found("GetGroup", GroupName="Default")["Group"]["GroupARN"]
    assert parts["groups"].find_group(0, "Default") == parts["groups"].find_group(0, default) == ""
    assert parts["groups"].find_group(0, "nothing") is None
    assert parts["group_expressions"](call) == {"Default": "", default: ""}
    rule = "arn:aws:xray:us-east-1:123456789012:sampling-rule/mine"
    parts["tag"](call, rule, [{"Key": "team", "Value": "shop"}])
    with pytest.raises(AwsError):
        parts["tag"](call, rule, [{"Key": "aws:x", "Value": ""}])
    rules = {"rule_arn_exists": lambda _parts, _call, arn: arn == rule}
    listing = replace(found, parts=replace(found.parts, others=rules))
    assert listing("ListTagsForResource", ResourceARN=rule)["Tags"] == [{"Key": "team", "Value": "shop"}]
    parts["untag"](call, rule)
    assert listing("ListTagsForResource", ResourceARN=rule)["Tags"] == []


def test_forecasts_are_the_band_of_insights_scaled_to_the_period(found: Api) -> None:
    forecasts = Forecasts(found.parts.control)
    ask = forecasts.forecast(0, "")
    assert ask is not None
    services = [service_id("payments")]
    five, one = ask(services, NOW, 300 * 10**9), ask(services, NOW, 60 * 10**9)
    assert five is not None
    assert one is not None
    assert 0 <= five.low <= five.high
    assert 0 < one.high <= five.high < 20 * 0.4, "failing is not expected"
    assert ask(services, NOW - 90 * MINUTE, MINUTE) is None, "too little was known then"
    assert ask([service_id("nobody")], NOW, 60 * 10**9) is None
    assert forecasts.forecast(0, "nothing") is None
    found("CreateGroup", GroupName="unwatched")
    assert forecasts.forecast(0, "unwatched") is None
    found("DeleteGroup", GroupName="unwatched")
