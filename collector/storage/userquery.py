"""SQL that a person wrote: one statement that reads, over all signals, bounded in time, rows and bytes.

The statement is taken apart by DuckDB's own parser and may name our tables, its own WITH parts and a list of
harmless table functions; nothing else of the instance can be reached by it.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from collector.batch import SIGNALS, Signal
from collector.errors import DeadlineExceeded, QueryError
from collector.storage.engine import Connection
from collector.storage.reads import Choice, Deadlines, limited, set_marks, tables_of, view_sql

TRUNCATED = {b"truncated": b"true"}
"""Metadata of a result that was cut at its bound of rows or bytes."""

_MAX_BYTES = 64 << 20
_MAX_TEXT = 100_000
_TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "json_each", "json_tree", "repeat", "generate_subscripts"}
)
_REFUSED_FUNCTIONS = frozenset(
    {
        "write_log", "nextval", "setval", "setseed", "current_setting",
        # These make a value of any size out of a number, past every limit of memory.
        "repeat", "range", "generate_series", "list_resize", "array_resize", "bitstring", "lpad", "rpad",
    }
)  # fmt: skip
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?", re.IGNORECASE)
_NEAR = re.compile(r'(?:Candidate bindings: |Did you mean )"([^"]+)"')
_NAMED = re.compile(r'"([^"]+)" not found|[Nn]ame (\w+) does not exist')
_CARET = re.compile(r"^LINE (\d+): (.*)\n( *)\^", re.MULTILINE)

UNIQUE: dict[str, Signal] = {
    table: signal
    for signal in SIGNALS
    for table in tables_of(signal)
    if sum(table in tables_of(other) for other in SIGNALS) == 1
}
"""Tables that can be named without their signal."""


def check(con: Connection, sql: str) -> str:
    """The statement, without a trailing semicolon. Raises QueryError for what is not one plain read."""
    if len(sql) > _MAX_TEXT:
        raise QueryError(f"a statement is at most {_MAX_TEXT} characters long")
    try:
        statements = con.extract_statements(sql)
    except duckdb.Error as error:
        raise located(error, sql) from error
    if len(statements) != 1:
        raise QueryError(f"write exactly one statement, not {len(statements)}")
    explained = _EXPLAIN.match(sql)
    query = sql[explained.end() :] if explained else sql
    kind = statements[0].type
    if kind not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise QueryError(
            "only SELECT, WITH, FROM, EXPLAIN, SHOW and DESCRIBE are allowed: the data is read only"
        )
    tree = json.loads(con.execute("SELECT json_serialize_sql($sql)", {"sql": query}).fetchall()[0][0])
    if tree["error"]:
        raise QueryError(f"only a SELECT can be read here: {tree['error_message']}")
    _check_names(tree)
    return sql.strip().rstrip(";")


def _check_names(tree: Mapping[str, Any]) -> None:
    nodes = list(_nodes(tree))
    parts = {entry["key"].lower() for node in nodes if "cte_map" in node for entry in node["cte_map"]["map"]}
    if any(not re.fullmatch(r"\w+", name) for name in parts):
        raise QueryError("the name of a WITH part is made of letters, digits and _")
    sources = {id(node["function"]) for node in nodes if node.get("type") == "TABLE_FUNCTION"}
    for node in nodes:
        kind = node.get("type")
        if kind == "BASE_TABLE":
            _check_table(node, parts)
        elif kind == "TABLE_FUNCTION":
            name = node["function"]["function_name"]
            if name not in _TABLE_FUNCTIONS:
                raise QueryError(f"the table function {name} is not available here")
        elif node.get("function_name") in _REFUSED_FUNCTIONS and id(node) not in sources:
            raise QueryError(f"the function {node['function_name']} is not available here")


def _check_table(node: Mapping[str, Any], parts: set[str]) -> None:
    catalog, schema, name = (node[key].lower() for key in ("catalog_name", "schema_name", "table_name"))
    if not catalog and not schema and (name in parts or name in UNIQUE):
        return
    if not catalog and schema in SIGNALS and name in tables_of(schema):
        return
    homes = [f"{signal}.{name}" for signal in SIGNALS if name in tables_of(signal)]
    written = ".".join(part for part in (catalog, schema, name) if part)
    if homes:
        raise QueryError(f"{written} is not one table", suggestion=" or ".join(homes))
    raise QueryError(f"there is no table {written}", suggestion="SHOW TABLES lists them")


def _nodes(tree: object) -> Iterator[Mapping[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def located(error: BaseException, sql: str) -> QueryError:
    """DuckDB's error, with the place in the statement that it points at or names."""
    text = str(error)
    message = text.partition("\n")[0].partition(" Error: ")[2] or text
    near = _NEAR.search(text)
    suggestion = near[1] if near else ""
    caret = _CARET.search(text)
    if caret and not caret[2].startswith("..."):
        line = int(caret[1])
        column = len(caret[3]) - len(f"LINE {line}: ") + 1
        end = column + max(1, text.count("^", caret.end() - 1))
        return QueryError(message, line=line, column=column, end=end, suggestion=suggestion)
    named = _NAMED.search(message)
    word = re.search(rf"\b{re.escape(named[1] or named[2])}\b", sql, re.IGNORECASE) if named else None
    if word is None:
        return QueryError(message, suggestion=suggestion)
    before = sql[: word.start()]
    column = len(before) - before.rfind("\n")
    return QueryError(
        message,
        line=before.count("\n") + 1,
        column=column,
        end=column + len(word[0]),
        suggestion=suggestion,
    )


