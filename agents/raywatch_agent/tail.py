"""Follows files that grow, are renamed, truncated or replaced; gives whole records and where they end.

A place in a file is kept as its identity (device, inode, a hash of its first bytes) and an offset, so that a
rotated file is found again under its new name. Nothing here knows what becomes of the records.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 20
"""Bytes that are read at most before somebody acknowledges them; a longer line is cut."""

_HEAD = 256
_GRACE = 4  # reads of a replaced file without news until it is left: its writer may still have it open
_SETTLED = 1.0  # seconds without news after which the last record is taken for whole


@dataclass(frozen=True, slots=True)
class Place:
    """head: hash of the file's first `head_size` bytes."""

    device: int
    inode: int
    head_size: int
    head: str
    offset: int

    @classmethod
    def of(cls, file: BinaryIO, offset: int) -> Place:
        status, size = os.fstat(file.fileno()), min(_HEAD, offset)
        return cls(status.st_dev, status.st_ino, size, _hash(file, size), offset)

    def is_in(self, file: BinaryIO) -> bool:
        """Whether this is still the file that was read up to here."""
        status = os.fstat(file.fileno())
        same = (status.st_dev, status.st_ino) == (self.device, self.inode)
        return same and status.st_size >= self.offset and _hash(file, self.head_size) == self.head


def _hash(file: BinaryIO, size: int) -> str:
    file.seek(0)
    return hashlib.blake2b(file.read(size), digest_size=8).hexdigest()


class Positions:
    """The places read so far, in a file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.first_run = not path.exists()
        stored = {} if self.first_run else json.loads(path.read_text("utf-8"))
        self._places = {name: Place(**place) for name, place in stored.items()}

    def get(self, path: str) -> Place | None:
        return self._places.get(path)

    def put(self, path: str, place: Place) -> None:
        self._places[path] = place
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(self._path.name + ".new")
        draft.write_text(json.dumps({name: asdict(place) for name, place in self._places.items()}), "utf-8")
        draft.replace(self._path)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records without their line ends, and the place to keep once they are acknowledged."""

    records: list[str]
    place: Place


class Follower:
    """Reads one path. `read` does not move on by itself: `acknowledge` does.

    record_start: pattern of the first line of a record; '' when every line is one.
    """

    def __init__(
        self, path: str, place: Place | None, *, at_end: bool = False, record_start: str = ""
    ) -> None:
        self.path = path
        self._start = re.compile(record_start.encode(), re.MULTILINE) if record_start else None
        self._file: BinaryIO | None = None
        self._place: Place | None = None
        self._silent = 0
        candidates = [path, *sorted(glob.glob(glob.escape(path) + "?*"))] if place else [path]  # noqa: PTH207
        for candidate in candidates:
            if self._open(candidate, place):
                break
        if at_end and place is None and self._file is not None:
            self._place = Place.of(self._file, _last_line_end(self._file))

    @property
    def place(self) -> Place | None:
        """Where reading will go on, None while there is no file."""
        return self._place

    def read(self) -> Chunk | None:
        """The next records, None when there are none now."""
        if self._file is None and not self._open(self.path):
            return None
        assert self._file is not None  # noqa: S101 (opened above)
        assert self._place is not None  # noqa: S101 (set together with it)
        if not self._place.is_in(self._file):  # truncated, or copied and truncated
            self._place = Place.of(self._file, 0)
        replaced = not self._is_current(self._file)
        chunk = self._next(self._file, self._place.offset, final=replaced and self._silent >= _GRACE)
        self._silent = self._silent + 1 if replaced and chunk is None else 0
        if chunk is None and replaced and self._silent > _GRACE:
            self.close()
            return self.read()
        return chunk

    def acknowledge(self, chunk: Chunk) -> None:
        self._place = chunk.place

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, path: str, place: Place | None = None) -> bool:
        """Whether the file is there and, if a place is given, the place is in it."""
        try:
            file = Path(path).open("rb")  # noqa: SIM115 (kept open while the file is followed)
        except OSError:
            return False
        if place is not None and not place.is_in(file):
            file.close()
            return False
        self._file, self._place, self._silent = file, place or Place.of(file, 0), 0
        return True

    def _is_current(self, file: BinaryIO) -> bool:
        """Whether the path still names the open file."""
        try:
            return os.path.samestat(Path(self.path).stat(), os.fstat(file.fileno()))
        except OSError:
            return False

    def _next(self, file: BinaryIO, offset: int, *, final: bool) -> Chunk | None:
        """final: the file will not grow any more, so an unfinished last line is a line."""
        file.seek(offset)
        data = file.read(CHUNK)
        full = len(data) == CHUNK
        end = len(data) if final and not full else data.rfind(b"\n") + 1
        settled = final or time.time() - os.fstat(file.fileno()).st_mtime > _SETTLED
        matches = self._start.finditer(data, 0, end) if self._start else ()
        starts = [data.rfind(b"\n", 0, match.start()) + 1 for match in matches]
        if starts and (full or not settled):
            end = starts[-1]
        if end == 0 and full:
            end = len(data)
        if end == 0:
            return None
        cuts = [0, *(start for start in starts if 0 < start < end), end]
        records = [data[a:b] for a, b in pairwise(cuts)] if self._start else data[:end].split(b"\n")
        texts = [record.decode("utf-8", "replace").rstrip("\r\n") for record in records]
        return Chunk([text for text in texts if text], Place.of(file, offset + end))


def _last_line_end(file: BinaryIO) -> int:
    begin = max(0, file.seek(0, os.SEEK_END) - CHUNK)
    file.seek(begin)
    return begin + file.read(CHUNK).rfind(b"\n") + 1


def find(pattern: str) -> list[str]:
    """The files that a path or pattern names."""
    return [path for path in sorted(glob.glob(pattern, recursive=True)) if Path(path).is_file()]  # noqa: PTH207
