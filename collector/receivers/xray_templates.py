"""Documents that differ from earlier ones in a few values -> rows, without reading them as JSON. Pure.

Programs send few forms of documents, again and again. When a form has come several times, a template is
made of it: a regular expression of its text with a place for each value that is another one every time (ids,
times, URLs, what annotations and metadata hold), and where these values stand in the rows. That is found out
by decoding the document with a mark in each place, so what a document means is said in `xray_spans` alone.

A place admits only what needs no second look: no escape, no text that would be cut, no number that would be
written in another way. A document with anything else in a place is decoded as every other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from collector.receivers.otlp_attributes import Shape
from collector.receivers.xray_checks import Refused
from collector.receivers.xray_fields import ANNOTATION, LONG, TEXT
from collector.receivers.xray_resources import Owner
from collector.receivers.xray_spans import DOCUMENT, SPAN, Caches, Rows

LARGEST = 8_192
"""Characters of a document; longer ones are seldom alike."""
_MOST_PLACES = 900
_DEEPEST = 32
_TOKEN = re.compile(r'"[^"\\]*"(\s*:)?|-?[0-9][0-9.eE+-]*')
"""A text or a number; the group: of a member's name."""
_SPANS = "\x1e"
"""Stands between the attributes of spans while they are one text; no document can have it there."""
_MARKS = re.compile("\u00a7([0-9]+)\u00a7|7310000000000000([0-9]{3})")
"""The marks that are found in attributes."""


class _Admits(NamedTuple):
    """What a place admits, and the mark of the place with a number."""

    pattern: str
    mark: str


def _text(most: int) -> _Admits:
    return _Admits(rf'([^"\\\x00-\x1f\ud800-\udfff]{{0,{most}}}+)', "\u00a7%d\u00a7")


_ID = _Admits("(?!0{16})([0-9a-f]{16})", "%016x")
_TRACE = _Admits("1-(?!0{8}-0{24})([0-9a-f]{8}-[0-9a-f]{24})", "1-00000000-%024x")
_TIME = _Admits(r"([1-8][0-9]{9}\.[0-9]{1,12}|[1-8]\.[0-9]{1,17}[Ee]\+?0?9)", "%d.5")
_WHOLE = _Admits("(0|-?[1-9][0-9]{0,17})", "7310000000000000%03d")
_ALWAYS = (_ID, _TRACE, _TIME)
"""What is never part of a form, where its marks would be mistaken for it."""
_SHORT = _text(TEXT)
_TOP = {"id": _ID, "trace_id": _TRACE, "parent_id": _ID}
_BELOW = {"id": _ID, "trace_id": _SHORT, "parent_id": _SHORT}
"""An embedded subsegment belongs to the trace and the parent that it stands in, whatever it says."""
_REQUEST = {"url": _text(LONG), "user_agent": _SHORT, "client_ip": _SHORT}


def _text_admitted(path: tuple[Any, ...], ids: Mapping[str, _Admits]) -> _Admits | None:
    match path:
        case (name,):
            return ids.get(name)
        case ("http", "request", name):
            return _REQUEST.get(name)
        case ("aws", "request_id"):
            return _SHORT
        case ("annotations", _):
            return _text(ANNOTATION)
        case ("metadata", _, *_):
            return _text(LARGEST)
    return None


def _number_admitted(path: tuple[Any, ...], kind: type) -> _Admits | None:
    match path:
        case ("start_time" | "end_time",):
            return _TIME if kind is float else None
        case ("http", "response", "content_length") | ("annotations", _) | ("metadata", _, *_):
            return _WHOLE if kind is int else None
    return None


def _admits(path: tuple[Any, ...], kind: type) -> _Admits | None:
    """What the place of a value admits; None when the value is part of the form."""
    ids = _TOP
    while path[0] == "subsegments" and len(path) > 2:
        path, ids = path[2:], _BELOW
    return _text_admitted(path, ids) if kind is str else _number_admitted(path, kind)


@dataclass(frozen=True, slots=True)
class _Place:
    """A value that is another one every time. start, end: in the text, without quotes."""

    start: int
    end: int
    number: int
    admits: _Admits

    @property
    def mark(self) -> str:
        return self.admits.mark % (self.number + 1)


def places_of(text: str, entity: Mapping[str, Any]) -> list[_Place]:
    """The places of a document; none when it cannot be told which value stands where."""
    if len(text) > LARGEST or "\\" in text or _MARKS.search(text):
        return []
    tokens = [*_TOKEN.finditer(text)]
    values = [token for token in tokens if token[1] is None]
    try:
        leaves, members = [*_leaves(entity, ())], _members(entity)
    except RecursionError:
        return []
    if len(values) != len(leaves) or len(tokens) - len(values) != members:
        return []
    places: list[_Place] = []
    for token, (path, kind) in zip(values, leaves, strict=True):
        quote = 1 if kind is str else 0
        start, end = token.start() + quote, token.end() - quote
        admits = _admits(path, kind)
        if admits is not None and re.fullmatch(admits.pattern, text[start:end]):
            places.append(_Place(start, end, len(places), admits))
        elif admits in _ALWAYS and start < end:
            return []
    return places if len(places) < _MOST_PLACES else []


def _leaves(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], type]]:
    """The way to each text and number, and its class, in the order of the document. Raises RecursionError."""
    if len(path) > _DEEPEST:
        raise RecursionError
    if value.__class__ is dict:
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    elif value.__class__ is list:
        for at, inner in enumerate(value):
            yield from _leaves(inner, (*path, at))
    elif value is not None and value.__class__ is not bool:
        yield path, value.__class__


