"""What a person sees in the terminal: the start banner, tables, progress. Nothing here decides anything.

Everything goes through rich, which leaves colours out where NO_COLOR is set or no terminal listens.
"""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import IO, Any

import pyarrow as pa
from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from collector.storage.store import Copied
from raywatch.running import Running
from raywatch.settings import Settings, show_seconds, show_size

WIDTH = 4000
"""Of a table that nobody's terminal limits."""


def console(*, stderr: bool = False) -> Console:
    """The terminal, or a file that is not cut to a width."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else WIDTH, soft_wrap=True, highlight=False)


def banner(settings: Settings, running: Running, login: str, version: str) -> Iterator[Text]:
    """What is said once at the start."""
    yield Text.assemble(("  Raywatch", "bold"), (f" {version}", "dim"))
    yield Text()
    yield _line("Open", Text(login or running.url, "bold cyan"))
    if login:
        yield _line("", Text("the link logs you in once", "dim"))
    if running.otlp_http:
        yield _line("Send to", Text.assemble(running.otlp_http, ("  OTLP/HTTP", "dim")))
    if running.otlp_grpc:
        where = running.otlp_grpc.removeprefix("http://")
        yield _line(
            "" if running.otlp_http else "Send to", Text.assemble(f"{where:<21}", ("  OTLP/gRPC", "dim"))
        )
    if running.xray_udp:
        yield _line("", Text.assemble(f"{running.xray_udp:<21}", ("  X-Ray daemon", "dim")))
    keep = settings.retention.traces
    bounds = [text for text in (show_seconds(keep.age), show_size(keep.size)) if text != "none"]
    kept = f"  traces kept for {' or '.join(bounds)}" if bounds else ""
    if settings.in_memory:
        yield _line("Data", Text("in memory, gone when it stops"))
    else:
        yield _line("Data", Text.assemble(settings.data, (kept, "dim")))
    yield Text()
    yield _line(
        "Try", Text.assemble("raywatch run -- python app.py", ("  sends from your own program", "dim"))
    )
    yield _line("Stop", Text("Ctrl-C", "dim"))
    yield Text()


def _line(label: str, text: Text) -> Text:
    return Text.assemble((f"  {label:<9}", "dim"), text)


def settings_table(rows: Iterable[tuple[str, str, str]]) -> Table:
    """`raywatch config show`."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("setting")
    table.add_column("value", overflow="fold")
    table.add_column("from")
    for name, value, source in rows:
        style = "dim" if source == "default" else ""
        table.add_row(Text(name), Text(value, style), Text(source, style))
    return table


def simple_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table of texts."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def arrow_table(rows: pa.Table) -> Table:
    """Rows of a question: numbers to the right, nothing interpreted as markup."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for field in rows.schema:
        number = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        table.add_column(Text(field.name), justify="right" if number else "left", overflow="fold")
    for row in rows.to_pylist():
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def _cell(value: object) -> Text:
    if value is None:
        return Text("null", "dim")
    if isinstance(value, float):
        return Text(f"{value:.6g}")
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
    return Text("".join(char if char.isprintable() else " " for char in text))


def plain(value: Any) -> Any:  # noqa: PLR0911 -- one for each type
    """A value as JSON has it: times as text, bytes as hex, no NaN."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case bytes():
            return value.hex()
        case dict():
            return {str(key): plain(one) for key, one in value.items()}
        case list() | tuple():
            return [plain(one) for one in value]
    return value


def write_json(rows: pa.Table, out: IO[str]) -> None:
    """A list of objects."""
    json.dump([plain(row) for row in rows.to_pylist()], out, ensure_ascii=False, indent=2)
    out.write("\n")


def write_csv(rows: pa.Table, out: IO[str]) -> None:
    """A line of names and a line for each row; lists and structures as JSON."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(rows.column_names)
    for row in rows.to_pylist():
        writer.writerow([_csv_cell(value) for value in row.values()])


def _csv_cell(value: object) -> object:
    value = plain(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value


def follow(title: str, steps: Iterable[Copied], *, quiet: bool) -> int:
    """Do the steps of a copy under a progress bar; the bytes that were copied."""
    done = 0
    bar = Progress(
        TextColumn("  {task.description}"), BarColumn(), DownloadColumn(binary_units=True),
        TimeRemainingColumn(), console=console(stderr=True), transient=True, disable=quiet,
    )  # fmt: skip
    with bar:
        task = bar.add_task(title, total=None)
        for step in steps:
            done = step.done
            bar.update(task, completed=step.done, total=step.total)
    return done
