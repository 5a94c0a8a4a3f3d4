"""Which forms of documents come again, and their templates, within bounds. Only ever a shortcut.

Documents are told of once they were decoded in the usual way. Nothing here may make that cost much more.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from collector.receivers.xray_spans import Caches, Rows
from collector.receivers.xray_templates import Template, form_of, places_of, template_of

SOONEST, LATEST = 16, 256
"""One in so many documents without a template is looked at, which costs more than decoding it; fewer of them
while they are all different.
"""
AGAIN = 3
"""So often a form must have been seen then, before a template is made."""
REST, LONGEST = 16, 8_192
"""So many documents are not looked at after that, for each template made so far, as it costs still more: some
milliseconds.
"""
TEMPLATES, TRIES = 512, 8
"""How many templates there are at most; how many of them a document is compared with."""
FORMS = 2_048
"""Forms of which it is remembered how often they were seen."""
_NAMES = re.compile(r'"name"\s*:\s*"[^"]*"')


class Forms:
    """What one decoder has learned. One for each thread: it has no lock."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._templates: dict[tuple[str, ...], list[Template]] = {}
        self._count = 0
        self._seen: dict[int, int] = {}
        self._made = 0
        self._interval = self._wait = SOONEST

    def take(self, text: str, rows: Rows, tenant: int) -> bool:
        """Add the rows of a document when a template is known for it."""
        alike = self._templates.get(tuple(_NAMES.findall(text)))
        if alike is None:
            return False
        for at, template in enumerate(alike):
            match = template.pattern.fullmatch(text)
            if match is not None:
                template.add(match, rows, self._caches.recent.new, tenant)
                if at:
                    alike.insert(0, alike.pop(at))
                return True
        return False

    def learn(self, text: str, entity: Mapping[str, Any]) -> None:
        """Told of each document that was decoded without a template."""
        self._wait -= 1
        if self._wait > 0:
            return
        places = places_of(text, entity)
        times = self._times(form_of(text, places)) if places else 1
        self._interval = min(2 * self._interval, LATEST) if times == 1 else max(self._interval // 2, SOONEST)
        self._wait = self._interval
        if times == AGAIN:
            self._made += 1
            self._wait = min(REST * self._made, LONGEST)
            owner = self._caches.sources.find(entity["name"], entity)
            template = template_of(text, entity, places, owner)
            if template is not None:
                self._keep(text, template)

    def _times(self, form: int) -> int:
        """How often a form was seen, this time included."""
        if len(self._seen) >= FORMS:
            self._seen.clear()
        self._seen[form] = times = self._seen.get(form, 0) + 1
        return times

    def _keep(self, text: str, template: Template) -> None:
        if self._count >= TEMPLATES:
            self._templates.clear()
            self._count = 0
        self._count += 1
        alike = self._templates.setdefault(tuple(_NAMES.findall(text)), [])
        alike.insert(0, template)
        del alike[TRIES:]
