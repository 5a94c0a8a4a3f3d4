"""One X-Ray document -> rows of spans, span_events, span_links and segments, appended to plain lists.

The segment and each embedded subsegment is a span (specification of X-Ray, 8.2, without its losses). Lists of
tuples, one tuple a row, because that is the fastest way that Python has. A document that is refused in the
middle leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from collector.aws_names import is_aws
from collector.batch import SEPARATOR
from collector.receivers.otlp_attributes import Memory, Shape
from collector.receivers.reasons import ANNOTATION_LEFT_OUT
from collector.receivers.xray_checks import (
    NO_ID,
    SECONDS,
    Refused,
    check_id,
    check_name,
    check_parent,
    check_time,
    check_trace_id,
)
from collector.receivers.xray_fields import (
    HTTP_REQUEST,
    HTTP_RESPONSE,
    TEXT,
    Shapes,
    http_status,
    joined,
    outcome_of,
    shape_of,
    take,
    take_annotations,
    take_aws,
    take_call,
    take_metadata,
    text,
)
from collector.receivers.xray_owners import Recent, Waiting
from collector.receivers.xray_parts import Parts, message_of
from collector.receivers.xray_peers import CALLS, NOTHING, aws_peer, remote_peer
from collector.receivers.xray_resources import ENVIRONMENT, SEGMENT_ONLY, Owner, Sources

INTERNAL, SERVER, CLIENT = 1, 2, 3
_STATUS_ERROR = 2
_EMPTY: Mapping[str, Any] = {}

SPAN = (
    "span_id", "parent_id", "start", "end", "name", "kind", "outcome", "status", "status_message",
    "http_method", "http_status", "peer", "peer_type", "shape", "attrs", "in_progress",
)  # fmt: skip
"""What `Rows.spans` holds of each span, flat. Ids are hex, times seconds, as numbers or as a
text of digits; in progress `end` is `start`."""
_PEER, _PEER_TYPE = SPAN.index("peer"), SPAN.index("peer_type")
DOCUMENT = ("tenant", "trace", "source", "spans", "in_progress", "subsegment", "document")
"""What `Rows.documents` holds of each document, flat; its spans follow each other, its own first."""
_SOURCE, _SPANS = DOCUMENT.index("source"), DOCUMENT.index("spans")
_Place: TypeAlias = tuple[Mapping[str, Any], str, str, str, float, float, Owner, bool, bool]


class Caches:
    """What is remembered from group to group, within bounds; but for `recent` it is only a shortcut."""

    def __init__(self) -> None:
        self.shapes: Shapes = Memory(32 << 20)
        self.sources = Sources()
        self.recent = Recent()


class Rows:
    """The rows of a group of documents as they gather; one for each group, `finish` at its end.

    shapes: those that rows refer to. Flat lists of values, because the garbage collector would look at every
    tuple again and again, and a slice with a step is a column.
    """

    def __init__(self, caches: Caches) -> None:
        self.spans: list[Any] = []
        self.documents: list[Any] = []
        self.shapes: dict[tuple[str, ...], Shape] = {}
        self.templates: set[object] = set()
        """Those that rows came from; their shapes are noted."""
        self.parts = Parts(caches.shapes, self.shapes)
        self.count = 0
        """How many spans there are."""
        self._caches = caches
        self._waiting = Waiting()
        self._orphans: list[tuple[int, int, str]] = []

    def add(self, entity: Mapping[str, Any], written: str, tenant: int) -> Mapping[str, int]:
        """Add a document's rows; reason -> how much was left out. Raises Refused, and adds nothing then."""
        spans, count, marks = len(self.spans), self.count, self.parts.marks()
        try:
            return self._add(entity, written, tenant)
        except Refused:
            del self.spans[spans:]
            self.count = count
            self.parts.cut(marks)
            raise

    def _add(self, entity: Mapping[str, Any], written: str, tenant: int) -> Mapping[str, int]:
        """The checks of a document in the order of 1.10, then its spans."""
        get = entity.get
        span_id, trace = check_id(get("id")), check_trace_id(get("trace_id"))
        alone = get("type") == "subsegment"
        name = check_name(get("name"), segment=not alone)
        start, open_ = check_time(get("start_time"), "Start"), get("in_progress") is True
        end = start if open_ else check_time(get("end_time"), "End")
        parent = check_parent(get("parent_id"))
        if alone and parent == NO_ID:
            raise Refused("MissingParentId")
        prefix = f"{tenant}/{trace[16:]}" if tenant else trace[16:]
        recent = self._caches.recent
        owner = recent.get(prefix + parent) if alone else None
        known = owner is not None or not alone
        if owner is None:
            owner = self._caches.sources.find("" if alone else name, entity)
        learned = recent.new if known else {}
        first, warnings = self.count, dict[str, int]()
        self._walk(
            (entity, span_id, parent, name, start, end, owner, not alone, open_),
            prefix, learned, warnings,
        )  # fmt: skip
        self.documents += (tenant, trace, owner.source, self.count - first, open_, alone, written)
        if known:
            recent.turn()
        else:
            self._waiting.add(learned, prefix + parent)
            self._orphans.append((len(self.documents) - len(DOCUMENT), first, prefix + parent))
        return warnings

    def _walk(  # noqa: C901, PLR0912, PLR0915 -- see below
        self, place: _Place, prefix: str, learned: dict[str, Owner], warnings: dict[str, int]
    ) -> None:  # fmt: skip
        """Add the spans of a document, however deep its subsegments are nested.

        One function for all of it, as this runs for every span: a call costs more here than what it does.
        """
        entity, span_id, parent, name, start, end, owner, segment, open_ = place
        all_open = open_
        shapes, spans = self.shapes, self.spans
        waiting: list[tuple[list[Any], int, str, Owner]] = []
        while True:
            get = entity.get
            keys: list[str] = []
            values: list[str] = []
            if (annotations := get("annotations")).__class__ is dict:
                left_out = take_annotations(annotations, keys, values)
                if left_out:
                    warnings[ANNOTATION_LEFT_OUT] = warnings.get(ANNOTATION_LEFT_OUT, 0) + left_out
            request, method, status = _EMPTY, "", 0
            if (http := get("http")).__class__ is dict:
                if (given := http.get("request")).__class__ is dict:
                    request = given
                    take(request, HTTP_REQUEST, keys, values)
                    method = request.get("method", "")
                    if method.__class__ is not str or len(method) > TEXT:
                        method = text(method) or ""
                if (response := http.get("response")).__class__ is dict:
                    take(response, HTTP_RESPONSE, keys, values)
                    status = response.get("status", 0)
                    if status.__class__ is not int or not 100 <= status <= 999:
                        status = http_status(status)
            if (aws := get("aws")).__class__ is dict:
                take_aws(aws, SEGMENT_ONLY if segment else ENVIRONMENT, keys, values)
            else:
                aws = _EMPTY
            peer, below = NOTHING, owner
            if segment:
                kind = SERVER
                if (user := get("user")) is not None and (user := text(user)) is not None:
                    keys.append("senduser.id")
                    values.append(user)
            else:
                kind, namespace = INTERNAL, get("namespace")
                if namespace in CALLS:
                    kind, below = CLIENT, owner.inside
                    if request.get("traced") is not True and get("traced") is not True:
                        if namespace == "aws":
                            peer = aws_peer(name, aws)
                        elif not owner.downstream:
                            peer = remote_peer(entity, name)
                    keys.append("saws.xray.namespace")
                    values.append(namespace)
                    namespace = None
                if namespace or get("sql") or get("traced"):
                    take_call(entity, namespace, keys, values)
            learned[prefix + span_id] = below
            outcome = 0
            if get("fault") or get("throttle") or get("error"):
                outcome = outcome_of(entity, keys, values)
            message, failed = "", outcome > 0
            if (cause := get("cause")) is not None:
                message, failed = message_of(cause), True
                self.parts.add_cause(cause, self.count, keys, values)
            if links := get("links"):
                self.parts.add_links(links, self.count, warnings)
            if (metadata := get("metadata")).__class__ is dict:
                take_metadata(metadata, keys, values)
            shape, attrs = 0, ""
            if keys:
                lettered = tuple(keys)
                found = shapes.get(lettered)
                if found is None:
                    found = shapes[lettered] = shape_of(lettered, self._caches.shapes)
                shape, attrs = found.id, SEPARATOR.join(values)
                if "\x1b" in attrs or attrs.count(SEPARATOR) != len(values) - 1:
                    attrs = joined(values)
            spans += (
                span_id, parent, start, end, name, kind, outcome, _STATUS_ERROR if failed else 0, message,
                method, status, *peer, shape, attrs, open_,
            )  # fmt: skip
            self.count += 1
            if nested := get("subsegments"):
                if nested.__class__ is not list:
                    raise Refused("ParseError", "subsegments are not a list")
                waiting.append((nested, 0, span_id, below))
            if not waiting:
                return
            siblings, at, parent, owner = waiting.pop()
            if at + 1 < len(siblings):
                waiting.append((siblings, at + 1, parent, owner))
            entity = siblings[at]
            if entity.__class__ is not dict:
                raise Refused("ParseError", "a subsegment is not an object")
            get, segment = entity.get, False
            span_id = check_id(get("id"))
            title: Any = get("name")
            usual = title.__class__ is str and 0 < len(title) <= TEXT
            name = title if usual else check_name(title, segment=False)
            if (time := get("start_time")).__class__ is not float or not 0 <= time < SECONDS:
                time = check_time(time, "Start")
            start, time = time, get("end_time")
            if open_ := all_open or time is None or get("in_progress") is True:
                time = start
            elif time.__class__ is not float or not 0 <= time < SECONDS:
                time = check_time(time, "End")
            end = time

    def finish(self) -> None:
        """Look once more for the owners of subsegments that were sent alone, now that all was seen."""
        for document, first, above in self._orphans:
            owner = self._waiting.resolve(above, self._caches.recent)
            if owner is None:
                continue
            self.documents[document + _SOURCE] = owner.source
            if owner.downstream:
                last = first + self.documents[document + _SPANS]
                for at in range(first * len(SPAN), last * len(SPAN), len(SPAN)):
                    if not is_aws(self.spans[at + _PEER_TYPE]):
                        self.spans[at + _PEER] = self.spans[at + _PEER_TYPE] = ""
        self._orphans.clear()
        self._caches.recent.turn()
