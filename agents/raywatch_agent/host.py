"""What a host measures, as observable instruments named by OpenTelemetry's system.* conventions.

A scraper is a function that yields (value, attributes); one that the platform cannot answer yields nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import psutil
from opentelemetry.metrics import CallbackOptions, Meter, Observation

Measured = Iterator[tuple[float, dict[str, str | int]]]

_PSEUDO = {"squashfs", "overlay", "tmpfs", "devtmpfs", "autofs", "proc", "sysfs", "cgroup2", "nsfs"}
_MEMORY = ("used", "free", "buffers", "cached")


def _one(read: Callable[[], float]) -> Callable[[], Measured]:
    return lambda: iter([(read(), {})])


def _cpu_time() -> Measured:
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        for mode, seconds in times._asdict().items():
            if not mode.startswith("guest"):  # part of user and nice already
                yield seconds, {"cpu.mode": mode, "cpu.logical_number": number}


def _memory() -> Measured:
    memory = psutil.virtual_memory()
    for state in (state for state in _MEMORY if hasattr(memory, state)):
        yield getattr(memory, state), {"system.memory.state": state}


def _memory_utilization() -> Measured:
    total = psutil.virtual_memory().total
    return ((value / total, attributes) for value, attributes in _memory())


def _paging() -> Measured:
    swap = psutil.swap_memory()
    yield swap.used, {"system.paging.state": "used"}
    yield swap.free, {"system.paging.state": "free"}


def _disks(kind: str) -> Callable[[], Measured]:
    def measure() -> Measured:
        for device, counters in (psutil.disk_io_counters(perdisk=True) or {}).items():
            for direction in ("read", "write"):
                amount = getattr(counters, f"{direction}_{kind}")
                yield amount, {"system.device": device, "disk.io.direction": direction}

    return measure


def _file_systems() -> Iterator[tuple[Any, dict[str, str | int]]]:
    for partition in psutil.disk_partitions():
        if partition.fstype in _PSEUDO:
            continue
        try:
            usage = psutil.disk_usage(partition.mountpoint)
        except OSError:  # gone, or not ours to see
            continue
        if usage.total:
            yield (
                usage,
                {
                    "system.device": partition.device,
                    "system.filesystem.mountpoint": partition.mountpoint,
                    "system.filesystem.type": partition.fstype,
                },
            )


def _file_system_usage() -> Measured:
    for usage, where in _file_systems():
        yield usage.used, {**where, "system.filesystem.state": "used"}
        yield usage.free, {**where, "system.filesystem.state": "free"}


def _file_system_utilization() -> Measured:
    for usage, where in _file_systems():
        yield usage.used / usage.total, {**where, "system.filesystem.state": "used"}


def _network(received: str, sent: str) -> Callable[[], Measured]:
    def measure() -> Measured:
        for name, counters in psutil.net_io_counters(pernic=True).items():
            for direction, key in (("receive", received), ("transmit", sent)):
                attributes: dict[str, str | int] = {"network.interface.name": name}
                yield getattr(counters, key), attributes | {"network.io.direction": direction}

    return measure


def _processes() -> Measured:
    states: Counter[str] = Counter()
    for process in psutil.process_iter():
        try:
            states[process.status()] += 1
        except psutil.Error:  # it has ended, or is not ours to see
            continue
    for state, count in states.items():
        yield count, {"process.state": state}


Scrapers = dict[str, tuple[str, Callable[[], Measured]]]
COUNTERS: Scrapers = {
    "system.cpu.time": ("s", _cpu_time),
    "system.disk.io": ("By", _disks("bytes")),
    "system.disk.operations": ("{operation}", _disks("count")),
    "system.network.io": ("By", _network("bytes_recv", "bytes_sent")),
    "system.network.packet.count": ("{packet}", _network("packets_recv", "packets_sent")),
    "system.network.packet.dropped": ("{packet}", _network("dropin", "dropout")),
    "system.network.errors": ("{error}", _network("errin", "errout")),
}
SUMS: Scrapers = {
    "system.cpu.logical.count": ("{cpu}", _one(lambda: psutil.cpu_count() or 1)),
    "system.memory.usage": ("By", _memory),
    "system.memory.limit": ("By", _one(lambda: psutil.virtual_memory().total)),
    "system.paging.usage": ("By", _paging),
    "system.filesystem.usage": ("By", _file_system_usage),
    "system.process.count": ("{process}", _processes),
}
GAUGES: Scrapers = {
    "system.memory.utilization": ("1", _memory_utilization),
    "system.filesystem.utilization": ("1", _file_system_utilization),
    "system.cpu.load_average.1m": ("{thread}", _one(lambda: psutil.getloadavg()[0])),
    "system.cpu.load_average.5m": ("{thread}", _one(lambda: psutil.getloadavg()[1])),
    "system.cpu.load_average.15m": ("{thread}", _one(lambda: psutil.getloadavg()[2])),
    "system.uptime": ("s", _one(lambda: time.time() - psutil.boot_time())),
}


def _callback(scraper: Callable[[], Measured]) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def observe(_: CallbackOptions) -> Iterable[Observation]:
        try:
            return [Observation(value, attributes) for value, attributes in scraper()]
        except (psutil.Error, OSError, NotImplementedError):
            return []

    return observe


def measure(meter: Meter) -> None:
    """Registers every instrument; the meter's reader decides when they are asked."""
    for name, (unit, scraper) in COUNTERS.items():
        meter.create_observable_counter(name, [_callback(scraper)], unit)
    for name, (unit, scraper) in SUMS.items():
        meter.create_observable_up_down_counter(name, [_callback(scraper)], unit)
    for name, (unit, scraper) in GAUGES.items():
        meter.create_observable_gauge(name, [_callback(scraper)], unit)
