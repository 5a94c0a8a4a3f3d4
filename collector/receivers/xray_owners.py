"""Whose a subsegment is that was sent alone: the segments and subsegments seen lately, within bounds.

X-Ray's documents come in any order and rows are never changed, so what is not known when a group of documents
has been decoded stays unknown in its rows; who reads a whole trace finds it by walking up.
"""

from __future__ import annotations

from collections.abc import Mapping

from collector.receivers.xray_resources import Owner

RECENT = 50_000
"""Ids in each of the two generations: seconds at full speed, hours of a usual load; about 20 MB at most."""


class Recent:
    """Segment or subsegment -> to whom its children belong. The older half is forgotten when it is full."""

    def __init__(self, size: int = RECENT) -> None:
        self._size = size
        self.new: dict[str, Owner] = {}
        """Where to put what is learned; `turn` now and then."""
        self._old: dict[str, Owner] = {}

    def get(self, key: str) -> Owner | None:
        """What is known of it."""
        return self.new.get(key) or self._old.get(key)

    def turn(self) -> None:
        """Forget the older half when the newer one is full."""
        if len(self.new) > self._size:
            self._old, self.new = self.new, {}


class Waiting:
    """Subsegments of one group whose owner was not known when they were decoded.

    Parents may be among them, or come after them in the group; `resolve` follows the chain.
    """

    def __init__(self) -> None:
        self._parents: dict[str, tuple[str, bool]] = {}

    def add(self, learned: Mapping[str, Owner], parent: str) -> None:
        """The ids of a document that waits for its parent."""
        for key, owner in learned.items():
            self._parents[key] = (parent, owner.downstream)

    def resolve(self, parent: str, recent: Recent) -> Owner | None:
        """The owner of what hangs under `parent`, None when nobody has told it."""
        chain: list[tuple[str, bool]] = []
        seen: set[str] = set()
        found = recent.get(parent)
        while found is None and parent in self._parents and parent not in seen:
            seen.add(parent)
            chain.append((parent, self._parents[parent][1]))
            parent = self._parents[parent][0]
            found = recent.get(parent)
        if found is None:
            return None
        for key, downstream in reversed(chain):
            found = recent.new[key] = found.inside if downstream else found
        return found
