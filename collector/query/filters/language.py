"""What a filter expression may name: the keywords of traces and of logs, with their types and places.

A name that is no keyword is the key of an attribute. `where` says in which places a keyword stands: 'item'
is the trace or the log record as a whole, 'span' is inside the braces of service(…){…} and its like. Inside
the braces of rootcause.…{…} there are keywords of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from collector.levels import LEVELS
from collector.query.trace_ids import span_number, trace_number

KeywordKind = Literal["flag", "number", "text", "choice"]
Place = Literal["item", "span", "cause"]
BOTH: tuple[Place, ...] = ("item", "span")
CAUSE: tuple[Place, ...] = ("cause",)
NUMBER_OPERATORS = ("=", "!=", "<", "<=", ">", ">=")
TEXT_OPERATORS = ("=", "!=", "contains", "beginswith", "endswith")
CHOICE_OPERATORS = ("=", "!=")


@dataclass(frozen=True, slots=True)
class Keyword:
    """A name of the language.

    unit: 's' when numbers are seconds, so that `250ms` can be written too.
    values: what a choice can be. ordered: its values can be compared with < and >.
    check: raises QueryError for a text that cannot be a value. only: the comparisons that there are.
    """

    name: str
    kind: KeywordKind
    help: str
    where: tuple[Place, ...] = BOTH
    unit: str = ""
    values: tuple[str, ...] = ()
    ordered: bool = False
    check: Callable[[str], object] | None = None
    only: tuple[str, ...] = ()

    @property
    def operators(self) -> tuple[str, ...]:
        """The comparisons that make sense, apart from `in` and `exists`."""
        if self.only:
            return self.only
        if self.kind == "flag":
            return ("=", "!=")
        if self.kind == "text":
            return TEXT_OPERATORS
        return NUMBER_OPERATORS if self.kind == "number" or self.ordered else CHOICE_OPERATORS


@dataclass(frozen=True, slots=True)
class Language:
    """A name for error messages, its keywords by lower-case name (aliases too), and whether it has functions.

    first: the keywords that completion offers first. causes: the keywords of elements of root causes.
    bare_words: an unquoted word that is no keyword is searched as text (logs) or names an attribute (traces).
    """

    name: Literal["traces", "logs"]
    keywords: Mapping[str, Keyword]
    functions: tuple[str, ...]
    first: tuple[str, ...]
    bare_words: Literal["text", "attribute"]
    causes: Mapping[str, Keyword] = field(default_factory=dict)


def _table(*keywords: Keyword, aliases: Mapping[str, str]) -> dict[str, Keyword]:
    named = {keyword.name.lower(): keyword for keyword in keywords}
    return named | {alias: named[name] for alias, name in aliases.items()}


OUTCOMES = ("ok", "error", "throttle", "fault")
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")

CAUSES = _table(
    Keyword("name", "text", "name of the service, entity or exception", CAUSE),
    Keyword("type", "text", "type of the service", CAUSE),
    Keyword("account.id", "text", "account of the service", CAUSE),
    Keyword("message", "text", "message of the exception", CAUSE),
    Keyword("first", "flag", "the first of its list", CAUSE),
    Keyword("last", "flag", "the last of its list", CAUSE),
    Keyword("remote", "flag", "an entity that is a call to elsewhere", CAUSE),
    Keyword("inferred", "flag", "a service that sent no segment", CAUSE),
    Keyword("index", "number", "position in its list, from 0", CAUSE),
    Keyword("coverage", "number", "share of the response time, 0 to 1", CAUSE),
    aliases={},
)
"""Which element of a root cause has which is in filters/causes.py."""

TRACES = Language(
    name="traces",
    keywords=_table(
        Keyword("ok", "flag", "the response is a success"),
        Keyword("error", "flag", "the response is a client's error (4xx, but 429)"),
        Keyword("throttle", "flag", "the response is 429"),
        Keyword("fault", "flag", "the response is a server's error (5xx), or the span failed"),
        Keyword("partial", "flag", "something is missing or still in progress", where=("item",)),
        Keyword("inferred", "flag", "a node that is not instrumented itself"),
        Keyword("root", "flag", "the span that began the trace", where=("span",)),
        Keyword("remote", "flag", "a call to another service", where=("span",)),
        Keyword("responsetime", "number", "seconds the root span took", unit="s"),
        Keyword("duration", "number", "seconds from the first start to the last end", unit="s"),
        Keyword("http.status", "number", "HTTP status code"),
        Keyword("spans", "number", "spans in the trace", where=("item",)),
        Keyword("http.url", "text", "URL, or its path"),
        Keyword("http.method", "text", "HTTP method"),
        Keyword("http.useragent", "text", "user agent"),
        Keyword("http.clientip", "text", "the client's address"),
        Keyword("user", "text", "id of the user"),
        Keyword("availabilityzone", "text", "availability zone"),
        Keyword("instance.id", "text", "id of the instance"),
        Keyword("resource.arn", "text", "ARN of the resource"),
        Keyword("account.id", "text", "account"),
        Keyword("service", "text", "a service that took part"),
        Keyword("operation", "text", "name of the root span; inside braces, of the span"),
        Keyword("message", "text", "message of a failed span"),
        Keyword("exception", "text", "type of an exception"),
        Keyword("type", "text", "type of the node", where=("span",)),
        Keyword("outcome", "choice", "how it went", values=OUTCOMES),
        Keyword("kind", "choice", "kind of the span", where=("span",), values=KINDS),
        Keyword("trace.id", "text", "the trace's id", check=trace_number, only=CHOICE_OPERATORS),
        Keyword("group.name", "text", "a group's name", where=("item",), only=CHOICE_OPERATORS),
        Keyword("group.arn", "text", "a group's ARN", where=("item",), only=CHOICE_OPERATORS),
        aliases={"name": "operation", "traceid": "trace.id", "trace_id": "trace.id"},
    ),
    functions=("service", "edge", "span"),
    first=("fault", "duration", "operation", "service", "http.status"),
    bare_words="attribute",
    causes=CAUSES,
)

LOGS = Language(
    name="logs",
    keywords=_table(
        Keyword("level", "choice", "severity by name", values=LEVELS, ordered=True, where=("item",)),
        Keyword("severity", "number", "severity number, 1 to 24", where=("item",)),
        Keyword("service", "text", "service that logged", where=("item",)),
        Keyword("group", "text", "log group", where=("item",)),
        Keyword("stream", "text", "log stream", where=("item",)),
        Keyword("message", "text", "the record's text", where=("item",)),
        Keyword("event", "text", "event name", where=("item",)),
        Keyword("trace.id", "text", "id of its trace", ("item",), check=trace_number, only=CHOICE_OPERATORS),
        Keyword("span.id", "text", "id of its span", ("item",), check=span_number, only=CHOICE_OPERATORS),
        aliases={
            "body": "message", "log.group": "group", "log.stream": "stream", "event_name": "event",
            "trace_id": "trace.id", "traceid": "trace.id", "span_id": "span.id", "spanid": "span.id",
        },
    ),
    functions=(),
    first=("level", "service", "message"),
    bare_words="text",
)  # fmt: skip
LANGUAGES: dict[str, Language] = {"traces": TRACES, "logs": LOGS}
