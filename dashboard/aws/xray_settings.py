"""What the X-Ray API keeps and reports as single values: encryption, trace segment destination, indexing
rules, resource policies (sections 4.6, 4.8 and 4.10 of the specification).

They are stored for the clients that set them. None of them changes how Raywatch stores or answers: data is as
encrypted as the disk it is on, spans are always searchable, and access is by access keys.
"""

from __future__ import annotations

import json
from typing import Any

from collector.storage.control_xray import AwsSettings, Policies, Policy, Revised, Setting, TooMany
from dashboard.aws import xray_tags
from dashboard.aws.call import AwsError, Call, Members, Operation, Parts
from dashboard.aws.xray_shared import invalid, page_of

MOST_POLICIES = 5
MOST_POLICY_BYTES = 5 * 1024
PAGE = 100
SERVICE = "xray"
ENCRYPTION, DESTINATION, INDEXING = "xray.encryption", "xray.destination", "xray.indexing"
DEFAULT_PERCENTAGE = 1.0
"""Of spans that X-Ray indexes as trace summaries until it is told otherwise."""


# -- encryption


def put_encryption(parts: Parts, call: Call, members: Members) -> Members:
    """PutEncryptionConfig: answers UPDATING, and ACTIVE from the next question on."""
    kind, key = members["Type"], members.get("KeyId")
    if kind == "KMS" and not key:
        raise invalid("Type KMS needs a KeyId.")
    if kind == "NONE" and key:
        raise invalid("A KeyId goes with Type KMS only.")
    AwsSettings(parts.control).put(ENCRYPTION, {"Type": kind, "KeyId": key}, call.now_ns, call.tenant)
    return {"EncryptionConfig": {"Type": kind, "KeyId": key, "Status": "UPDATING"}}


def get_encryption(parts: Parts, call: Call, _members: Members) -> Members:
    """GetEncryptionConfig; NONE is X-Ray's word for the default encryption."""
    told = AwsSettings(parts.control).get(ENCRYPTION, {"Type": "NONE", "KeyId": None}, call.tenant).value
    return {"EncryptionConfig": {**told, "Status": "ACTIVE"}}


# -- trace segment destination


def get_destination(parts: Parts, call: Call, _members: Members) -> Members:
    """GetTraceSegmentDestination."""
    return {"Destination": _destination(parts, call)["Destination"], "Status": "ACTIVE"}


def update_destination(parts: Parts, call: Call, members: Members) -> Members:
    """UpdateTraceSegmentDestination: PENDING when it changes something."""
    before = _destination(parts, call)
    configuration = members.get("CloudWatchLogsConfiguration") or before.get("CloudWatchLogsConfiguration")
    after = {
        "Destination": members.get("Destination", before["Destination"]),
        "CloudWatchLogsConfiguration": configuration,
    }
    if members.get("CloudWatchLogsConfiguration") and after["Destination"] != "CloudWatchLogs":
        raise invalid("CloudWatchLogsConfiguration goes with Destination CloudWatchLogs only.")
    AwsSettings(parts.control).put(DESTINATION, after, call.now_ns, call.tenant)
    status = "ACTIVE" if after["Destination"] == before["Destination"] else "PENDING"
    return {"Destination": after["Destination"], "Status": status}


def _destination(parts: Parts, call: Call) -> dict[str, Any]:
    return dict(AwsSettings(parts.control).get(DESTINATION, {"Destination": "XRay"}, call.tenant).value)


# -- indexing rules


def indexing_rules(parts: Parts, call: Call, members: Members) -> Members:
    """GetIndexingRules: there is one, Default."""
    rules, more = page_of([_indexing(parts, call)], members.get("NextToken"), PAGE)
    return {"IndexingRules": [_rule(rule) for rule in rules], "NextToken": more}


def update_indexing_rule(parts: Parts, call: Call, members: Members) -> Members:
    """UpdateIndexingRule. A name other than Default is ResourceNotFoundException, 404."""
    name, rule = members["Name"], members["Rule"]
    if name != "Default":
        text = f"There is no indexing rule {name}; there is one, Default."
        raise AwsError("ResourceNotFoundException", text, status=404, fields={"ResourceName": name})
    if list(rule) != ["Probabilistic"]:
        raise invalid("Rule has exactly one member, Probabilistic.")
    percentage = float(rule["Probabilistic"]["DesiredSamplingPercentage"])
    if not 0 <= percentage <= 100:
        raise invalid(f"DesiredSamplingPercentage is from 0 to 100, not {percentage:g}.")
    kept = AwsSettings(parts.control).put(INDEXING, {"desired": percentage}, call.now_ns, call.tenant)
    return {"IndexingRule": _rule(kept)}


def _indexing(parts: Parts, call: Call) -> Setting:
    return AwsSettings(parts.control).get(INDEXING, {"desired": DEFAULT_PERCENTAGE}, call.tenant)


