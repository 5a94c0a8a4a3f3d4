"""Conditions on root causes in a filter: SQL finds the candidates, the causes of each are looked at in
Python.

Each condition becomes the set of traces for which it holds, so that whoever asks for traces gets it. There
are never more than MOST candidates: a question with more is refused and says how to narrow it, as an answer
for some of them would be wrong as soon as anything is negated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from collector.errors import QueryError
from collector.query.filters.causes import holds
from collector.query.filters.tree import (
    And,
    Compare,
    Everything,
    Exists,
    Field,
    Node,
    Not,
    OneOf,
    OneSpan,
    Or,
    RootCause,
    RootCauseJson,
    conjunction,
    conjuncts,
    disjunction,
    walk,
)
from collector.query.xray.root_causes import RootCauses

MOST = 2_000


class TooManyCandidates(QueryError):
    """More traces than MOST would have to be looked at."""


class Candidates(Protocol):
    """Where the traces come from."""

    def causes(self, tree: Node, most: int) -> Mapping[tuple[int, int], RootCauses] | None:
        """The root causes of the traces that match, by the halves of their ids; None for more than `most`."""
        ...


def answer_causes(node: Node, candidates: Candidates) -> Node:
    """The expression with the traces that meet them in the place of conditions on root causes.

    Raises TooManyCandidates.
    """
    asked = [each for each in walk(node) if isinstance(each, RootCause | RootCauseJson)]
    if not asked:
        return node
    others = [each for each in conjuncts(node) if not _asks_causes(each)]
    wanted = conjunction([*others, disjunction(_necessary(each) for each in asked)])
    causes = candidates.causes(wanted, MOST)
    if causes is None:
        raise TooManyCandidates(
            f"More than {MOST:,} traces would have to be looked at for their root causes: narrow the time"
            ' range, or add a condition such as service("…") or responsetime > 1.'
        )
    return _replaced(node, causes)


def _asks_causes(node: Node) -> bool:
    return any(isinstance(each, RootCause | RootCauseJson) for each in walk(node))


def _necessary(node: RootCause | RootCauseJson) -> Node:
    """What has to hold for a trace to meet it, as SQL can tell: a request that failed like that."""
    if isinstance(node, RootCauseJson):
        return Everything()
    if node.cause == "responsetime":
        return Exists(Field("keyword", "responsetime"))
    failed: list[Node] = [Compare(Field("keyword", node.cause), "=", value=True)]
    if node.cause == "error":  # of a request with several flags the outcome is the gravest
        told = ("aws.xray.error", "aws.xray.throttle")
        failed += [Compare(Field("attribute", key), "=", value=True) for key in told]
    return OneSpan("", disjunction(failed))


def _replaced(node: Node, causes: Mapping[tuple[int, int], RootCauses]) -> Node:
    match node:
        case RootCause() | RootCauseJson():
            return OneOf(tuple(sorted(key for key, each in causes.items() if holds(node, each))))
        case Not(item):
            return Not(_replaced(item, causes))
        case And(items):
            return conjunction(_replaced(item, causes) for item in items)
        case Or(items):
            return disjunction(_replaced(item, causes) for item in items)
        case _:
            return node
