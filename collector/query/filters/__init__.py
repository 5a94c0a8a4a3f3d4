"""The filter language: text -> tree -> canonical text, SQL predicate, suggestions for completion.

    tree = parse('gateway AND level in (ERROR, WARN) AND order = 84217', LOGS)
    places = find_places(store, "logs", keys_of(tree, LOG_ROWS), start_ns=…, end_ns=…)  # where the keys are
    predicate = compile_rows(tree, LOG_ROWS, places)   # .sql for the marked place, .params to bind

Errors are QueryError with line, column, end, message and suggestion.
"""

from collector.query.filters.canonical import canonical
from collector.query.filters.language import LOGS, TRACES, Keyword, Language
from collector.query.filters.parser import parse
from collector.query.filters.places import find_places
from collector.query.filters.predicate import Places, Predicate
from collector.query.filters.rows import LOG_ROWS, Rows, compile_rows, keys_of
from collector.query.filters.tree import Node, conjunction, conjuncts

__all__ = [
    "LOGS",
    "LOG_ROWS",
    "TRACES",
    "Keyword",
    "Language",
    "Node",
    "Places",
    "Predicate",
    "Rows",
    "canonical",
    "compile_rows",
    "conjunction",
    "conjuncts",
    "find_places",
    "keys_of",
    "parse",
]