def _rule(kept: Setting) -> Members:
    """X-Ray's shape IndexingRule. Every span is searchable here, so 100 % are indexed in fact."""
    desired = float(kept.value["desired"])
    return {
        "Name": "Default",
        "ModifiedAt": kept.changed_ns / 1e9,
        "Rule": {"Probabilistic": {"DesiredSamplingPercentage": desired, "ActualSamplingPercentage": 100.0}},
    }


# -- resource policies


def put_policy(parts: Parts, call: Call, members: Members) -> Members:
    """PutResourcePolicy: its errors are of its own; it has no InvalidRequestException."""
    name, document = members["PolicyName"], members["PolicyDocument"]
    if len(document.encode()) > MOST_POLICY_BYTES:
        text = f"A policy document has at most {MOST_POLICY_BYTES} bytes, this one {len(document.encode())}."
        raise AwsError("PolicySizeLimitExceededException", text)
    _check_document(document, may_lock_out=bool(members.get("BypassPolicyLockoutCheck")))
    try:
        put = Policies(parts.control, SERVICE).put(
            name, document, call.now_ns, call.tenant,
            revision=_revision(members.get("PolicyRevisionId")), most=MOST_POLICIES,
        )  # fmt: skip
    except Revised as error:
        raise AwsError("InvalidPolicyRevisionIdException", str(error)) from error
    except TooMany as error:
        raise AwsError("PolicyCountLimitExceededException", str(error)) from error
    return {"ResourcePolicy": _policy(put)}


def find_policies(parts: Parts, call: Call, members: Members) -> Members:
    """ListResourcePolicies."""
    known = Policies(parts.control, SERVICE).find(call.tenant)
    chosen, more = page_of(known, members.get("NextToken"), PAGE)
    return {"ResourcePolicies": [_policy(each) for each in chosen], "NextToken": more}


def delete_policy(parts: Parts, call: Call, members: Members) -> Members:
    """DeleteResourcePolicy."""
    name = members["PolicyName"]
    revision = _revision(members.get("PolicyRevisionId"))
    try:
        gone = Policies(parts.control, SERVICE).delete(name, call.tenant, revision=revision)
    except Revised as error:
        raise AwsError("InvalidPolicyRevisionIdException", str(error)) from error
    if not gone:
        raise invalid(f"There is no resource policy {name}.")
    return {}


def _revision(told: str | None) -> int | None:
    """None: not asked about."""
    if told is None or told == "":
        return None
    if not told.isascii() or not told.isdigit():
        raise AwsError("InvalidPolicyRevisionIdException", f"PolicyRevisionId is a number, not {told!r}.")
    return int(told)


def _check_document(document: str, *, may_lock_out: bool) -> None:
    """An IAM policy in JSON: an object with statements that allow or deny actions to someone."""
    try:
        told = json.loads(document)
    except ValueError as error:
        raise _malformed(f"it is not JSON: {error}") from error
    statements = told.get("Statement") if isinstance(told, dict) else None
    statements = [statements] if isinstance(statements, dict) else statements
    if not isinstance(statements, list) or not statements:
        raise _malformed('it has no "Statement"')
    for number, each in enumerate(statements, 1):
        if not isinstance(each, dict) or each.get("Effect") not in ("Allow", "Deny"):
            raise _malformed(f'the Effect of statement {number} is neither "Allow" nor "Deny"')
        for one in ("Principal", "Action"):
            if one not in each and f"Not{one}" not in each:
                raise _malformed(f'statement {number} has no "{one}"')
        if not may_lock_out and _locks_out(each):
            raise AwsError(
                "LockoutPreventionException",
                f"Statement {number} denies everyone to change this policy again. "
                "Set BypassPolicyLockoutCheck if that is what you want.",
            )


def _locks_out(statement: dict[str, Any]) -> bool:
    """Whether nobody could put a policy any more."""
    principal, actions = statement.get("Principal"), statement.get("Action", [])
    who = principal.get("AWS") if isinstance(principal, dict) else principal
    named = [actions] if isinstance(actions, str) else actions
    everyone = who in ("*", ["*"])
    all_or_this = any(str(a).lower() in ("*", "xray:*", "xray:putresourcepolicy") for a in named)
    return statement["Effect"] == "Deny" and everyone and all_or_this and "Condition" not in statement


def _malformed(what: str) -> AwsError:
    return AwsError("MalformedPolicyDocumentException", f"The policy document cannot be taken: {what}.")


def _policy(policy: Policy) -> Members:
    return {
        "PolicyName": policy.name,
        "PolicyDocument": policy.document,
        "PolicyRevisionId": str(policy.revision),
        "LastUpdatedTime": policy.updated_ns / 1e9,
    }


OPERATIONS: dict[str, Operation] = {
    "PutEncryptionConfig": put_encryption,
    "GetEncryptionConfig": get_encryption,
    "GetTraceSegmentDestination": get_destination,
    "UpdateTraceSegmentDestination": update_destination,
    "GetIndexingRules": indexing_rules,
    "UpdateIndexingRule": update_indexing_rule,
    "PutResourcePolicy": put_policy,
    "ListResourcePolicies": find_policies,
    "DeleteResourcePolicy": delete_policy,
    **xray_tags.OPERATIONS,
}
