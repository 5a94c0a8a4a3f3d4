"""The engine of insights: plain-text cases, and the laws that hold for any windows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alarms.insights import CLOSE_AFTER, step
from alarms.insights_baseline import DAY, HOUR, WINDOW, Sample, forecast, learn
from alarms.insights_graph import components, root_cause
from alarms.insights_model import Counts, Insight, Node, Step, Window
from tests.insight_cases import DAY_NS, read, run

CASES = sorted((Path(__file__).parents[1] / "cases" / "insights").glob("*.txt"))
A, B, C = (Node(name, "service") for name in "abc")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_case_says_what_its_file_says(path: Path) -> None:
    case = read(path)
    assert case.expected, "a case without expectations says nothing"
    assert run(case) == case.expected


def test_the_cases_are_there() -> None:
    assert len(CASES) >= 8


# -- baseline


def samples(*shares: float, start: int = DAY_NS, requests: int = 100) -> list[Sample]:
    return [Sample(start + i * WINDOW, requests, round(s * requests)) for i, s in enumerate(shares)]


def test_nothing_is_usual_before_an_hour_is_known() -> None:
    assert learn(samples(*[0.1] * 11), DAY_NS + DAY) is None
    assert learn(samples(*[0.1] * 12), DAY_NS + DAY) is not None
    assert forecast(samples(*[0.1] * 11), DAY_NS + DAY) is None


def test_only_the_past_counts() -> None:
    early = samples(*[0.02] * 20)
    late = samples(*[0.9] * 20, start=DAY_NS + DAY)
    assert learn([*early, *late], DAY_NS + 20 * WINDOW) == learn(early, DAY_NS + 20 * WINDOW)


def test_what_happens_every_night_is_usual_at_night_and_not_at_noon() -> None:
    """The job at 02:00 fails a third of its requests; the rest of the day next to nothing fails."""
    days = [
        Sample(DAY_NS + i * WINDOW, 100, 33 if (i * WINDOW) % DAY // HOUR in (1, 2) else 0)
        for i in range(7 * DAY // WINDOW)
    ]
    night, noon = DAY_NS + 7 * DAY + 2 * HOUR, DAY_NS + 7 * DAY + 12 * HOUR
    at_night, at_noon = learn(days, night), learn(days, noon)
    assert at_night is not None
    assert at_noon is not None
    assert not at_night.is_high(100, 36)
    assert at_noon.is_high(100, 36)


def test_the_windows_of_an_anomaly_are_not_usual_until_a_day_has_passed() -> None:
    calm = samples(*[0.0] * 24)
    odd = [
        Sample(s.start_ns, s.requests, s.faults, odd=True)
        for s in samples(*[0.5] * 24, start=DAY_NS + 2 * HOUR)
    ]
    soon, later = DAY_NS + 4 * HOUR, DAY_NS + 4 * HOUR + DAY
    early, late = learn([*calm, *odd], soon), learn([*calm, *odd], later)
    assert early is not None
    assert early.rate == 0
    assert late is not None
    assert late.rate > 0.2


def test_the_forecast_is_in_whole_faults_and_grows_with_the_requests() -> None:
    known = samples(*[0.1, 0.12, 0.08, 0.1] * 6)
    at = DAY_NS + DAY
    usual = forecast(known, at)
    assert usual is not None
    assert usual[0] <= 10 <= usual[1]
    assert forecast(known, at, 0) == (0, 0)
    wide = forecast(known, at, 1000)
    assert wide is not None
    assert wide[1] > usual[1]


counted = st.integers(0, 500).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n)))


@given(st.lists(counted, min_size=12, max_size=80), st.integers(0, 10_000))
def test_a_band_holds_what_is_expected_and_no_more_than_there_can_be(
    counts: list[tuple[int, int]], requests: int
) -> None:
    history = [Sample(DAY_NS + i * WINDOW, n, f) for i, (n, f) in enumerate(counts)]
    usual = learn(history, DAY_NS + len(history) * WINDOW)
    if usual is None:
        assert sum(n > 0 for n, _ in counts) < 12
        return
    low, high = usual.band(requests)
    assert 0 <= low <= requests * usual.rate + 1e-9
    assert requests * usual.rate <= high + 1e-9 <= requests + 1e-6
    assert 0 <= usual.rate <= 1
    assert not usual.is_high(requests, 0)


# -- the graph


nodes = st.integers(0, 7).map(lambda n: Node(f"n{n}", "service"))
edges = st.frozensets(st.tuples(nodes, nodes), max_size=20)


@given(st.frozensets(nodes, min_size=1), edges)
def test_parts_are_apart_and_each_has_a_cause_from_which_nothing_deeper_is_reached(
    odd: frozenset[Node], calls: frozenset[tuple[Node, Node]]
) -> None:
    parts = components(odd, calls)
    assert sorted(n for part in parts for n in part) == sorted(odd)
    for part in parts:
        root = root_cause(part, calls, {})
        assert root in part
        for a, b in calls:
            if a == root and b in part and b != root:  # only within a ring
                ring, waiting = {b}, [b]
                while waiting:
                    at = waiting.pop()
                    for x, y in calls:
                        if x == at and y in part and y not in ring:
                            ring.add(y)
                            waiting.append(y)
                assert root in ring


# -- any run


@st.composite
def runs(draw: st.DrawFn) -> list[Window]:
    """Windows in which some of three services, a -> b -> c, fail at random."""
    out = []
    for i in range(draw(st.integers(14, 40))):
        counts = {n: Counts(100, draw(st.sampled_from([0, 1, 40])) if i >= 12 else 1) for n in (A, B, C)}
        calls = {(Node("a", "client"), A): counts[A], (A, B): counts[B], (B, C): counts[C]}
        out.append(Window(DAY_NS + i * WINDOW, counts, calls))
    return out


def follow(windows: list[Window]) -> list[Step]:
    past: list[Window] = []
    active: list[Insight] = []
    steps = []
    for window in windows:
        done = step("law", past, active, window)
        steps.append(done)
        past.append(done.window)
        active = [each for each in done.insights if each.end_ns is None]
    return steps


@given(runs())
def test_laws_of_insights(windows: list[Window]) -> None:
    steps = follow(windows)
    opened: set[str] = set()
    ended: set[str] = set()
    for number, done in enumerate(steps):
        alive = [each for each in done.insights if each.end_ns is None]
        together = [node for each in alive for node in each.open]
        assert len(together) == len(set(together)), "no node is in two insights"
        for each in done.insights:
            assert each.root in each.affected
            assert set(each.open) <= set(each.affected)
            assert 0 <= each.cause.faults <= each.cause.requests
            assert each.id not in ended, "what ended stays ended"
        told = [event.insight.id for event in done.events]
        assert len(told) == len(set(told)), "one event of an insight a window"
        opened |= {event.insight.id for event in done.events if event.kind == "opened"}
        ended |= {each.id for each in done.insights if each.end_ns is not None}
        assert {each.id for each in done.insights} <= opened
        for event in done.events:
            if event.kind == "closed":
                last = steps[number - CLOSE_AFTER + 1 : number + 1]
                assert all(event.insight.root not in one.window.high for one in last)


@given(runs())
def test_the_same_windows_make_the_same_insights(windows: list[Window]) -> None:
    assert follow(windows) == follow(windows)
