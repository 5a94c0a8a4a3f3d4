"""Which forms of documents come again, and their templates, within bounds. Only ever a shortcut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collector.receivers.xray_spans import Caches, Rows
from collector.receivers.xray_templates import Template, pattern_of, places_of, template_of

SAMPLE = 16
"""One in so many documents without a template is looked at, which costs more than decoding it."""
AGAIN = 3
"""So often a form must have been seen then, before a template is made, which costs still more."""
TEMPLATES, TRIES = 512, 8
"""How many templates there are at most; how many of them a document is compared with."""
FORMS = 2_048
"""Forms of which it is remembered how often they were seen."""


class Forms:
    """What one decoder has learned. One for each thread: it has no lock."""

    def __init__(self, caches: Caches) -> None:
        self._caches = caches
        self._templates: dict[tuple[str, str], list[Template]] = {}
        self._count = 0
        self._seen: dict[int, int] = {}
        self._turn = 0

    def take(self, text: str, rows: Rows, tenant: int) -> bool:
        """Add the rows of a document when a template is known for it."""
        alike = self._templates.get(_kind(text))
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
        self._turn += 1
        if self._turn % SAMPLE:
            return
        places = places_of(text, entity)
        if not places:
            return
        form = hash(pattern_of(text, places))
        if len(self._seen) >= FORMS:
            self._seen.clear()
        self._seen[form] = self._seen.get(form, 0) + 1
        if self._seen[form] == AGAIN:
            owner = self._caches.sources.find(entity["name"], entity)
            template = template_of(text, entity, places, owner)
            if template is not None:
                self._keep(text, template)

    def _keep(self, text: str, template: Template) -> None:
        if self._count >= TEMPLATES:
            self._templates.clear()
            self._count = 0
        self._count += 1
        alike = self._templates.setdefault(_kind(text), [])
        alike.insert(0, template)
        del alike[TRIES:]


def _kind(text: str) -> tuple[str, str]:
    """What all documents of a form have in common and is soon found: the first and the last name."""
    first, last = text.find('"name"'), text.rfind('"name"')
    return _to_quote(text, first), _to_quote(text, last)


def _to_quote(text: str, name: int) -> str:
    """From a member's name to the end of its value."""
    return text[name : text.find('"', text.find('"', name + 6) + 1)]
