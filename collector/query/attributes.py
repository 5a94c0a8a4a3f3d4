"""Attribute keys and values that were seen, and completion for the expression bar of traces and logs."""

from __future__ import annotations

from collector.batch import Signal
from collector.query.model_traces import AttributeKey, AttributeValue, Completion
from collector.query.reader import Reader


def attribute_keys(
    store: Reader,
    signal: Signal,
    *,
    prefix: str = "",
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int = 50,
    tenant: int = 0,
    deadline: float = 5.0,
) -> tuple[AttributeKey, ...]:
    """Keys that begin with the prefix (or hold it, after those), most frequent first."""
    raise NotImplementedError


def attribute_values(
    store: Reader,
    signal: Signal,
    field: str,
    *,
    start_ns: int,
    end_ns: int,
    prefix: str = "",
    limit: int = 50,
    tenant: int = 0,
    deadline: float = 5.0,
) -> tuple[AttributeValue, ...]:
    """Values of a field with how many spans or records have them, most frequent first.

    field: as it is written in an expression (a keyword, an attribute, attr["key"], resource["key"]).
    """
    raise NotImplementedError


def complete(
    store: Reader,
    lang: str,
    text: str,
    position: int,
    *,
    start_ns: int,
    end_ns: int,
    tenant: int = 0,
    limit: int = 8,
    deadline: float = 2.0,
) -> Completion:
    """What may stand at a position (0-based, between characters) of an expression: lang is 'traces' or
    'logs'.

    Never raises for a text that cannot be read; answers nothing then.
    """
    raise NotImplementedError
