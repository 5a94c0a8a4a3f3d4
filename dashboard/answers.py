"""What a page's view returns, and how one answer becomes HTML's data, JSON or CSV.

The JSON twin and the page are made from the same `data`; CSV streams the rows of a Table.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from hashlib import blake2b
from typing import Any

import orjson
from flask import Response

from collector.errors import QueryError
from dashboard.context import Context
from dashboard.timerange import to_datetime

_RISKY = ("=", "+", "-", "@", "\t", "\r")
_PLAIN_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_CHUNK_ROWS = 500


@dataclass(frozen=True, slots=True)
class Table:
    """Rows for CSV, made only when asked for: all rows of the shown filter, range and sort."""

    columns: Sequence[str]
    rows: Callable[[], Iterable[Sequence[object]]]


@dataclass(frozen=True, slots=True)
class Problem:
    """A filter that cannot be read. column, end: 1-based, 0 when unknown. fix: a link with it put right."""

    message: str
    line: int = 0
    column: int = 0
    end: int = 0
    suggestion: str = ""
    fix: str = ""


def problem_of(ctx: Context, error: QueryError) -> Problem:
    """The problem to show under the filter bar for an error of the filter's compiler."""
    fix = ""
    if error.suggestion and error.column:
        text = ctx.get("q")
        fix = ctx.url(
            q=text[: error.column - 1] + error.suggestion + text[max(error.end, error.column) - 1 :]
        )
    return Problem(str(error), error.line, error.column, error.end, error.suggestion, fix)


@dataclass(frozen=True, slots=True)
class Answer:
    """A page's answer.

    data: what the template sees and what the JSON twin shows. extra: what only the template needs (charts).
    tables: what can be downloaded as CSV, the first is the default; `?table=name` picks another.
    problem: the filter cannot be read; the page says so, JSON and CSV answer 400.
    """

    template: str
    data: Mapping[str, Any]
    title: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    problem: Problem | None = None
    status: int = 200


def to_json(data: object) -> bytes:
    """Dataclasses, mappings, sequences and numbers as JSON; anything else is a defect, a TypeError."""
    return orjson.dumps(data, default=_plain, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY)


def _plain(value: object) -> object:
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, range):
        return list(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"no JSON for {type(value).__name__}")


def json_response(data: object, status: int = 200) -> Response:
    """JSON with an ETag of its bytes."""
    body = to_json(data)
    response = Response(body, status, content_type="application/json; charset=utf-8")
    response.set_etag(blake2b(body, digest_size=12).hexdigest(), weak=True)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def csv_response(name: str, table: Table) -> Response:
    """Rows as a download, streamed."""
    response = Response(csv_lines(table.columns, table.rows()), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """CSV text (RFC 4180) in chunks of some hundred rows."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([defuse(c) for c in columns])
    for number, row in enumerate(rows, 1):
        writer.writerow([defuse(cell) for cell in row])
        if number % _CHUNK_ROWS == 0:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def defuse(cell: object) -> object:
    """A cell that a spreadsheet will not run as a formula; numbers stay numbers."""
    if cell is None:
        return ""
    if isinstance(cell, str) and cell.startswith(_RISKY) and not _PLAIN_NUMBER.match(cell):
        return f"'{cell}"
    return cell


def file_name(page: str, ctx: Context, ending: str) -> str:
    """`traces_payments_20261123T0942Z.csv`: page, words of the filter, start of the range."""
    words = "_".join(re.findall(r"[A-Za-z0-9][A-Za-z0-9.-]*", ctx.q))[:40].strip("._-")
    start = to_datetime(ctx.start_ns, UTC).strftime("%Y%m%dT%H%MZ")
    return "_".join(part for part in (page, words, start) if part) + f".{ending}"
