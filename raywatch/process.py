"""What the system says about this process: memory, processor time, threads, open files."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def resident_bytes() -> int:
    """Memory that is really there; where the system only tells the peak, the peak."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def open_files() -> int:
    """File descriptors in use, 0 where the system does not tell."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return len(os.listdir(folder))  # noqa: PTH208 -- a count needs no paths
    return 0


def figures() -> Mapping[str, float]:
    """The names that Prometheus's own clients use."""
    return {
        "process_cpu_seconds_total": time.process_time(),
        "process_resident_memory_bytes": resident_bytes(),
        "process_open_fds": open_files(),
        "process_threads": threading.active_count(),
    }
