"""What a running server consists of, as its doors, its jobs and the command line hold it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from collector.accounting import Accounting
from collector.pipeline import Pipeline
from collector.receivers.bodies import Budget
from collector.sampling.service import SamplingService
from collector.storage.control import Control
from collector.storage.store import Store
from raywatch.live_settings import LiveSettings
from raywatch.running import Running
from raywatch.selfobs import SelfObservation


@dataclass(slots=True)
class Serving:
    """A server that is ready.

    login: the link for the first visit, '' where nobody has to log in. closing: set when it takes nothing
    more. drained: set when everything it has taken is committed. afterwards: what is to be done once it is
    ready, in this order.
    """

    live: LiveSettings
    store: Store
    control: Control
    accounting: Accounting
    pipeline: Pipeline
    observation: SelfObservation | None
    running: Running
    sampling: SamplingService
    login: str = ""
    budget: Budget = field(default_factory=Budget)
    closing: threading.Event = field(default_factory=threading.Event)
    drained: threading.Event = field(default_factory=threading.Event)
    afterwards: list[Callable[[], None]] = field(default_factory=list)
