"""Inferred segments: what was called and sent no segment of its own (section 6.5 of X-Ray's specification).

Handed the documents of a trace; an inferred segment stands as long as no segment has the call for its parent,
and has the same id every time. Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from collector.aws_names import DYNAMODB_TABLE, peer_type
from collector.query.xray.nodes import DATABASE, REMOTE, ServiceId, service_id

CALLS = ("aws", "remote")
_COPIED = ("end_time", "in_progress", "http", "aws", "sql", "error", "throttle", "fault", "metadata")


def infer(documents: Sequence[Mapping[str, Any]], trace_id: str) -> list[dict[str, Any]]:
    """The inferred segments of the calls in these documents, in their order."""
    answered = {each["parent_id"] for each in documents if "type" not in each and "parent_id" in each}
    return [_inferred(call, trace_id) for call in _unanswered(documents, answered)]


def unanswered_promises(documents: Sequence[Mapping[str, Any]]) -> int:
    """How many calls said that a segment of the callee would come which has not (section 6.3.3)."""
    answered = {each["parent_id"] for each in documents if "parent_id" in each}
    return sum(is_traced(each) and each["id"] not in answered for each, _ in walk(documents))


def walk(documents: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], bool]]:
    """Every segment and subsegment, parents first, each with whether it stands inside a call."""
    todo = [(each, False) for each in reversed(documents)]
    while todo:
        each, inside = todo.pop()
        yield each, inside
        below = inside or is_call(each)
        todo.extend((child, below) for child in reversed(each.get("subsegments", ())))


def is_call(document: Mapping[str, Any]) -> bool:
    """Whether it is a call to something else."""
    return document.get("namespace") in CALLS


def is_traced(document: Mapping[str, Any]) -> bool:
    """Whether the callee said that it will send a segment."""
    http = document.get("http")
    request = http.get("request") if isinstance(http, Mapping) else None
    return document.get("traced") is True or (isinstance(request, Mapping) and request.get("traced") is True)


def _unanswered(documents: Sequence[Mapping[str, Any]], answered: set[str]) -> Iterator[Mapping[str, Any]]:
    """Calls without a segment; a `remote` call inside another call is how that one was made."""
    for each, inside in walk(documents):
        nested = inside and each.get("namespace") == "remote"
        if is_call(each) and not nested and not is_traced(each) and each["id"] not in answered:
            yield each


def inferred_id(trace_id: str, call_id: str) -> str:
    """The id of the segment that is inferred from a call."""
    return hashlib.sha256(f"{trace_id}{call_id}".encode()).hexdigest()[:16]


def _inferred(call: Mapping[str, Any], trace_id: str) -> dict[str, Any]:
    return {
        "id": inferred_id(trace_id, call["id"]),
        "name": call.get("name", ""),
        "start_time": call.get("start_time", 0),
        **{name: call[name] for name in _COPIED if name in call},
        "trace_id": trace_id,
        "parent_id": call["id"],
        "inferred": True,
        "origin": inferred_origin(call),
    }


def inferred_origin(call: Mapping[str, Any]) -> str:
    """The type of what is called (section 6.2)."""
    if call.get("namespace") == "aws":
        aws = call.get("aws")
        table = isinstance(aws, Mapping) and bool(aws.get("table_name"))
        found = peer_type(str(call.get("name", "")), table=table)
        return found if found != "aws" else REMOTE
    return DATABASE if call.get("sql") else REMOTE


def node_name(document: Mapping[str, Any]) -> str:
    """The name of the node that a segment belongs to: of a table's call the table's, else its own."""
    aws = document.get("aws")
    if document.get("inferred") and document.get("origin") == DYNAMODB_TABLE and isinstance(aws, Mapping):
        return str(aws.get("table_name"))
    return str(document.get("name", ""))


def document_node(document: Mapping[str, Any]) -> ServiceId:
    """The node that a segment belongs to, by what it says itself."""
    aws = document.get("aws")
    account = aws.get("account_id") if isinstance(aws, Mapping) and not document.get("inferred") else None
    origin = document.get("origin")
    return service_id(node_name(document), str(account) if account else None, str(origin) if origin else None)
