"""What the answers to a question about statistics share: the question, the grid of values, notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from collector.query.populations import Floats, Ints
from collector.query.reader import Timed, load_sql
from collector.query.sequences import Origins, find_origins
from collector.query.statistics import Statistic
from collector.query.streams import Line, Stream


@dataclass(frozen=True, slots=True)
class Question:
    """A statistic over periods that begin at start_ns, for some lines."""

    store: Timed
    name: str
    statistic: Statistic
    start_ns: int
    end_ns: int
    period_ns: int
    interval_ns: int

    @property
    def periods(self) -> int:
        """How many periods there are."""
        return -(-(self.end_ns - self.start_ns) // self.period_ns)

    def ask(self, sql: str, params: Mapping[str, object], since_ns: int | None = None) -> pa.Table:
        """The rows of a .sql file; since_ns: looks farther back than the range. Range and period are bound
        where the text names them."""
        text = load_sql(sql)
        own = {
            "start_ns": self.start_ns, "end_ns": self.end_ns, "period_ns": self.period_ns,
            "quantile": self.statistic.quantile, "percentile": self.statistic.kind == "Percentile",
        }  # fmt: skip
        bound = {key: value for key, value in own.items() if f"${key}" in text} | dict(params)
        start_ns = self.start_ns if since_ns is None else since_ns
        return self.store.read("metrics", text, bound, start_ns=start_ns, end_ns=self.end_ns)

    def origins(self, lines: Sequence[Line]) -> Origins:
        """Where the streams of the lines begin to count."""
        return find_origins(self.ask, streams_of(lines), self.start_ns, self.interval_ns)

    def increments(self, sql: str, lines: Sequence[Line], origins: Origins, **params: object) -> Increments:
        """What the streams of the lines grew by: the quick way, and where that cannot do, the careful one."""
        for careful in (False, True):
            table = self.differences(sql, lines, origins, careful=careful, **params)
            if careful or not pc.sum(table["odd"]).as_py():
                break
        return Increments(Cells(table, len(lines), self.periods), careful)

    def differences(self, sql: str, lines: Sequence[Line], origins: Origins, **params: object) -> pa.Table:
        """The rows of a .sql file that takes differences of successive points."""
        streams = streams_of(lines)
        since = [origins.since_ns[stream.series_id] for stream in streams]
        uncounted = sorted(origins.uncounted)
        bound = picked(lines) | {
            "cumulative": [stream.is_cumulative for stream in streams],
            "since_ns": since,
            "uncounted_series": [series_id for series_id, _ in uncounted],
            "uncounted_starts": [start_ns for _, start_ns in uncounted],
        }
        return self.ask(sql, bound | params, min(since, default=self.start_ns))


@dataclass(slots=True)
class Answer:
    """values[line, period]: NaN where there is none. notes: per line, what should be known of them."""

    values: Floats
    notes: dict[int, list[str]] = field(default_factory=dict)

    def note(self, line: int, count: int, one: str, many: str) -> None:
        """A sentence when the count is not 0; `{}` in it stands for the count."""
        if count:
            self.notes.setdefault(line, []).append((one if count == 1 else many).format(f"{count:,}"))

    def say(self, lines: int, sentence: str) -> None:
        """The same sentence for every line."""
        for line in range(lines):
            self.notes.setdefault(line, []).append(sentence)


@dataclass(frozen=True, slots=True)
class Cells:
    """Rows by line and period, as arrays; `cell` is line * periods + period."""

    table: pa.Table
    lines: int
    periods: int

    @property
    def cell(self) -> Ints:
        """The cell of each row."""
        line = self.table["line"].to_numpy().astype(np.int64)
        return np.asarray(line * self.periods + self.table["period"].to_numpy(), np.int64)

    def column(self, name: str) -> Floats:
        """A column of numbers; NaN for NULL."""
        return np.asarray(self.table[name].to_numpy(zero_copy_only=False), np.float64)

    def grid(self, values: Floats) -> Floats:
        """The sum of each cell's rows; NaN in a cell without rows or with a row that is NaN."""
        flat = np.full(self.lines * self.periods, np.nan)
        cell = self.cell
        flat[cell] = 0.0
        np.add.at(flat, cell, values)
        return flat.reshape(self.lines, self.periods)

    def per_line(self, name: str) -> list[int]:
        """The sum of a column for each line."""
        totals = np.zeros(self.lines)
        np.add.at(totals, self.table["line"].to_numpy(), self.column(name))
        return [int(total) for total in totals]


@dataclass(frozen=True, slots=True)
class Increments:
    """Rows of increments. careful: points were sent twice, which other questions have to look for, too."""

    rows: Cells
    careful: bool


def streams_of(lines: Sequence[Line]) -> list[Stream]:
    """All streams, line after line."""
    return [stream for line in lines for stream in line.streams]


def picked(lines: Sequence[Line]) -> dict[str, object]:
    """The parameters $series and $lines: which stream belongs to which line."""
    return {
        "series": [stream.series_id for stream in streams_of(lines)],
        "lines": [number for number, line in enumerate(lines) for _ in line.streams],
    }


def ratio(top: Floats, bottom: Floats) -> Floats:
    """top / bottom, NaN where bottom is 0."""
    return np.asarray(np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0))


def note_differences(answer: Answer, rows: Cells, lines: Sequence[Line], origins: Origins) -> None:
    """Say what was seen of resets nobody told of, several writers, and first points that were left out."""
    falls, overlaps = rows.per_line("falls"), rows.per_line("overlapping")
    for number, line in enumerate(lines):
        ids = {stream.series_id for stream in line.streams}
        uncounted = sum(series_id in ids for series_id, _ in origins.uncounted)
        shared = sum(series_id in ids for series_id in origins.overlapping)
        answer.note(
            number,
            falls[number],
            "1 fall without a new start time was taken as a reset.",
            "{} falls without a new start time were taken as resets.",
        )
        answer.note(
            number,
            overlaps[number],
            "1 point overlaps the one before it in time: more than one process may write this series.",
            "{} points overlap the one before them in time: more than one process may write this series.",
        )
        answer.note(
            number,
            shared,
            "1 stream has start times that overlap: more than one process writes it.",
            "{} streams have start times that overlap: more than one process writes each.",
        )
        answer.note(
            number, uncounted,
            "The first point of 1 stream was left out: it counts from long before anything is known of it.",
            "The first points of {} streams were left out: they count from long before anything is known.",
        )  # fmt: skip
