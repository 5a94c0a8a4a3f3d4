"""What a request asks for, on every page: range, zone, filter, sort, selection; and URLs that keep it.

A Context is a value. Pages read it and build their links with `url`; nothing about a view lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from urllib.parse import quote, urlencode

from dashboard.timerange import (
    DEFAULT_FROM,
    DEFAULT_TO,
    SECOND,
    BadTime,
    Range,
    absolute,
    find_zone,
    parse_range,
    shifted,
    spell,
    to_datetime,
    zoomed_out,
)

ACCOUNT = "account"
"""Whose telemetry is shown, `ACCOUNT/REGION`; absent for the default pair."""
KEPT = ("from", "to", "tz", ACCOUNT)
"""Parameters that go along when a link leads to another page."""

DASH = "\N{EN DASH}"
Value = str | int | float | Iterable[str] | None


@dataclass(frozen=True, slots=True)
class Context:
    """args: the URL's parameters in order, without `format`. notes: what of them could not be read."""

    path: str
    args: tuple[tuple[str, str], ...]
    now_ns: int
    range: Range
    zone: tzinfo
    tz: str
    theme: str = ""
    notes: tuple[str, ...] = ()

    @property
    def q(self) -> str:
        return self.get("q")

    @property
    def sort(self) -> str:
        return self.get("sort")

    @property
    def sel(self) -> str:
        return self.get("sel")

    @property
    def start_ns(self) -> int:
        return self.range.start_ns

    @property
    def end_ns(self) -> int:
        return self.range.end_ns

    def get(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.args if key == name), default)

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self.args if key == name)

    def number(self, name: str) -> float | None:
        """A parameter as a finite number, None when absent or unreadable."""
        try:
            value = float(self.get(name))
        except ValueError:
            return None
        return value if abs(value) < float("inf") else None

    def url(self, path: str | None = None, /, **changes: Value) -> str:
        """A link: without `path` to this page with changes, with it to another page in the same range.

        None removes a parameter, a list repeats it; write `from_` for `from`.
        """
        changed = {key.rstrip("_"): value for key, value in changes.items()}
        kept = [(k, v) for k, v in self.args if k not in changed and (path is None or k in KEPT)]
        pairs = kept + [pair for key, value in changed.items() for pair in _pairs(key, value)]
        target = self.path if path is None else path
        if ("from", DEFAULT_FROM) in pairs and ("to", DEFAULT_TO) in pairs:
            pairs = [p for p in pairs if p[0] not in ("from", "to")]
        pairs = [p for p in pairs if p != ("to", DEFAULT_TO)]
        query = f"?{urlencode(pairs, quote_via=quote, safe='/:,')}" if pairs else ""
        return quote(target, safe="/:@+~") + query

    def range_url(self, range_: Range, path: str | None = None, /, **changes: Value) -> str:
        return self.url(path, from_=range_.start.text, to=range_.end.text, **changes)

    def between(self, start_ns: int, end_ns: int, path: str | None = None, /, **changes: Value) -> str:
        """A link to an absolute range, as a click on a bar makes it."""
        return self.range_url(absolute(start_ns, end_ns), path, **changes)

    def permalink(self) -> str:
        """This view with its range made absolute and its zone named."""
        return self.between(self.start_ns, self.end_ns, tz=self.tz)

    def earlier(self) -> str:
        return self.range_url(shifted(self.range, -1, self.now_ns))

    def later(self) -> str:
        return self.range_url(shifted(self.range, 1, self.now_ns))

    def wider(self) -> str:
        return self.range_url(zoomed_out(self.range, self.now_ns))

    def hidden(self, *without: str) -> list[tuple[str, str]]:
        """Parameters for the hidden inputs of a GET form that sets the others."""
        return [(k, v) for k, v in self.args if k not in without]

    def sort_url(self, key: str) -> str:
        """The next step of a column head: descending, ascending, default."""
        step = {f"-{key}": key, key: None}.get(self.sort, f"-{key}")
        return self.url(sort=step, cursor=None)

    def sort_state(self, key: str) -> str:
        """'descending', 'ascending' or ''."""
        return {f"-{key}": "descending", key: "ascending"}.get(self.sort, "")

    @property
    def middle_ns(self) -> int:
        """The middle of the range, to the second."""
        middle = (self.start_ns + self.end_ns) // 2
        return middle - middle % SECOND

    @property
    def zone_name(self) -> str:
        return to_datetime(self.end_ns, self.zone).tzname() or self.tz

    @property
    def range_text(self) -> str:
        """`09:42 - 10:42`, with days when it is not all of today."""
        first, last = to_datetime(self.start_ns, self.zone), to_datetime(self.end_ns, self.zone)
        today = to_datetime(self.now_ns, self.zone).date()
        clock = "%H:%M:%S" if self.range.length_ns < 300_000_000_000 else "%H:%M"
        if first.date() == last.date() == today:
            return f"{first:{clock}} {DASH} {last:{clock}}"
        if first.date() == last.date():
            return f"{first.day} {first:%b} {first:{clock}} {DASH} {last:{clock}}"
        return f"{first.day} {first:%b} {first:{clock}} {DASH} {last.day} {last:%b} {last:{clock}}"

    @property
    def short_length(self) -> str:
        return spell(self.range.length_ns, short=True)


def read_context(
    path: str, args: Iterable[tuple[str, str]], cookies: Mapping[str, str], now_ns: int
) -> Context:
    """The context of a request. What cannot be read falls back to the default and is said in `notes`."""
    pairs = [(k, v) for k, v in args if k not in ("format", "table") and v != ""]
    values = dict(reversed(pairs))
    notes: list[str] = []
    tz, zone = _zone(values.get("tz", ""), cookies.get("tz", ""), notes)
    try:
        range_ = parse_range(values.get("from", ""), values.get("to", ""), now_ns, zone)
    except BadTime as error:
        notes.append(f"{error} Showing the last hour.")
        range_ = parse_range(DEFAULT_FROM, DEFAULT_TO, now_ns, zone)
        pairs = [p for p in pairs if p[0] not in ("from", "to")]
    # `yesterday 14:00` in a link would mean another day tomorrow: links say the moment itself
    fixed = {"from": range_.start.text, "to": range_.end.text}
    theme = cookies.get("theme", "")
    return Context(
        path=path,
        args=tuple((k, fixed.get(k, v)) for k, v in pairs),
        now_ns=now_ns,
        range=range_,
        zone=zone,
        tz=tz,
        theme=theme if theme in ("light", "dark") else "",
        notes=tuple(notes),
    )


def _zone(asked: str, remembered: str, notes: list[str]) -> tuple[str, tzinfo]:
    """The zone of the URL, else of the cookie, else UTC; only what a URL asks for in vain is worth a note."""
    try:
        if asked:
            return asked, find_zone(asked)
    except BadTime as error:
        notes.append(str(error))
        return "UTC", UTC
    try:
        return remembered or "UTC", find_zone(remembered)
    except BadTime:
        return "UTC", UTC


def _pairs(key: str, value: Value) -> list[tuple[str, str]]:
    if value is None or value == "":
        return []
    if isinstance(value, str | int | float):
        return [(key, str(value))]
    return [(key, one) for one in value]
