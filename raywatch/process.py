"""What the system says about this process: its memory, processor time, threads, files. Giving memory back."""

from __future__ import annotations

import ctypes
import gc
import os
import re
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


def release_startup_memory() -> None:
    """Give back what only starting needed; to be called once, when everything runs."""
    gc.collect()
    gc.freeze()  # what start-up made lives as long as the process: no collection need look at it again
    release_memory()


def release_memory() -> None:
    """Give back what is not in use right now: free heap, and the libraries' code, which is only looked at.

    Importing and connecting touches far more of the libraries than serving does, and a question far more than
    waiting. Those pages are read only and stay in the page cache, so dropping them from this process costs a
    minor fault where one is used again. On other systems than Linux nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.malloc_trim(0)
        for begin, end in _library_pages(Path("/proc/self/maps").read_text("utf-8", "replace")):
            libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(end - begin), _MADV_DONTNEED)


_MADV_DONTNEED = 4
_MAPPING = re.compile(
    r"^([0-9a-f]+)-([0-9a-f]+) (?:r-xp [0-9a-f]+|r--p 0+) \S+ [1-9]\d* +/.*\.so[.\d]*$", re.MULTILINE
)


def _library_pages(maps: str) -> list[tuple[int, int]]:
    """The code of shared libraries and the beginning of their files, with symbols and relocations.

    maps: a text like /proc/self/maps. Never their data: it is relocated, also where it is read only.
    """
    return [(int(begin, 16), int(end, 16)) for begin, end in _MAPPING.findall(maps)]


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
