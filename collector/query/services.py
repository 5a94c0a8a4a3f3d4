"""Questions about services, answered from roll-ups by whole minutes where not said otherwise."""

from __future__ import annotations

from collector.query.model_traces import (
    Distribution,
    ExceptionRow,
    OperationPage,
    Overview,
    Series,
    ServiceList,
    ServiceRow,
)
from collector.query.reader import Reader


def list_services(
    store: Reader, start_ns: int, end_ns: int, *, now_ns: int, tenant: int = 0, deadline: float = 10.0
) -> ServiceList:
    """Every service with requests in the range, worst first, and the deployments in it."""
    raise NotImplementedError


def get_service(
    store: Reader,
    service: str,
    start_ns: int,
    end_ns: int,
    *,
    now_ns: int,
    tenant: int = 0,
    deadline: float = 10.0,
) -> ServiceRow | None:
    """One service with its figures over time, None when it sent nothing in the range."""
    raise NotImplementedError


def overview(
    store: Reader, start_ns: int, end_ns: int, *, now_ns: int, tenant: int = 0, deadline: float = 10.0
) -> Overview:
    """The whole installation: totals, figures over time, services, deployments and the verdict."""
    raise NotImplementedError


def latency_distribution(
    store: Reader,
    start_ns: int,
    end_ns: int,
    *,
    service: str,
    operation: str = "",
    tenant: int = 0,
    deadline: float = 10.0,
) -> Distribution:
    """Durations of the requests a service (or one operation of it, then from the spans) served."""
    raise NotImplementedError


def edge_distribution(
    store: Reader,
    start_ns: int,
    end_ns: int,
    *,
    source: str,
    target: str,
    tenant: int = 0,
    deadline: float = 10.0,
) -> Distribution:
    """Durations of the calls on an edge as the caller saw them; source and target are node ids of the map.

    With source '' all calls of a node that is not instrumented itself.
    """
    raise NotImplementedError


def list_operations(
    store: Reader,
    service: str,
    start_ns: int,
    end_ns: int,
    *,
    limit: int = 100,
    cursor: str = "",
    tenant: int = 0,
    deadline: float = 10.0,
) -> OperationPage:
    """Span names of a service with rate, outcomes and exact percentiles, from the spans; most time first."""
    raise NotImplementedError


def list_exceptions(
    store: Reader,
    start_ns: int,
    end_ns: int,
    *,
    service: str = "",
    limit: int = 20,
    tenant: int = 0,
    deadline: float = 10.0,
) -> tuple[ExceptionRow, ...]:
    """Exceptions by type and operation, most frequent first, of one service or of all."""
    raise NotImplementedError


def service_names(
    store: Reader, *, prefix: str = "", limit: int = 2000, tenant: int = 0, deadline: float = 10.0
) -> tuple[str, ...]:
    """All names of services that are kept, for the command palette."""
    raise NotImplementedError


def empty_series(step_ns: int) -> Series:
    """A series without a bucket."""
    return Series(step_ns, (), (), (), (), (), (), (), ())
