"""The shape of a page: what a file in this folder has to offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flask import Response

from dashboard.answers import Answer

View = Callable[..., Answer | Response]
"""`view(web, ctx, **parts of the rule)`: reads, never writes. A Response goes out as it is (streams)."""

Action = Callable[..., str | Answer | Response]
"""`action(web, ctx, form, **parts of the rule)`: changes something after the CSRF check.

It returns where to go on to (a URL), or an Answer that shows the form again with what was wrong.
"""


@dataclass(frozen=True, slots=True)
class Page:
    """routes: rule -> view; each also answers at `<rule>.json` and `<rule>.csv`; `/` at `/overview.json`.

    posts: rule -> action. raw: rule -> view for what is neither page nor table (a stream, a download).
    """

    routes: Mapping[str, View]
    posts: Mapping[str, Action] = field(default_factory=dict)
    raw: Mapping[str, View] = field(default_factory=dict)
