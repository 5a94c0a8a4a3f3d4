"""The settings while the program runs: what the settings page shows, changes, and what follows at once.

Changes are kept in the control database and weigh more than the file; what the environment or a flag
gives stays as it is and says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping

from collector.batch import SIGNALS, Signal
from collector.storage.control import Control
from collector.storage.store import SECOND_NS, Retention
from dashboard.web import SettingRow
from raywatch import logs
from raywatch.config import CHANGEABLE, FIXED, Config
from raywatch.settings import Settings, get, walk


class LiveSettings:
    """What holds now. Safe to call from any thread."""

    def __init__(self, config: Config, control: Control, clock: Callable[[], int] = time.time_ns) -> None:
        self._base = config
        self._control = control
        self._clock = clock
        self._lock = threading.Lock()
        self.config = config.changed(control.find_settings())

    @property
    def settings(self) -> Settings:
        """As they hold now."""
        return self.config.settings

    def rows(self) -> list[SettingRow]:
        """Every setting, for the page."""
        config, defaults = self.config, Settings()
        return [
            SettingRow(
                name=item.name,
                value=item.kind.show(get(config.settings, item.name)),
                default=item.kind.show(get(defaults, item.name)),
                source=config.source(item.name),
                kind=item.kind.name,
                doc=item.doc,
                changeable=item.name.startswith(CHANGEABLE)
                and not config.source(item.name).startswith(FIXED),
            )
            for item in walk()
        ]

    def change(self, values: Mapping[str, str | None]) -> dict[str, str]:
        """Keep and apply all of them, or none: name -> what is wrong with it, empty when it is done.

        None goes back to what the file or the default says.
        """
        known = {item.name: item for item in walk()}
        problems = {}
        for name, text in values.items():
            if name not in known or not name.startswith(CHANGEABLE):
                problems[name] = "cannot be changed while the program runs"
            elif self._base.source(name).startswith(FIXED):
                problems[name] = f"is set by {self._base.source(name)}"
            elif text is not None:
                try:
                    known[name].kind.parse(text)
                except ValueError as error:
                    problems[name] = str(error)
        if not problems:
            with self._lock:
                self._control.change_settings(values, self._clock())
                self.config = self._base.changed(self._control.find_settings())
            logs.set_level(self.settings.log_level)
        return problems


class LiveRetention(Mapping[Signal, Retention]):
    """What the store reads its bounds from; a change is in force at its next look."""

    def __init__(self, live: LiveSettings) -> None:
        self._live = live

    def __getitem__(self, signal: Signal) -> Retention:
        keep = getattr(self._live.settings.retention, signal)
        return Retention(keep.age * SECOND_NS or None, keep.size or None)

    def __iter__(self) -> Iterator[Signal]:
        return iter(SIGNALS)

    def __len__(self) -> int:
        return len(SIGNALS)
