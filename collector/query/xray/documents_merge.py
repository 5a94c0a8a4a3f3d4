"""Documents of a trace from their parts: which of several versions counts, and what stands under what.

A part is a segment or subsegment without those below it, sent in a document or derived from a span. The
result does not depend on the order in which the parts come. Nothing recurses, so that a chain may be of any
length.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

MAX_DEPTH = 60
"""Levels of subsegments in one document; deeper ones begin a document of their own."""
_COMMON = (
    "id", "name", "start_time", "end_time", "error", "throttle", "fault", "cause", "http", "aws",
    "annotations", "metadata", "links",
)  # fmt: skip
SEGMENT_FIELDS = frozenset((*_COMMON, "service", "user", "origin", "resource_arn"))
SUBSEGMENT_FIELDS = frozenset((*_COMMON, "namespace", "precursor_ids", "sql", "traced"))
Rank: TypeAlias = tuple[bool, int, float, str]
"""Complete, its commit, its end, its text: the greater stands above the other."""
_FLAGS = ("error", "throttle", "fault")


@dataclass(frozen=True, slots=True)
class Original:
    """A document as it was sent. order: grows with its arrival."""

    document: str
    order: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """fields: members of the document but `trace_id`, `parent_id`, `type` and `subsegments`.

    rank: of several parts with one id the greatest counts.
    """

    id: str
    parent: str
    segment: bool
    fields: Mapping[str, Any]
    rank: Rank = (True, 0, 0.0, "")


def parts_of(originals: Iterable[Original]) -> tuple[list[Part], frozenset[str]]:
    """The parts of the documents that count, and the ids of all that were ever sent in one."""
    best: dict[str, tuple[Rank, dict[str, Any]]] = {}
    covered: set[str] = set()
    for original in originals:
        document = _read(original.document)
        if document is None:
            continue
        rank = (_complete(document), original.order, _end(document), original.document)
        covered.update(_text(each["id"]) for each, _ in _walk(document))
        known = best.get(_text(document["id"]))
        if known is None or known[0] < rank:
            best[_text(document["id"])] = (rank, document)
    return [part for rank, document in best.values() for part in _parts(document, rank)], frozenset(covered)


def _parts(document: dict[str, Any], rank: Rank) -> Iterator[Part]:
    for each, parent in _walk(document):
        segment = not parent and each.get("type") != "subsegment"
        yield Part(
            id=_text(each["id"]),
            parent=parent or _text(each.get("parent_id")),
            segment=segment,
            fields=_clean(each, SEGMENT_FIELDS if segment else SUBSEGMENT_FIELDS),
            rank=(_complete(each), *rank[1:]),
        )


def _read(text: str) -> dict[str, Any] | None:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = _read_leniently(text)
    return document if isinstance(document, dict) and _text(document.get("id")) else None


def _read_leniently(text: str) -> Any:
    """What the receiver takes and a strict reader does not: halves of surrogate pairs, NaN (as nothing)."""
    try:
        return json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def _walk(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The document and all below it, each with the id of what it is embedded in ('' at the top)."""
    todo = [(document, "")]
    while todo:
        each, parent = todo.pop()
        yield each, parent
        below = each.get("subsegments")
        todo.extend(
            (child, _text(each["id"]))
            for child in (reversed(below) if isinstance(below, list) else ())
            if isinstance(child, dict) and _text(child.get("id"))
        )


def _text(value: object) -> str:
    return value.lower() if isinstance(value, str) else ""


def _complete(document: Mapping[str, Any]) -> bool:
    return document.get("in_progress") is not True


def _end(document: Mapping[str, Any]) -> float:
    end = document.get("end_time")
    return float(end) if isinstance(end, int | float) else 0.0


def _clean(document: Mapping[str, Any], known: frozenset[str]) -> dict[str, Any]:
    """What of a document belongs to it: members of the schema, flags and `in_progress` only when set."""
    kept = {
        name: value
        for name, value in document.items()
        if name in known and value is not None and (name not in _FLAGS or value is True)
    }
    kept["id"] = _text(document["id"])
    if not _complete(document) and "end_time" not in kept:
        kept["in_progress"] = True
    return kept


def assemble(parts: Sequence[Part], trace_id: str) -> list[dict[str, Any]]:
    """The documents: segments by start, then subsegments that stand alone by start.

    A subsegment stands alone when its parent is not here, when its parents form a ring, or MAX_DEPTH below
    the last one that does.
    """
    counted = _choose(parts)
    parents = {
        part.id: part.parent for part in counted.values() if not part.segment and part.parent in counted
    }
    cut = _cut(parents)
    made = {part.id: dict(part.fields) for part in counted.values()}
    top: list[Part] = []
    for part in sorted(counted.values(), key=lambda each: (_start(each), each.id)):
        if part.id in parents and part.id not in cut:
            made[part.parent].setdefault("subsegments", []).append(made[part.id])
        else:
            top.append(part)
    top.sort(key=lambda each: not each.segment)
    return [{**made[part.id], **_placed(part, trace_id)} for part in top]


def _choose(parts: Sequence[Part]) -> dict[str, Part]:
    """One part for each id."""
    counted: dict[str, Part] = {}
    for part in parts:
        known = counted.get(part.id)
        if known is None or _order(known) < _order(part):
            counted[part.id] = part
    return counted


def _order(part: Part) -> tuple[object, ...]:
    return (*part.rank, part.segment, part.parent, "" if part.rank[3] else repr(part.fields))


def _start(part: Part) -> float:
    start = part.fields.get("start_time")
    return float(start) if isinstance(start, int | float) else 0.0


def _cut(parents: Mapping[str, str]) -> set[str]:
    """The ids whose link to their parent is not followed: the least of each ring, and where it gets too
    deep.
    """
    cut = set(_ring_cuts(parents))
    below: dict[str, list[str]] = {}
    for child, parent in parents.items():
        if child not in cut:
            below.setdefault(parent, []).append(child)
    todo = [(top, 0) for top in below if top not in parents or top in cut]
    while todo:
        at, depth = todo.pop()
        for child in below.get(at, ()):
            if depth == MAX_DEPTH:
                cut.add(child)
            todo.append((child, 0 if depth == MAX_DEPTH else depth + 1))
    return cut


def _ring_cuts(parents: Mapping[str, str]) -> Iterator[str]:
    seen: set[str] = set()
    for begin in parents:
        path: dict[str, None] = {}
        at = begin
        while at in parents and at not in seen and at not in path:
            path[at] = None
            at = parents[at]
        if at in path:
            ring = list(path)
            yield min(ring[ring.index(at) :])
        seen.update(path)


def _placed(part: Part, trace_id: str) -> dict[str, Any]:
    placed = {"trace_id": trace_id, **({"parent_id": part.parent} if part.parent else {})}
    return placed if part.segment else {**placed, "type": "subsegment"}