def show(con: Connection, alias: str, choices: Mapping[Signal, Choice]) -> None:
    """Make the tables of all signals visible in the in-memory database `alias`; use it."""
    con.execute(f"USE {alias}")
    for signal, choice in choices.items():
        set_marks(con, choice)
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {signal}")
        for table in tables_of(signal):
            con.execute(
                f"CREATE OR REPLACE VIEW {signal}.{table} AS {view_sql(signal, table, choice.sources)}"
            )
            if table in UNIQUE:
                con.execute(f"CREATE OR REPLACE VIEW main.{table} AS FROM {signal}.{table}")


def listing() -> pa.Table:
    """What SHOW TABLES answers."""
    rows = [(signal, table, table in UNIQUE) for signal in SIGNALS for table in tables_of(signal)]
    return pa.table(
        {
            "signal": [row[0] for row in rows],
            "table": [f"{row[0]}.{row[1]}" for row in rows],
            "short": [row[1] if row[2] else "" for row in rows],
        }
    )


def is_show_tables(sql: str) -> bool:
    """Whether the statement asks for the list of tables."""
    return re.fullmatch(r"\s*SHOW\s+(ALL\s+)?TABLES\s*;?\s*", sql, re.IGNORECASE) is not None


def run(con: Connection, sql: str, max_rows: int) -> pa.Table:
    """Run a checked statement, and stop reading at the bounds."""
    if _EXPLAIN.match(sql):
        plans = con.execute(sql).fetchall()
        return pa.table({"plan": [str(row[-1]) for row in plans]})
    reader = con.sql(sql).to_arrow_reader(2048)
    batches: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in reader:
        batches.append(batch.slice(0, max_rows - rows))
        rows += batch.num_rows
        size += batch.nbytes
        if rows > max_rows or size > _MAX_BYTES:
            return pa.Table.from_batches(batches, reader.schema).replace_schema_metadata(TRUNCATED)
    return pa.Table.from_batches(batches, reader.schema)


class Desk:
    """Runs the statements, one at a time, on a cursor of its own."""

    def __init__(self, con: Connection, query_memory: int, deadlines: Deadlines) -> None:
        self._con = con
        self._deadlines = deadlines
        self._turn = threading.Lock()
        self._alias = "sql"
        self._con.execute(f"ATTACH ':memory:' AS {self._alias}")
        self._con.execute(f"SET SESSION operator_memory_limit = '{query_memory}B'")

    def answer(self, choices: Mapping[Signal, Choice], sql: str, max_rows: int, deadline: float) -> pa.Table:
        """Check and run one statement. Raises QueryError, DeadlineExceeded."""
        until = time.monotonic() + deadline
        if not self._turn.acquire(timeout=max(deadline, 0)):
            raise DeadlineExceeded(f"other statements took longer than {deadline:g} s")
        try:
            if is_show_tables(sql):
                return listing()
            statement = check(self._con, sql)
            with limited(self._deadlines, self._con, until, deadline):
                show(self._con, self._alias, choices)
                return run(self._con, statement, max_rows)
        except (duckdb.Error, pa.ArrowException) as error:
            raise located(error, sql) from error
        finally:
            self._turn.release()

    def close(self) -> None:
        """Let the cursor go, once no statement runs."""
        with self._turn:
            self._con.close()
