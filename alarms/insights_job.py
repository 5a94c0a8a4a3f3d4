"""The job that finds insights: counts what has not been counted, judges it, keeps both, tells of changes.

Handed the store and the control database, run every minute. Only groups with insights enabled cost anything;
a run ends when its time is used up, and the next one goes on where it stopped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import dropwhile

from alarms.insights import step
from alarms.insights_baseline import DAY, HOUR, WINDOW
from alarms.insights_keep import (
    Scope,
    event_row,
    insight_row,
    read_insight,
    read_window,
    window_row,
)
from alarms.insights_model import Counts, Event, Insight, Node, Window
from collector.errors import QueryError
from collector.query.insight_counts import Counted, count_matching, count_windows, identify, nothing_in
from collector.query.matching import within
from collector.query.reader import Watched
from collector.query.xray.nodes import ServiceId, service_id
from collector.storage.control import Control
from collector.storage.control_insights import Insights
from collector.storage.control_xray import Group, Groups

GRACE_NS = 60 * 1_000_000_000
"""How long after its end a window is counted: what comes later is not judged any more."""
HISTORY = 7 * DAY
"""What a baseline looks back on."""
LOOKED_BACK = 2 * HOUR
"""How much of the past is counted when insights are turned on for a group with an expression."""
JUDGED = HOUR
"""How much of it is judged: what is over need not be told."""
KEPT = 30 * DAY
"""How long an insight can be read after its end."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Followed:
    """What is known of a group from one run to the next. past: its windows, oldest first."""

    group: Group
    past: list[Window] = field(default_factory=list)


