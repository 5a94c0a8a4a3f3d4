"""Answers as JSON and CSV: what a program or a spreadsheet gets."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import QueryError
from dashboard.answers import csv_lines, defuse, file_name, problem_of, to_json
from dashboard.context import read_context

NOW = 1_795_430_520 * 10**9


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=SUM(A1)", "'=SUM(A1)"),
        ("+1+1", "'+1+1"),
        ("@cmd", "'@cmd"),
        ("-2+3", "'-2+3"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("-2.5", "-2.5"),
        ("+1e3", "+1e3"),
        ("GET /", "GET /"),
        (None, ""),
        (-3, -3),
        (1.5, 1.5),
    ],
)
def test_cells_a_spreadsheet_would_run_are_defused(cell: object, shown: object) -> None:
    assert defuse(cell) == shown


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8")), min_size=2, max_size=2), max_size=20))
def test_csv_reads_back_as_it_was_written(rows: list[list[str]]) -> None:
    text = "".join(csv_lines(("a", "b"), rows))
    back = list(csv.reader(io.StringIO(text, newline="")))
    assert back == [["a", "b"], *[[str(defuse(c)) for c in row] for row in rows]]


def test_csv_comes_in_pieces() -> None:
    assert len(list(csv_lines(("n",), ([i] for i in range(1200))))) == 3


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    count: int


def test_json_knows_our_values_and_nothing_else() -> None:
    data = json.loads(to_json({"row": Row("a", 2**63), "set": {"b", "a"}, "bytes": b"\x01", 1: (1, 2)}))
    assert data == {"row": {"name": "a", "count": 2**63}, "set": ["a", "b"], "bytes": "01", "1": [1, 2]}
    with pytest.raises(TypeError):
        to_json(object())


def test_file_names_say_what_is_in_them() -> None:
    ctx = read_context("/traces", [("q", 'service("payments") AND x = "../../etc"')], {}, NOW)
    assert file_name("traces", ctx, "csv") == "traces_service_payments_AND_x_etc_20261123T0942Z.csv"


def test_a_problem_offers_the_text_put_right() -> None:
    ctx = read_context("/logs", [("q", "levl = ERROR")], {}, NOW)
    found = problem_of(ctx, QueryError("No field named levl.", line=1, column=1, end=5, suggestion="level"))
    assert found.fix == "/logs?q=level%20%3D%20ERROR"
    assert problem_of(ctx, QueryError("Too long.")).fix == ""
