"""The verdict: what is told of series of figures, and what is not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from collector.query.model_traces import Counts, Deployment, Series, ServiceRow, Verdict
from collector.query.verdict import best_cut, verdict

MINUTE = 60_000_000_000
MS = 1_000_000


def service(
    name: str, faults: Sequence[int], requests: int = 100, p95: Sequence[int | None] | int = 20 * MS
) -> ServiceRow:
    """A service with a number of faults per minute."""
    steps = len(faults)
    slow = tuple([p95] * steps if isinstance(p95, int) else p95)
    ok = tuple(requests - fault for fault in faults)
    none = (0,) * steps
    series = Series(
        MINUTE, tuple(at * MINUTE for at in range(steps)), ok, none, none, tuple(faults), slow, slow, slow
    )
    counts = Counts(sum(ok), 0, 0, sum(faults), sum(ok) + sum(faults))
    return ServiceRow(
        name, (), (), (), (), 1, counts, 1.0, counts.fault / counts.total, 0.0, None, None, None, series, 0
    )


def told(*rows: ServiceRow, before: dict[str, Counts] | None = None, **more: object) -> Verdict:
    return verdict(rows, before or {}, more.get("calls", ()), more.get("deployments", ()))  # type: ignore[arg-type]


QUIET = [0] * 60


def test_nothing_at_all_and_nothing_wrong() -> None:
    assert told() == Verdict("empty")
    assert told(service("web", QUIET), service("pay", QUIET)) == Verdict("calm", services=2)


def test_a_service_that_began_to_fail() -> None:
    found = told(service("web", QUIET), service("pay", [0] * 40 + [5] * 20))
    assert (found.state, found.service, found.since_ns) == ("failing", "pay", 40 * MINUTE)
    assert (found.before, found.after) == (0.0, 0.05)


@pytest.mark.parametrize(
    "faults",
    [
        [0] * 20 + [20] * 20 + [0] * 20,  # over again
        [0] * 59 + [1],  # one fault
        [1] * 60,  # always one percent
        [0, 1] * 30,
    ],
)
def test_what_is_not_worth_a_word(faults: list[int]) -> None:
    assert told(service("pay", faults)).state == "calm"


def test_what_fails_all_the_time() -> None:
    found = told(service("pay", [10] * 60), before={"pay": Counts(900, 0, 0, 100, 1000)})
    assert (found.state, found.since_ns) == ("failing", None)
    assert found.before == pytest.approx(0.1)


def test_what_fails_since_before_the_range_and_did_not_once() -> None:
    found = told(service("pay", [3] * 60), before={"pay": Counts(6000, 0, 0, 0, 6000)})
    assert (found.state, found.since_ns, found.before, found.after) == ("failing", None, 0.0, 0.03)
    assert told(service("pay", [3] * 60), before={"pay": Counts(5820, 0, 0, 180, 6000)}).state == "calm"


def test_it_comes_from_the_one_that_calls_no_other_failing_one() -> None:
    failing = [0] * 40 + [10] * 20
    rows = (
        service("web", [0] * 40 + [30] * 20),
        service("pay", failing),
        service("bank", [0] * 40 + [4] * 20),
    )
    calls = [("web", "pay"), ("pay", "bank"), ("web", "stock")]
    found = told(*rows, calls=calls)
    assert (found.service, found.others) == ("bank", ("pay", "web"))
    ring = told(*rows, calls=[*calls, ("bank", "web")])
    assert ring.service == "web"


def test_the_last_deployment_before_it() -> None:
    deployments = [
        Deployment("pay", "1", "0", 10 * MINUTE),
        Deployment("web", "9", "8", 38 * MINUTE),
        Deployment("pay", "2", "1", 37 * MINUTE),
        Deployment("pay", "3", "2", 50 * MINUTE),
    ]
    rows = (service("pay", [0] * 40 + [10] * 20),)
    assert told(*rows, deployments=deployments).change == deployments[2]
    assert told(*rows, deployments=deployments[1:2]).change == deployments[1]
    assert told(*rows, deployments=deployments[3:]).change is None


def test_a_service_that_became_slow() -> None:
    chance = random.Random(5)
    p95 = [round(20 * MS * chance.uniform(0.9, 1.1)) for _ in range(30)]
    p95 += [round(60 * MS * chance.uniform(0.9, 1.1)) for _ in range(30)]
    found = told(service("web", QUIET), service("pay", QUIET, p95=p95))
    assert (found.state, found.service, found.since_ns) == ("slow", "pay", 30 * MINUTE)
    assert found.before == pytest.approx(20 * MS, rel=0.05)
    assert found.after == pytest.approx(60 * MS, rel=0.05)


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_news(seed: int) -> None:
    chance = random.Random(seed)
    faults = [chance.choice([0, 0, 0, 1]) for _ in range(60)]
    p95 = [round(20 * MS * chance.lognormvariate(0, 0.4)) for _ in range(60)]
    assert told(service("pay", faults, requests=200, p95=p95)).state == "calm"


def test_gaps_in_the_traffic_are_no_change() -> None:
    p95: list[int | None] = [20 * MS if at % 3 else None for at in range(60)]
    assert told(service("pay", QUIET, p95=p95)).state == "calm"


@pytest.mark.parametrize(
    ("faults", "totals", "cut"),
    [
        ([0, 0, 5, 5], [10] * 4, 2),
        ([5, 5, 5, 0], [10] * 4, 3),
        ([0] * 4, [10] * 4, 0),
        ([], [], 0),
        ([1], [1], 0),
    ],
)
def test_the_cut_that_tells_most(faults: list[int], totals: list[int], cut: int) -> None:
    assert best_cut(faults, totals)[0] == cut
