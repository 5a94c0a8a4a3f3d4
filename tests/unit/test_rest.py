"""Memory is given back when nothing is heard, and only when it is worth it."""

from __future__ import annotations

from dataclasses import dataclass, field

from collector.accounting import Accounting, Source
from raywatch.rest import WORTH, Rest, heard


@dataclass
class Process:
    """Memory that grows when something happens and of which a part is in use."""

    requests: int = 0
    resident: int = 10 * WORTH
    used: int = 9 * WORTH
    releases: list[int] = field(default_factory=list)
    purged: list[bool] = field(default_factory=list)

    def release(self) -> None:
        self.releases.append(self.resident)
        self.resident = self.used

    def purge(self, *, on: bool) -> None:
        self.purged.append(on)

    def rest(self) -> Rest:
        return Rest(lambda: self.requests, lambda: self.resident, self.release, self.purge)


def test_what_is_quiet_gives_back_and_again_when_the_store_has() -> None:
    process = Process()
    rest = process.rest()
    assert [rest.run() for _ in range(4)] == [True, True, False, False]
    process.resident += WORTH - 1
    assert not rest.run()
    process.resident += 1
    assert rest.run()
    assert process.releases == [10 * WORTH, 9 * WORTH, 10 * WORTH]


def test_nothing_is_given_back_while_something_is_heard() -> None:
    process = Process()
    rest = process.rest()
    for _ in range(3):
        process.requests += 1
        assert not rest.run()
    assert rest.run(), "and then at the first run in which nothing was"


def test_the_store_gives_back_from_one_run_to_the_next() -> None:
    process = Process()
    rest = process.rest()
    for requests in (0, 0, 3, 3):
        process.requests = requests
        rest.run()
    assert process.purged == [True, False]
    process.resident += WORTH
    rest.run()
    process.requests = 4
    rest.run()
    assert process.purged == [True, False, True, False], "also when something is heard again"


def test_memory_that_went_back_by_itself_is_noticed() -> None:
    process = Process()
    rest = process.rest()
    assert [rest.run() for _ in range(3)] == [True, True, False]
    process.resident = process.used = 2 * WORTH
    assert not rest.run()
    process.resident = 3 * WORTH
    assert rest.run()


def test_memory_that_is_in_use_is_not_asked_for_again_and_again() -> None:
    process = Process()
    rest = process.rest()
    assert [rest.run() for _ in range(3)] == [True, True, False]
    process.resident = process.used = 40 * WORTH
    assert [rest.run() for _ in range(4)] == [True, True, False, False]


def test_own_figures_are_not_heard_but_own_pages_and_others_are() -> None:
    books = Accounting()
    for receiver, signal in (("self", "metrics"), ("self", "traces"), ("otlp_http", "metrics")):
        books.arrived(Source(receiver, "someone", signal), 10)  # type: ignore[arg-type]
    assert heard(books.snapshot()) == 2
