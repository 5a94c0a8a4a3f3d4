"""The cause of an X-Ray document: exceptions with their stacks, from the events of a span.

Section 8.1 of X-Ray's specification; ids are made from the span's, so that they are the same every time.
Pure.
"""

from __future__ import annotations

import hashlib
from typing import Any

from collector.query.model_traces import Span, SpanEvent
from collector.query.xray.stacks import Thrown, parse_stack
from collector.query.xray.taken import Taken, text_of

_AWS_FAILURE = "HTTP request failure"


def cause_of(span: Span, trace_id: str, language: str, taken: Taken) -> dict[str, Any] | None:
    """The cause block; None for a span without exceptions whose status says nothing either."""
    remote = span.kind in ("client", "producer")
    seed = f"{trace_id}{span.span_id}"
    exceptions: list[dict[str, Any]] = []
    for event in span.events:
        if event.name == "exception":
            exceptions += _of_event(event, f"{seed}{len(exceptions)}", language, remote=remote)
        elif event.name == _AWS_FAILURE and taken.peek("rpc.system") == "aws-api":
            exceptions += _of_aws(event, f"{seed}{len(exceptions)}")
    if not exceptions and span.status == "error":
        message = span.status_message or taken.peek("http.status_text")
        exceptions = [{"id": _id(seed), "message": message, **_remote(remote)}] if message else []
    return {"exceptions": exceptions} if exceptions else None


def _of_event(event: SpanEvent, seed: str, language: str, *, remote: bool) -> list[dict[str, Any]]:
    """An exception and those that caused it, each naming the next one."""
    attributes = event.attributes
    type_ = text_of(attributes.get("exception.type")) or event.exception_type
    message = text_of(attributes.get("exception.message"))
    stack = text_of(attributes.get("exception.stacktrace"))
    chain = parse_stack(language, Thrown(type_, message), stack)
    told = text_of(attributes.get("aws.xray.exception.id"))
    ids = [told or _id(seed), *(_id(f"{seed}/{at}") for at in range(1, len(chain)))]
    remote = remote or attributes.get("aws.xray.exception.remote") is True
    made = []
    for at, thrown in enumerate(chain):
        one = {"id": ids[at], "type": thrown.type, "message": thrown.message, **_remote(remote)}
        if thrown.frames:
            one["stack"] = [
                {
                    name: value
                    for name, value in (("path", each.path), ("line", each.line), ("label", each.label))
                    if value
                }
                for each in thrown.frames
            ]
        if at + 1 < len(chain):
            one["cause"] = ids[at + 1]
        made.append({name: value for name, value in one.items() if value not in ("", None)})
    for name in ("truncated", "skipped", "cause"):
        value = attributes.get(f"aws.xray.exception.{name}")
        if value:
            made[-1 if name == "cause" else 0][name] = value
    return made


def _of_aws(event: SpanEvent, seed: str) -> list[dict[str, Any]]:
    code = text_of(event.attributes.get("http.response.status_code"))
    text = text_of(event.attributes.get("aws.http.error_message"))
    if not code and not text:
        return []
    message = f"{code}@{event.time_ns / 1e9:.6f}@{text}"
    return [{"id": _id(seed), "type": "aws.http.error.event", "message": message, "remote": True}]


def _id(seed: str) -> str:
    return hashlib.sha256(f"{seed}exception".encode()).hexdigest()[:16]


def _remote(remote: bool) -> dict[str, bool]:  # noqa: FBT001 - the member's value
    return {"remote": True} if remote else {}
