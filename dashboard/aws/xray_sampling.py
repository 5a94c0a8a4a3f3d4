"""X-Ray's sampling operations: rules, targets for the clients that sample, statistics.

Answers are exact to the member (specification 3.7): clients in four languages fail on a null, on an extra
member, on `10.0` for an integer. What cannot be is told with the errors that the model has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar, cast

from collector.errors import QueryError
from collector.query.cursors import decode_cursor, encode_cursor
from collector.sampling.boost import Anomalies
from collector.sampling.rules import InvalidRule, Record, members_of, rule_of, updated
from collector.sampling.service import (
    SECOND_NS,
    BoostStatistics,
    RuleLimit,
    SamplingService,
    Statistics,
    Target,
    Targets,
    Unprocessed,
)
from dashboard.aws.call import AwsError, Call, Members, Operation, Parts
from dashboard.aws.service import Repair

RECENT_S = 600
"""How far back statistics are told (3.8: the last ten minutes)."""
PAGE = 100
_CLIENT = re.compile(r"[0-9a-fA-F]{24}")
_ARN = re.compile(r"arn:[a-z-]+:xray:([a-z0-9-]*):(\d*):sampling-rule/(.+)")
_T = TypeVar("_T")


def create_sampling_rule(parts: Parts, call: Call, members: Members) -> Members:
    """4.4. Tags go to the part 'tag', a function (call, arn, tags), where there is one."""
    given = members["SamplingRule"]
    if given.get("RuleARN"):
        raise _invalid("A new rule is given a RuleName; its ARN follows from it.")
    rule = _valid(lambda: rule_of(given))
    tags = members.get("Tags") or ()
    tag = parts.others.get("tag")
    if tags and tag is None:
        raise AwsError("InvalidRequestException", "Tags of sampling rules are not kept in this Raywatch.")
    record = _valid(lambda: _service(parts).create(call.tenant, rule, call.now_ns))
    if tags and tag is not None:
        try:
            tag(call, _arn(call, rule.name), tags)
        except AwsError:
            _service(parts).delete(call.tenant, rule.name, call.now_ns)
            raise
    return {"SamplingRuleRecord": record_members(call, record)}


def update_sampling_rule(parts: Parts, call: Call, members: Members) -> Members:
    """4.4. Only what is given changes; the rule is named by its name or its ARN, not by both."""
    given = members["SamplingRuleUpdate"]
    name = _named(call, given)

    def update() -> Record:
        record = _service(parts).rules(call.tenant).get(name)
        if record is None:
            raise InvalidRule(f"There is no sampling rule {name!r}.")
        return _service(parts).replace(call.tenant, updated(record.rule, given), call.now_ns)

    return {"SamplingRuleRecord": record_members(call, _valid(update))}


def delete_sampling_rule(parts: Parts, call: Call, members: Members) -> Members:
    """4.4. What was deleted is the answer; its tags go with it."""
    name = _named(call, members)
    record = _valid(lambda: _service(parts).delete(call.tenant, name, call.now_ns))
    untag = parts.others.get("untag")
    if untag is not None:
        untag(call, _arn(call, name))
    return {"SamplingRuleRecord": record_members(call, record)}


def get_sampling_rules(parts: Parts, call: Call, _members: Members) -> Members:
    """Every rule in one page, as no client asks for a second one (3.7)."""
    records = _service(parts).rules(call.tenant).records
    return {"SamplingRuleRecords": [record_members(call, record) for record in records]}


def get_sampling_targets(parts: Parts, call: Call, members: Members) -> Members:
    """3.5. One target for each document that is counted."""
    documents = [_statistics(one) for one in members["SamplingStatisticsDocuments"]]
    boosts = [_boost(one) for one in members.get("SamplingBoostStatisticsDocuments") or ()]
    answer = _service(parts).targets(call.tenant, documents, boosts, now_ns=call.now_ns)
    return target_members(answer)


def get_sampling_statistic_summaries(parts: Parts, call: Call, members: Members) -> Members:
    """3.8. Windows of ten seconds of the last ten minutes, the newest first, over all clients."""
    now_s = call.now_ns // SECOND_NS
    windows = _service(parts).find_windows(call.tenant, now_s - RECENT_S, now_s + 1)
    windows.sort(key=lambda one: (-one.start_s, one.rule))
    after = _after(members.get("NextToken"))
    if after is not None:
        windows = [one for one in windows if (-one.start_s, one.rule) > after]
    page = windows[:PAGE]
    answer: dict[str, Any] = {
        "SamplingStatisticSummaries": [
            {
                "RuleName": one.rule, "Timestamp": float(one.start_s), "RequestCount": one.requests,
                "BorrowCount": one.borrowed, "SampledCount": one.sampled,
            }
            for one in page
        ]
    }  # fmt: skip
    if len(windows) > PAGE:
        answer["NextToken"] = encode_cursor([page[-1].start_s, page[-1].rule])
    return answer


# -- members out


def record_members(call: Call, record: Record) -> dict[str, Any]:
    """SamplingRuleRecord; the times of a Default that nobody changed are 0.0 (3.1)."""
    return {
        "SamplingRule": members_of(record.rule, _arn(call, record.rule.name)),
        "CreatedAt": record.created_ns / SECOND_NS,
        "ModifiedAt": record.modified_ns / SECOND_NS,
    }


def target_members(answer: Targets) -> dict[str, Any]:
    """The answer of GetSamplingTargets. What concerns boosts is there only when boosts were reported (3.7).

    LastRuleModification is rounded up: clients compare it with the whole second of their last fetch.
    """
    members: dict[str, Any] = {
        "SamplingTargetDocuments": [_target(target) for target in answer.targets],
        "LastRuleModification": -(-answer.modified_ns // SECOND_NS),
        "UnprocessedStatistics": [_unprocessed(one) for one in answer.unprocessed],
    }
    if answer.unprocessed_boosts is not None:
        members["UnprocessedBoostStatistics"] = [_unprocessed(one) for one in answer.unprocessed_boosts]
    return members


def _target(target: Target) -> dict[str, Any]:
    members: dict[str, Any] = {
        "RuleName": target.rule, "FixedRate": target.fixed_rate, "ReservoirQuota": target.quota.quota,
        "ReservoirQuotaTTL": target.quota.ttl_s, "Interval": target.interval_s,
    }  # fmt: skip
    if target.boost is not None:
        members["SamplingBoost"] = {"BoostRate": target.boost.rate, "BoostRateTTL": target.boost.ttl_s}
    return members


def _unprocessed(one: Unprocessed) -> dict[str, str]:
    return {"RuleName": one.rule, "ErrorCode": one.code, "Message": one.message}


# -- members in


def repair_targets(body: dict[str, Any]) -> dict[str, Any]:
    """A body of GetSamplingTargets as the model has it, with no null for a list and SampledCount by its name.

    What is not a list of objects is left for the front to refuse.
    """
    documents = body.get("SamplingStatisticsDocuments", ...)
    if documents is None:
        return {**body, "SamplingStatisticsDocuments": []}
    if not isinstance(documents, list):
        return body
    if all(isinstance(one, dict) and one.get("SampledCount") is not None for one in documents):
        return body
    repaired = [_repaired(one) if isinstance(one, dict) else one for one in documents]
    return {**body, "SamplingStatisticsDocuments": repaired}


def _repaired(document: dict[str, Any]) -> dict[str, Any]:
    """One Python sampler says SampleCount (3.7); who says neither has sampled nothing."""
    if document.get("SampledCount") is not None:
        return document
    return {**document, "SampledCount": document.get("SampleCount") or 0}


def _statistics(document: Members) -> Statistics:
    client = document["ClientID"]
    if not _CLIENT.fullmatch(client):
        raise _invalid("ClientID must be 24 hexadecimal digits.")
    return Statistics(
        rule=document["RuleName"],
        client=client.lower(),
        timestamp_s=document["Timestamp"],
        requests=document["RequestCount"],
        sampled=document["SampledCount"],
        borrowed=document.get("BorrowCount", 0),
    )


def _boost(document: Members) -> BoostStatistics:
    counts = Anomalies(document["AnomalyCount"], document["TotalCount"], document["SampledAnomalyCount"])
    return BoostStatistics(document["RuleName"], document["ServiceName"], document["Timestamp"], counts)


def _after(token: object) -> tuple[int, str] | None:
    if not token:
        return None
    try:
        start, rule = decode_cursor(str(token), [int, str])
    except QueryError as error:
        raise _invalid("NextToken is not one of this operation's.") from error
    return -cast(int, start), cast(str, rule)


def _named(call: Call, members: Members) -> str:
    """The rule that a request names, by RuleName or RuleARN."""
    name, arn = members.get("RuleName"), members.get("RuleARN")
    if bool(name) == bool(arn):
        raise _invalid("Name the rule by RuleName or by RuleARN, by one of them.")
    if name:
        return str(name)
    found = _ARN.fullmatch(str(arn))
    if found is None:
        raise _invalid(f"RuleARN must be like {_arn(call, 'NAME')}.")
    region, account, rule = found.groups()
    if region != call.region or account not in ("", call.account):
        raise _invalid(f"There is no sampling rule {arn} in {call.region} of account {call.account}.")
    return rule


def _arn(call: Call, name: str) -> str:
    return call.arn("xray", f"sampling-rule/{name}")


def _service(parts: Parts) -> SamplingService:
    found: SamplingService = parts.others["sampling"]
    return found


def _valid(work: Callable[[], _T]) -> _T:
    try:
        return work()
    except RuleLimit as error:
        raise AwsError("RuleLimitExceededException", str(error)) from error
    except InvalidRule as error:
        raise _invalid(str(error)) from error


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidRequestException", message)


def rule_arn_exists(parts: Parts, call: Call, arn: str) -> bool:
    """Whether an ARN is that of a sampling rule of the caller's, for the operations on tags."""
    found = _ARN.fullmatch(arn)
    if found is None or found[1] != call.region or found[2] not in ("", call.account):
        return False
    return _service(parts).rules(call.tenant).get(found[3]) is not None


OPERATIONS: dict[str, Operation] = {
    "CreateSamplingRule": create_sampling_rule,
    "UpdateSamplingRule": update_sampling_rule,
    "DeleteSamplingRule": delete_sampling_rule,
    "GetSamplingRules": get_sampling_rules,
    "GetSamplingTargets": get_sampling_targets,
    "GetSamplingStatisticSummaries": get_sampling_statistic_summaries,
}

REPAIRS: dict[str, Repair] = {"GetSamplingTargets": repair_targets}
"""What known clients send differently from the model, put right before the front checks it (3.7)."""

UNBOUNDED = frozenset({"SamplingStatisticsDocumentList", "SamplingBoostStatisticsDocumentList"})
"""Lists that two of the samplers make longer than the 25 of the model."""

PROMPT = frozenset({"GetSamplingTargets"})
"""What a fleet of samplers asks every few seconds, and the service answers from memory."""