class InsightsJob:
    """One object for the life of the program; called from one thread at a time.

    seconds: how long a run may go on beginning work. deadline: of one question.
    """

    def __init__(
        self,
        store: Watched,
        control: Control,
        *,
        seconds: float = 20.0,
        deadline: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._control = control
        self._insights = Insights(control)
        self._groups = Groups(control)
        self._seconds, self._deadline, self._clock = seconds, deadline, clock
        self._followed: dict[tuple[int, str], _Followed] = {}
        self._forgot_ns = 0

    def run(self, now_ns: int) -> int:
        """Count, judge and keep every window that is due; how many that were."""
        until = self._clock() + self._seconds
        watched = self._groups.watched()
        self._end_others(watched, now_ns)
        done = 0
        for group in watched:
            if self._clock() >= until:
                break
            try:
                done += self._follow(self._scope(group), now_ns, until)
            except QueryError as error:
                log.warning("insights of group %r are not looked for: %s", group.name, error)
        if now_ns - self._forgot_ns >= HOUR:
            self._insights.forget(windows_before_ns=now_ns - HISTORY - DAY, insights_before_ns=now_ns - KEPT)
            self._forgot_ns = now_ns
        return done

    # -- one group

    def _follow(self, scope: Scope, now_ns: int, until: float) -> int:
        """Bring a group up to now; how many windows that took."""
        group, followed = scope.group, self._known(scope.group, now_ns)
        end = (now_ns - GRACE_NS) // WINDOW * WINDOW
        resumed, done = bool(followed.past), 0
        for counted in self._due(followed, end):
            windows = [_window(each) for each in counted]
            if not followed.past:  # nothing had arrived yet
                windows = list(dropwhile(lambda window: not window.nodes, windows))
            known = [] if resumed else [w for w in windows if w.end_ns <= end - JUDGED]
            if known:
                self._insights.record(group.tenant, group.name, map(window_row, known))
                followed.past += known
            for window in windows[len(known) :]:
                followed.past.append(self._judge(scope, followed.past, window))
                if self._clock() >= until:
                    break
            done += len(windows)
            if self._clock() >= until:
                break
        return done

    def _known(self, group: Group, now_ns: int) -> _Followed:
        """What was counted for the group, anew when its expression is another one."""
        key = (group.tenant, group.name)
        known = self._followed.get(key)
        oldest, since = now_ns - HISTORY, self._calls_since(group, now_ns)
        if known is None or known.group.id != group.id or known.group.modified_ns != group.modified_ns:
            rows = self._insights.windows(*key, oldest)
            known = self._followed[key] = _Followed(
                group, [read_window(row, calls=row.start_ns >= since) for row in rows]
            )
        known.past = [
            replace(w, edges={}) if w.edges and w.start_ns < since else w
            for w in known.past
            if w.start_ns >= oldest
        ]
        return known

    def _calls_since(self, group: Group, now_ns: int) -> int:
        """From when on calls are needed: since the oldest open insight, for the last hour in any case."""
        rows = self._insights.find(group.tenant, group=group.name, states=["ACTIVE"])
        return min([now_ns - HOUR, *(row.start_ns for row in rows)])

    def _due(self, followed: _Followed, end_ns: int) -> Iterator[list[Counted]]:
        """Every window that is over and has not been counted, some at a time, oldest first."""
        group, past = followed.group, followed.past
        back = LOOKED_BACK if group.filter else HISTORY
        start = max(past[-1].end_ns, end_ns - HISTORY) if past else end_ns - back
        while start < end_ns:
            reach = start + WINDOW if group.filter else min(start + DAY, end_ns)
            around = within(start, reach)
            if not self._store.may_hold("traces", around["before_ns"], around["reach_ns"]):
                yield nothing_in(start, reach, window_ns=WINDOW)
            elif group.filter:
                yield [
                    count_matching(
                        self._store, group.filter, start, reach, tenant=group.tenant, deadline=self._deadline
                    )
                ]
            else:
                yield count_windows(
                    self._store, start, reach, window_ns=WINDOW, tenant=group.tenant, deadline=self._deadline
                )
            start = reach

    def _judge(self, scope: Scope, past: Sequence[Window], window: Window) -> Window:
        """Judge a window and keep it with what was found, in one transaction."""
        group = scope.group
        rows = self._insights.find(group.tenant, group=group.name, states=["ACTIVE"])
        done = step(f"{group.tenant}/{group.id}", past, [read_insight(row) for row in rows], window)
        who = self._who(group.tenant, done.insights, window.end_ns)
        self._insights.record(
            group.tenant,
            group.name,
            [window_row(done.window)],
            [insight_row(each, scope, who) for each in done.insights],
            [event_row(each, scope, who) for each in done.events],
        )
        _log(scope, done.events)
        return done.window

    def _who(self, tenant: int, insights: Iterable[Insight], end_ns: int) -> Callable[[Node], ServiceId]:
        """X-Ray's identities of the nodes of insights."""
        nodes = {node for each in insights for node in (each.root, *each.affected)}
        known: dict[tuple[str, str], ServiceId] = {}
        if nodes:
            known = identify(
                self._store, sorted(nodes), end_ns - WINDOW, end_ns, tenant=tenant, deadline=self._deadline
            )
        return lambda node: known.get(node) or service_id(node.name)

    # -- groups that are not watched any more

    def _end_others(self, watched: Sequence[Group], now_ns: int) -> None:
        """Close what is open of groups that are gone or have insights turned off."""
        alive = {(group.tenant, group.name): group for group in watched}
        for row in self._insights.active():
            if (row.tenant, row.group) in alive:
                continue
            group = self._groups.get(row.group, row.tenant) or Group(row.tenant, row.group, "")
            insight = replace(read_insight(row), open=(), end_ns=now_ns, updated_ns=now_ns)
            scope, event = self._scope(group), Event("closed", now_ns, insight)
            who = self._who(row.tenant, [insight], now_ns)
            self._insights.record(
                row.tenant, row.group, [], [insight_row(insight, scope, who)], [event_row(event, scope, who)]
            )
            _log(scope, [event])
        self._followed = {key: known for key, known in self._followed.items() if key in alive}

    def _scope(self, group: Group) -> Scope:
        owner = next(tenant for tenant in self._control.find_tenants() if tenant.id == group.tenant)
        return Scope(group, owner.account, owner.region, group.arn(owner))


def _window(counted: Counted) -> Window:
    return Window(
        counted.start_ns,
        {Node(*key): Counts(*count) for key, count in counted.nodes.items()},
        {(Node(*a), Node(*b)): Counts(*count) for (a, b), count in counted.calls.items()},
    )


def _log(scope: Scope, events: Iterable[Event]) -> None:
    for event in events:
        log.info(
            "insight %s of group %r: %s, cause %r",
            event.insight.id,
            scope.group.name,
            event.kind,
            event.insight.root.name,
        )
