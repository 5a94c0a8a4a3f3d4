"""What the web front is handed: one frozen value with every part it uses.

Pages get it as `web`. Tests build it with real parts on a temporary directory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from collector.accounting import Accounting
from collector.batch import Signal
from collector.listeners import Listener, Subscription
from collector.sampling.service import SamplingService
from collector.storage.control import Control
from collector.storage.store import Store
from dashboard.layout import StableLayouts

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})


Subscribe = Callable[[Signal, Listener], Subscription]

TAILS = 16
"""Live tails that may be open at once: each holds a thread of the server."""


@dataclass(frozen=True, slots=True)
class WebSettings:
    """How this installation presents itself.

    name: shown at the foot of the navigation. hosts: names a request's Host header may carry (without port),
    None for any; a loopback server keeps the default, which stops DNS rebinding.
    otlp_http, otlp_grpc: where senders of this installation send, for the copy blocks of empty pages.
    secure_cookies: set where TLS ends in front of the server.
    """

    name: str = "local"
    version: str = ""
    hosts: frozenset[str] | None = LOOPBACK_HOSTS
    otlp_http: str = "http://localhost:4318"
    otlp_grpc: str = "http://localhost:4317"
    secure_cookies: bool = False
    data: str = ""
    """Directory of the data, '' when there is none."""
    deadline: float = 10.0
    """Seconds that one question of a page may take."""
    glance: float = 0.5
    """Seconds for what a page can do without and says so."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting of the program as it may be shown. kind: what its text may be, in words."""

    name: str
    value: str
    default: str
    source: str
    kind: str
    doc: str
    changeable: bool


class Configuration(Protocol):
    """The program's settings while it runs."""

    def rows(self) -> Sequence[SettingRow]:
        """Every setting."""
        ...

    def change(self, values: Mapping[str, str | None]) -> Mapping[str, str]:
        """Keep and apply all or none; name -> what is wrong. None: back to the file or the default."""
        ...


@dataclass(frozen=True, slots=True)
class Web:
    """store, control and accounting are open; create_app neither opens nor closes anything.

    configuration, subscribe: the program's settings, and batches as they are committed (for the live tail);
    None where there is no program around, as in tests. sampling: rules, clients and what was kept.
    """

    store: Store
    control: Control
    accounting: Accounting
    settings: WebSettings = field(default_factory=WebSettings)
    configuration: Configuration | None = None
    subscribe: Subscribe | None = None
    sampling: SamplingService | None = None
    clock: Callable[[], int] = time.time_ns
    layouts: StableLayouts = field(default_factory=StableLayouts)
    tails: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(TAILS))
