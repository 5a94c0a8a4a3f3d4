"""Log records as lines of CSV or JSON, page by page, so that an export of any length needs little memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime

import orjson

from collector.query.model_logs import LogPage, LogRecord

COLUMNS = ("time", "level", "service", "group", "stream", "trace_id", "span_id", "message")
"""What an export has unless it is asked for other columns."""

_SECOND = 1_000_000_000
_FIELDS: dict[str, Callable[[LogRecord], object]] = {
    "time": lambda record: time_text(record.time_ns),
    "observed_time": lambda record: time_text(record.observed_ns),
    "level": lambda record: record.level,
    "severity": lambda record: record.severity,
    "severity_text": lambda record: record.severity_text,
    "service": lambda record: record.service,
    "group": lambda record: record.group,
    "stream": lambda record: record.stream,
    "event": lambda record: record.event_name,
    "trace_id": lambda record: record.trace_id,
    "span_id": lambda record: record.span_id,
    "id": lambda record: record.id,
    "message": lambda record: record.body,
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def time_text(time_ns: int) -> str:
    """RFC 3339 in UTC with nanoseconds; the number where a calendar has no such date."""
    seconds, rest = divmod(time_ns, _SECOND)
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
    except (OverflowError, ValueError, OSError):
        return str(time_ns)


def value_of(record: LogRecord, column: str) -> object:
    """A column of a record: a name of its own, or the key of an attribute; None when it has none."""
    own = _FIELDS.get(column)
    return record.attributes.get(column) if own is None else own(record)


def csv_lines(pages: Iterable[LogPage], columns: Sequence[str] = COLUMNS) -> Iterator[str]:
    """A line with the columns' names and one for each record.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    yield _line(writer, out, columns)
    for page in pages:
        for record in page.records:
            yield _line(writer, out, [_cell(value_of(record, column)) for column in columns])


def json_lines(pages: Iterable[LogPage]) -> Iterator[bytes]:
    """A JSON object for each record, one a line; attributes keep their types."""
    for page in pages:
        for record in page.records:
            own = {name: value(record) for name, value in _FIELDS.items()}
            yield orjson.dumps(own | {"attributes": record.attributes}, option=orjson.OPT_APPEND_NEWLINE)


def _cell(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(writer: object, out: io.StringIO, row: Sequence[object]) -> str:
    writer.writerow(row)  # type: ignore[attr-defined]
    text = out.getvalue()
    out.seek(0)
    out.truncate()
    return text
