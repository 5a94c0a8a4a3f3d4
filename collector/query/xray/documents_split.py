"""A document in pieces of a bounded length: subsegments that make it too long stand alone, as X-Ray allows.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from collector.query.xray.documents import Document, document_text

_DROPPED = ("metadata", "annotations", "cause", "sql", "http", "aws", "links")
"""What a single subsegment that is too long by itself loses, in this order."""


def split_document(document: Document, longest: int) -> Iterator[Document]:
    """The document, in pieces of at most `longest` characters; the pieces name their parents."""
    todo: list[Document] = [document]
    while todo:
        each = todo.pop()
        if len(document_text(each)) <= longest:
            yield each
            continue
        below = each.get("subsegments", ())
        bare = {name: value for name, value in each.items() if name != "subsegments"}
        yield _shortened(bare, longest)
        alone = {"trace_id": each["trace_id"], "parent_id": each["id"], "type": "subsegment"}
        todo.extend({**child, **alone} for child in reversed(below))


def _shortened(document: dict[str, Any], longest: int) -> Mapping[str, Any]:
    for name in _DROPPED:
        if len(document_text(document)) <= longest:
            break
        document.pop(name, None)
    return document