def _members(value: Any) -> int:
    """How many members all objects have; the text has more when one is written twice."""
    if value.__class__ is dict:
        return len(value) + sum(map(_members, value.values()))
    return sum(map(_members, value)) if value.__class__ is list else 0


def form_of(text: str, places: Sequence[_Place]) -> int:
    """A number that all documents of a form share, and in practice no others."""
    return hash((*_between(text, places), *[place.admits.pattern for place in places]))


def _between(text: str, places: Sequence[_Place]) -> list[str]:
    """What stands before, between and after the places."""
    ends = [0, *(place.end for place in places)]
    starts = [*(place.start for place in places), len(text)]
    return [text[end:start] for end, start in zip(ends, starts, strict=True)]


def _filled(parts: Sequence[str], places: Sequence[str]) -> str:
    """A text of what stands between the places, with something in each place."""
    return "".join([part for pair in zip(parts, [*places, ""], strict=True) for part in pair])


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """How documents of one form are read.

    pattern: of the whole text; its groups are the values. constants: what else the rows hold. texts: picks
    from both the parts of the spans' attributes; cells: picks from both and these attributes what
    `Rows.spans` holds. spans: how many. trace: which value the trace id is. owner: of the segment; owners:
    which value is the id of a span, and who the owner of what stands below it. open: in progress. shapes:
    what the rows refer to.
    """

    pattern: re.Pattern[str]
    constants: tuple[Any, ...]
    texts: Callable[[Sequence[Any]], Sequence[str]]
    cells: Callable[[Sequence[Any]], Sequence[Any]]
    spans: int
    trace: int
    owner: Owner
    owners: tuple[tuple[int, Owner], ...]
    open: bool
    shapes: Mapping[tuple[str, ...], Shape]

    def add(self, match: re.Match[str], rows: Rows, learned: dict[str, Owner], tenant: int) -> None:
        """Add the rows of a document. learned: where is noted to whom its spans belong."""
        found = match.groups()
        values = (*found, *self.constants)
        attributes = "".join(self.texts(values)).split(_SPANS)
        trace = found[self.trace].replace("-", "")
        prefix = f"{tenant}/{trace[16:]}" if tenant else trace[16:]
        for at, owner in self.owners:
            learned[prefix + found[at]] = owner
        rows.documents += (
            tenant, trace, self.owner.source, self.spans, self.open, False, match.string,
        )  # fmt: skip
        rows.spans += self.cells((*values, *attributes))
        rows.count += self.spans
        if self not in rows.templates:
            rows.templates.add(self)
            rows.shapes |= self.shapes


def template_of(
    text: str, entity: Mapping[str, Any], places: Sequence[_Place], owner: Owner
) -> Template | None:
    """The template of a segment, None when its form has more than rows of spans. owner: of the segment."""
    trace = next((place.number for place in places if place.admits is _TRACE), None)
    if trace is None or entity.get("type") == "subsegment":
        return None
    numbers = {place.mark: place.number for place in places}
    parts = _between(text, places)
    marked = _filled(parts, [*numbers])
    caches = Caches()
    rows = Rows(caches)
    try:
        left_out = rows.add(orjson.loads(marked), marked, 0)
    except Refused:
        return None
    if left_out or any(rows.parts.marks()):
        return None
    pattern = _filled([*map(re.escape, parts)], [place.admits.pattern for place in places])
    return _Draft(numbers).template(re.compile(pattern), trace, owner, rows, caches)


class _Draft:
    """A template that is being made. numbers: of the values, by their marks."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._numbers = numbers
        self._constants: list[Any] = []

    def template(
        self, pattern: re.Pattern[str], trace: int, owner: Owner, rows: Rows, caches: Caches
    ) -> Template:
        """The template, from the rows of the document with the marks and what was learned of it."""
        spans = [rows.spans[at : at + len(SPAN)] for at in range(0, len(rows.spans), len(SPAN))]
        texts = self._texts([span[SPAN.index("attrs")] for span in spans])
        cells = [self._cell(*cell) for span in spans for cell in zip(SPAN, span, strict=True)]
        first = len(self._numbers) + len(self._constants)
        for at in range(len(spans)):
            cells[at * len(SPAN) + SPAN.index("attrs")] = first + at
        owners = [
            (self._numbers[key[-16:]], owner.inside if below.downstream else owner)
            for key, below in caches.recent.new.items()
        ]
        return Template(
            pattern, tuple(self._constants), itemgetter(*texts), itemgetter(*cells), len(spans), trace, owner,
            tuple(owners), rows.documents[DOCUMENT.index("in_progress")], rows.shapes,
        )  # fmt: skip

    def _constant(self, value: Any) -> int:
        """Where a value is found that is always the same."""
        self._constants.append(value)
        return len(self._numbers) + len(self._constants) - 1

    def _texts(self, attributes: Sequence[str]) -> list[int]:
        """Where the parts of the attributes of all spans are found."""
        parts: list[int] = []
        at, joined = 0, _SPANS.join(attributes)
        for mark in _MARKS.finditer(joined):
            parts += (self._constant(joined[at : mark.start()]), int(mark[mark.lastindex or 0]) - 1)
            at = mark.end()
        return [*parts, self._constant(joined[at:])]

    def _cell(self, column: str, value: Any) -> int:
        """Where one of the values of a row is found."""
        if column in ("span_id", "parent_id") and value in self._numbers:
            return self._numbers[value]
        if column in ("start", "end") and str(value) in self._numbers:
            return self._numbers[str(value)]
        return self._constant(value)
