"""What many records say: patterns of their texts, and the fields they carry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from collector.levels import LEVELS, Level
from collector.query.log_counts import log_histogram
from collector.query.log_rows import Place, Rows, id_of, rows_of
from collector.query.model_logs import (
    LogField,
    LogFields,
    LogHistogram,
    LogPattern,
    LogPatterns,
    LogSelection,
)
from collector.query.patterns import LONGEST, MASK, REPLACEMENT, fold
from collector.query.reader import Reader, Timed
from collector.query.steps import choose_step, count_steps

TREND = 30
"""At most so many steps in the trend of a pattern."""
_NAMES: tuple[Level, ...] = ("", *LEVELS)
_MASK_PARAMS = {"mask": MASK, "replacement": REPLACEMENT, "longest": LONGEST}
_SHOWN = 500


_NOWHERE = Place(0, 0)


@dataclass(slots=True)
class _Found:
    """A pattern while its rows are read."""

    trend: list[int]
    levels: Counter[Level] = field(default_factory=Counter)
    services: Counter[str] = field(default_factory=Counter)
    first_ns: int = 0
    last: Place = _NOWHERE
    template: str = ""

    def add(self, row: Mapping[str, Any]) -> None:
        records = row["records"]
        place = Place(row["last_ns"], row["last_seq"])
        if not self.levels or row["first_ns"] < self.first_ns:
            self.first_ns = row["first_ns"]
        if not self.levels or (place.time_ns, place.seq) > (self.last.time_ns, self.last.seq):
            self.last, self.template = place, row["template"]
        self.levels[_NAMES[row["level"]]] += records
        self.services[row["service"]] += records
        self.trend[row["bucket"]] += records


def log_patterns(
    store: Reader, selection: LogSelection, *, limit: int = 100, scan: int = 200_000, deadline: float = 10.0
) -> LogPatterns:
    """The patterns of the newest `scan` selected records, or a few more."""
    timed = Timed.of(store, deadline)
    return _patterns(timed, selection, _newest(timed, selection, scan), frozenset(), limit)


def new_patterns(
    store: Reader,
    selection: LogSelection,
    *,
    before_ns: int,
    limit: int = 20,
    scan: int = 200_000,
    deadline: float = 10.0,
) -> LogPatterns:
    """Patterns of the range that did not occur in the `before_ns` before it.

    Of both the newest `scan` records are looked at: what was said rarely and long before may seem new.
    """
    timed = Timed.of(store, deadline)
    start_ns = selection.start_ns
    newest = _newest(timed, selection, scan)
    if not newest[1].total:
        return LogPatterns((), 0, 0, 0, newest[1].step_ns)
    earlier, _ = _newest(timed, replace(selection, start_ns=start_ns - before_ns, end_ns=start_ns), scan)
    templates = rows_of(timed, earlier).read("logs_templates", **_MASK_PARAMS)["template"].to_pylist()
    known = {fold(template, ()) for template in templates}
    return _patterns(timed, selection, newest, known, limit)


def log_fields(store: Reader, selection: LogSelection, *, deadline: float = 10.0) -> LogFields:
    """The attributes of the selected records, those that most records carry first."""
    rows = rows_of(Timed.of(store, deadline), selection).read("logs_fields").to_pylist()
    total = rows[0]["total"]
    found = [row for row in rows if row["name"] is not None]
    return LogFields(
        [LogField(row["name"], row["type"], row["records"], row["records"] / total) for row in found], total
    )


def _newest(timed: Timed, selection: LogSelection, scan: int) -> tuple[LogSelection, LogHistogram]:
    """The part of the range that holds the newest `scan` records, by whole steps, and the counts of all."""
    histogram = log_histogram(timed.store, selection, deadline=timed.left)
    held = 0
    start_ns = selection.end_ns
    for index in range(len(histogram.times_ns) - 1, -1, -1):
        here = sum(counts[index] for counts in histogram.counts.values())
        if held and held + here > scan:
            break
        held += here
        start_ns = histogram.times_ns[index]
    return replace(selection, start_ns=max(start_ns, selection.start_ns)), histogram


def _patterns(
    timed: Timed,
    selection: LogSelection,
    looked_at: tuple[LogSelection, LogHistogram],
    known: frozenset[str] | set[str],
    limit: int,
) -> LogPatterns:
    """Patterns that are not among `known`. looked_at: see `_newest`."""
    newest, histogram = looked_at
    if not histogram.total:
        return LogPatterns((), 0, 0, 0, histogram.step_ns)
    step = choose_step(selection.start_ns, selection.end_ns, TREND)
    origin = selection.start_ns // step * step
    size = count_steps(selection.start_ns, selection.end_ns, step)
    rows = rows_of(timed, newest)
    table = rows.read(
        "logs_patterns", origin_ns=origin, step_ns=step, limit=(limit + 100) * 10, **_MASK_PARAMS
    ).to_pylist()
    templates = {row["template"] for row in table}
    found: dict[str, _Found] = {}
    for row in table:
        template = fold(row["template"], templates)
        if template not in known and fold(template, known) not in known:
            found.setdefault(template, _Found([0] * size)).add(row)
    scanned = table[0]["scanned"] if table else 0
    first = sorted(found, key=lambda template: (-found[template].levels.total(), template))[:limit]
    merged = len(templates) - len({fold(template, templates) for template in templates})
    distinct = table[0]["templates"] - merged if table else 0
    return LogPatterns(
        patterns=_described(rows, {template: found[template] for template in first}, scanned),
        distinct=len(found) if known else distinct,
        scanned=scanned,
        total=max(histogram.total, scanned),
        step_ns=step,
        times_ns=range(origin, origin + size * step, step),
    )


def _described(rows: Rows, found: Mapping[str, _Found], scanned: int) -> list[LogPattern]:
    """The patterns, each with its last record for an example."""
    last = list(found.values())
    table = rows.read(
        "logs_examples",
        templates=[one.template for one in last],
        times=[one.last.time_ns for one in last],
        seqs=[one.last.seq for one in last],
        shown=_SHOWN,
        **_MASK_PARAMS,
    )
    examples = {row["template"]: row for row in table.to_pylist()}
    return [
        LogPattern(
            template=template,
            level=max(one.levels, key=lambda level: (one.levels[level], _NAMES.index(level))),
            records=one.levels.total(),
            share=one.levels.total() / scanned,
            first_ns=one.first_ns,
            last_ns=one.last.time_ns,
            trend=one.trend,
            services=[service for service, _ in one.services.most_common()],
            example=examples[one.template]["body"],
            example_id=id_of(examples[one.template]),
        )
        for template, one in found.items()
    ]
