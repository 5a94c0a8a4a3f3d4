"""Text of log files to OTLP log records; a batch is sent until it is acknowledged, then its place is kept."""

from __future__ import annotations

import logging
import platform
import re
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from .config import LogFile
from .tail import Follower, Positions, find

logger = logging.getLogger("raywatch_agent")

BATCH = 512
_TRIES = 3  # of a batch while the receiver takes an empty one
_SCOPE = InstrumentationScope("raywatch_agent.tail", "0.1.0")
_LEVEL = re.compile(
    r"\b(?:(TRACE)|(DEBUG)|(INFO|NOTICE)|(WARN(?:ING)?)|(ERR(?:OR)?)|(FATAL|CRIT(?:ICAL)?|EMERG|ALERT|PANIC))\b",
    re.IGNORECASE,
)
_SEVERITIES = (
    SeverityNumber.TRACE, SeverityNumber.DEBUG, SeverityNumber.INFO, SeverityNumber.WARN,
    SeverityNumber.ERROR, SeverityNumber.FATAL,
)  # fmt: skip
_TIME = re.compile(r"\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)")
_LOOK = 120  # characters in which a level is looked for


def severity(line: str) -> tuple[SeverityNumber | None, str | None]:
    """The first level that stands near the beginning of a line, as a number and as written."""
    match = _LEVEL.search(line, 0, _LOOK)
    if match is None or match.lastindex is None:
        return None, None
    return _SEVERITIES[match.lastindex - 1], match[0]


def event_time(line: str) -> int | None:
    """Nanoseconds since 1970 of a time at the beginning of a line; local time when it names no zone."""
    match = _TIME.match(line)
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match[1].replace(",", "."))
    except ValueError:
        return None
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


class Shipper:
    """Follows the files of all entries; one thread calls `poll` again and again."""

    def __init__(
        self,
        logs: Sequence[LogFile],
        positions: Positions,
        exporter: LogRecordExporter,
        stop: threading.Event,
    ) -> None:
        self._logs = logs
        self._positions = positions
        self._exporter = exporter
        self._stop = stop
        self._followers: dict[str, tuple[Follower, Resource]] = {}
        self._new_are_old = positions.first_run
        self.look()
        self._new_are_old = False

    def look(self) -> None:
        """Finds new files; those that were there before the first run may be followed from their end."""
        for entry in self._logs:
            for path in find(entry.path):
                if path not in self._followers:
                    self._follow(path, entry)

    def poll(self) -> int:
        """Sends what the files have now; the number of records that were sent."""
        return sum(self._drain(follower, resource) for follower, resource in self._followers.values())

    def close(self) -> None:
        for follower, _ in self._followers.values():
            follower.close()

    def _follow(self, path: str, entry: LogFile) -> None:
        known = self._positions.get(path)
        at_end = entry.start == "end" and self._new_are_old
        follower = Follower(path, known, at_end=at_end, record_start=entry.record_start)
        if known is None and follower.place is not None:
            self._positions.put(path, follower.place)
        self._followers[path] = follower, _resource(path, entry)

    def _drain(self, follower: Follower, resource: Resource) -> int:
        sent = 0
        while not self._stop.is_set() and (chunk := follower.read()) is not None:
            records = [_record(text, resource) for text in chunk.records]
            for begin in range(0, len(records), BATCH):
                if not self._send(records[begin : begin + BATCH]):
                    return sent
                sent += len(records[begin : begin + BATCH])
            follower.acknowledge(chunk)
            self._positions.put(follower.path, chunk.place)
        return sent

    def _send(self, records: Sequence[ReadableLogRecord]) -> bool:
        """Until it is acknowledged; False when the agent stops first. A batch that a receiver refuses
        although it takes an empty one is given up, or it would stop everything behind it."""
        pause, refusals = 0.5, 0
        while self._exporter.export(records) is not LogRecordExportResult.SUCCESS:
            if self._stop.is_set():
                return False
            refusals += int(self._exporter.export([]) is LogRecordExportResult.SUCCESS)
            if refusals == _TRIES:
                logger.error("%d log records were refused and are left out", len(records))
                return True
            if self._stop.wait(pause):
                return False
            pause = min(30.0, 2 * pause)
        return True


def _resource(path: str, entry: LogFile) -> Resource:
    host = platform.node() or "localhost"
    return Resource.create(
        {
            "service.name": entry.service or Path(path).stem,
            "host.name": host,
            "aws.log.group.names": entry.group or path,
            "aws.log.stream.names": host,
            "log.file.path": path,
            "log.file.name": Path(path).name,
        }
    )


def _record(text: str, resource: Resource) -> ReadableLogRecord:
    number, name = severity(text)
    now = time.time_ns()
    record = LogRecord(
        timestamp=event_time(text) or now,
        observed_timestamp=now,
        context=Context(),
        severity_number=number,
        severity_text=name,
        body=text,
    )
    return ReadableLogRecord(record, resource, _SCOPE)
