"""Whose telemetry a page shows: the default account and region, or the pair that the URL names.

Senders over the AWS APIs choose theirs by key and region; OTLP's goes to the pair of its API key. What stands
in the control store (groups, sampling rules, insights) is shown for the default pair only, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from collector.storage.control import Tenant
from dashboard.context import ACCOUNT, Context
from dashboard.web import Web

if TYPE_CHECKING:
    import pyarrow as pa

    from collector.batch import Signal
    from collector.storage.store import Store

OF_DEFAULT = frozenset({"groups", "sampling", "xray-insights", "settings", "ingest"})
"""Pages that show the default pair whatever the URL says."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A pair that can be looked at. url: the same page for it. here: whether it is shown now."""

    name: str
    url: str
    here: bool


class TenantStore:
    """A store whose questions are asked about one tenant; everything else goes straight to it."""

    def __init__(self, store: Store, tenant: int) -> None:
        self._store = store
        self._tenant = tenant

    def read(
        self, signal: Signal, sql: str, params: Mapping[str, object] | None = None, **options: Any
    ) -> pa.Table:
        """As Store.read; `$tenant` is this one."""
        if params is not None and "tenant" in params:
            params = {**params, "tenant": self._tenant}
        return self._store.read(signal, sql, params, **options)

    def summed(self, table: str, start_ns: int, end_ns: int, **options: Any) -> pa.Table:
        """As Store.summed, of this tenant."""
        return self._store.summed(table, start_ns, end_ns, **{**options, "tenant": self._tenant})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def name_of(tenant: Tenant) -> str:
    """How a pair stands in a URL."""
    return f"{tenant.account}/{tenant.region}"


def seen(web: Web, ctx: Context, page: str) -> Web:
    """The parts as a page is to see them. A pair that nobody has used is as empty as it is."""
    wanted = ctx.get(ACCOUNT)
    if not wanted or page in OF_DEFAULT:
        return web
    number = next((one.id for one in web.control.find_tenants() if name_of(one) == wanted), None)
    unused = (1 << 32) - 1
    store = TenantStore(web.store, unused if number is None else number)
    return replace(web, store=cast("Store", store))


def choices(web: Web, ctx: Context) -> Sequence[Choice]:
    """The pairs to choose from; none where there is only one."""
    known = web.control.find_tenants()
    if len(known) < 2:
        return ()
    shown = ctx.get(ACCOUNT) or name_of(known[0])
    return tuple(
        Choice(
            f"{one.account} · {one.region}",
            ctx.url(**{ACCOUNT: name_of(one) if one.id else None}),
            name_of(one) == shown,
        )
        for one in known
    )
