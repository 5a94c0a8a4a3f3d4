"""What a page shows of a trace in X-Ray's words: a segment's blocks, its exceptions with their causes.

Pure: processed documents (collector/query/xray/documents.py) in, frozen values out. Texts are telemetry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from collector.query.model_traces import Span
from collector.query.xray.documents import Document
from collector.query.xray.documents_infer import walk

MARK = "aws.xray."
_MOST_CAUSES = 32


@dataclass(frozen=True, slots=True)
class Thrown:
    """An exception. depth: how far down the chain of causes. skipped: exceptions that the sender left out.

    elsewhere: the subsegment that recorded it, when the segment only names it.
    """

    type: str
    message: str
    remote: bool
    stack: Sequence[str]
    depth: int
    skipped: int
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class Blocks:
    """A segment or subsegment. aws, sql: (name, value), nested names dotted. metadata: namespace -> JSON."""

    origin: str
    account: str
    arn: str
    user: str
    namespace: str
    segment: bool
    in_progress: bool
    inferred: bool
    annotations: Mapping[str, Any]
    metadata: Mapping[str, str]
    exceptions: Sequence[Thrown]
    aws: Sequence[tuple[str, str]]
    sql: Sequence[tuple[str, str]]
    document: str


def is_xray(span: Span) -> bool:
    """Whether the span came as an X-Ray document."""
    return any(key.startswith(MARK) for key in span.attributes)


def find_document(documents: Sequence[Document], span_id: str) -> Document | None:
    """The segment or subsegment of a span, wherever it stands."""
    return next((each for each, _ in walk(documents) if each.get("id") == span_id), None)


def blocks(documents: Sequence[Document], span_id: str) -> Blocks | None:
    """What the documents say of a span, None when none of them is its."""
    found = find_document(documents, span_id)
    if found is None:
        return None
    aws = _block(found, "aws")
    return Blocks(
        origin=str(found.get("origin", "")),
        account=str(aws.get("account_id", "")),
        arn=str(found.get("resource_arn", "")),
        user=str(found.get("user", "")),
        namespace=str(found.get("namespace", "")),
        segment=any(each is found for each in documents) and found.get("type") != "subsegment",
        in_progress=found.get("in_progress") is True,
        inferred=found.get("inferred") is True,
        annotations=_block(found, "annotations"),
        metadata={str(name): pretty(value) for name, value in _block(found, "metadata").items()},
        exceptions=tuple(_chain(found, documents)),
        aws=tuple(_flat(aws)),
        sql=tuple(_flat(_block(found, "sql"))),
        document=pretty({name: value for name, value in found.items() if name != "subsegments"}),
    )


def pretty(value: Any) -> str:
    """JSON for people; the text itself where it cannot be written."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONEncodeError:
        return str(value)


def _block(document: Document, name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def _flat(block: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Names dotted, lists joined: `ec2.instance_id`."""
    for name, value in block.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        elif isinstance(value, list) and all(isinstance(each, str | int | float) for each in value):
            yield f"{before}{name}", ", ".join(map(str, value))
        elif isinstance(value, bool):
            yield f"{before}{name}", "true" if value else "false"
        else:
            yield f"{before}{name}", value if isinstance(value, str) else pretty(value)


# Exceptions


def _chain(document: Document, documents: Sequence[Document]) -> Iterator[Thrown]:
    """Each exception before the one that caused it; a cause that is only an id is looked up where it is."""
    cause = document.get("cause")
    if isinstance(cause, str):
        yield from _elsewhere(cause, documents)
        return
    own = _exceptions(document)
    by_id = {str(each.get("id")): each for each in own}
    caused = {str(each["cause"]) for each in own if each.get("cause")}
    shown: set[str] = set()
    first = [each for each in own if str(each.get("id")) not in caused] or own[:1]
    for each in first:
        depth, now = 0, by_id.get(str(each.get("id")))
        while now is not None and str(now.get("id")) not in shown and len(shown) < _MOST_CAUSES:
            shown.add(str(now.get("id")))
            yield _thrown(now, depth)
            now, depth = by_id.get(str(now.get("cause"))), depth + 1


def _elsewhere(wanted: str, documents: Sequence[Document]) -> Iterator[Thrown]:
    for each, _ in walk(documents):
        for exception in _exceptions(each):
            if exception.get("id") == wanted:
                yield _thrown(exception, 0, str(each.get("name", "")))
                return


def _exceptions(document: Document) -> list[Mapping[str, Any]]:
    found = _block(document, "cause").get("exceptions")
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def _thrown(exception: Mapping[str, Any], depth: int, elsewhere: str = "") -> Thrown:
    stack = exception.get("stack")
    frames = [each for each in stack if isinstance(each, Mapping)] if isinstance(stack, list) else []
    skipped = exception.get("skipped")
    return Thrown(
        type=str(exception.get("type", "")),
        message=str(exception.get("message", "")),
        remote=exception.get("remote") is True,
        stack=tuple(f"at {f.get('label', '?')} ({f.get('path', '?')}:{f.get('line', '?')})" for f in frames),
        depth=depth,
        skipped=skipped if isinstance(skipped, int) else 0,
        elsewhere=elsewhere,
    )
