"""X-Ray's PutTraceSegments requests -> batches of columns. Pure: texts and a tenant in, values out.

Each document is judged on its own: what is wrong with one is told with X-Ray's code and counted under a
reason, and nothing else is lost. An item is a span; a refused document counts as one, as nobody knows what it
held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from json import loads as loads_lenient
from typing import Any

import orjson

from collector.batch import Batch, Signal
from collector.errors import Rejected
from collector.receivers.reasons import (
    INVALID_UTF8,
    MALFORMED_REQUEST,
    MAX_DOCUMENTS,
    REASONS,
    TOO_MANY_PARTS,
    WARNINGS,
)
from collector.receivers.xray_checks import REASONS as CODES
from collector.receivers.xray_checks import Refused, elements, loads, repaired
from collector.receivers.xray_forms import Forms
from collector.receivers.xray_spans import Caches, Rows
from collector.receivers.xray_tables import tables
from collector.request import Decoded, Outcome, Request, Unprocessed

DOCUMENTS = "TraceSegmentDocuments"
_ID_SHOWN = 64


class XrayDecoder:
    """Decodes requests; what it remembers is bounded. One for each thread: it has no lock."""

    def __init__(self) -> None:
        self._caches = Caches()
        self._forms = Forms(self._caches)

    def __call__(self, signal: Signal, requests: Sequence[Request], now_ns: int) -> Decoded:  # noqa: ARG002
        """Decode requests into one batch; an outcome for each, in their order."""
        rows = Rows(self._caches)
        outcomes = [_request(request, rows, self._forms) for request in requests]
        rows.finish()
        size = sum(len(request.payload) for request in requests)
        return Decoded(Batch(signal, tables(rows), size), outcomes)


def _request(request: Request, rows: Rows, forms: Forms) -> Outcome:
    before = rows.count
    try:
        documents = _documents(request.payload)
    except Rejected as error:
        return Outcome(error=error, message=str(error))
    unprocessed: list[Unprocessed] = []
    refused: Counter[str] = Counter()
    warnings: Counter[str] = Counter()
    for text in documents:
        if not forms.take(text, rows, request.tenant):
            _document(text, rows, forms, request.tenant, unprocessed, refused, warnings)
    return Outcome(
        rows.count - before,
        dict(refused),
        _sentence(refused, warnings),
        warnings=dict(warnings),
        unprocessed=unprocessed,
    )


def _documents(payload: bytes) -> list[str]:
    """The texts in a request's body. Raises Rejected."""
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        body = _lenient(payload)
    documents = body.get(DOCUMENTS) if isinstance(body, dict) else None
    if not isinstance(documents, list) or not all(each.__class__ is str for each in documents):
        message = f'expected a JSON object with the member "{DOCUMENTS}", a list of strings'
        raise Rejected(MALFORMED_REQUEST, message)
    if len(documents) > MAX_DOCUMENTS:
        raise Rejected(TOO_MANY_PARTS, f"more than {MAX_DOCUMENTS:,} documents in one request")
    return documents


def _lenient(payload: bytes) -> Any:
    """The body when one of its texts has half of a surrogate pair, which JSON's grammar allows."""
    try:
        return loads_lenient(payload)
    except (ValueError, RecursionError) as error:
        raise Rejected(MALFORMED_REQUEST, f"the body is not JSON: {error}") from error


def _document(  # noqa: PLR0917
    text: str,
    rows: Rows,
    forms: Forms,
    tenant: int,
    unprocessed: list[Unprocessed],
    refused: Counter[str],
    warnings: Counter[str],
) -> None:
    """Add one document, or each of a list of them, to the rows or to what was refused."""
    try:
        entity, text, halves = _parsed(text)
        parts = [*zip(entity, elements(text), strict=True)] if entity.__class__ is list else [(entity, text)]
    except Refused as error:
        unprocessed.append(_told({}, error))
        refused[CODES[error.code]] += 1
        return
    if halves:
        warnings[INVALID_UTF8] += 1
    for each, written in parts:
        try:
            if each.__class__ is not dict:
                raise Refused("ParseError", "a document is not an object")  # noqa: TRY301
            if left_out := rows.add(each, written, tenant):
                warnings.update(left_out)
            else:
                forms.learn(written, each)
        except Refused as error:
            unprocessed.append(_told(each, error))
            refused[CODES[error.code]] += 1


def _parsed(text: str) -> tuple[Any, str, bool]:
    """The document, its text, and whether that had to be repaired. Raises Refused."""
    try:
        return loads(text), text, False
    except orjson.JSONDecodeError:
        mended = repaired(text)
    try:
        return loads(mended), mended, mended != text
    except orjson.JSONDecodeError as error:
        raise Refused("ParseError", str(error)) from error


def _told(entity: Any, error: Refused) -> Unprocessed:
    """What the sender reads, in X-Ray's words."""
    alone = isinstance(entity, dict) and entity.get("type") == "subsegment"
    message = f"Invalid {'subsegment' if alone else 'segment'}. ErrorCode: {error.code}"
    if error.cause:
        message += f", Cause: {error.cause}"
    given = entity.get("id") if isinstance(entity, dict) else None
    return Unprocessed(given[:_ID_SHOWN] if isinstance(given, str) else "", error.code, message)


def _sentence(refused: Counter[str], warnings: Counter[str]) -> str:
    parts = [f"{count} documents refused: {REASONS[name]} ({name})" for name, count in refused.items()]
    parts += [f"{count} repaired: {WARNINGS[name]} ({name})" for name, count in warnings.items()]
    return "; ".join(parts)
