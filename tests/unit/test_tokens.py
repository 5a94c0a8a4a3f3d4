"""Contrast of every pair of colours that meet on a page, in both themes (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import pytest

from dashboard.charts import tokens

GROUNDS = ("surface", "sunken", "bg", "hover", "selected", "raised")
STATES = ("ok", "error", "fault", "throttle", "nodata")
PAIRS = [
    *((text, ground, 4.5) for text in ("text", "text-2", "text-3") for ground in GROUNDS),
    *(("accent", ground, 4.5) for ground in ("surface", "sunken", "selected", "hover")),
    ("accent-ink", "accent-fill", 4.5),
    ("line-control", "surface", 3.0),
    ("text", "mark", 4.5),
    *(
        (f"{s}-text", ground, 4.5)
        for s in STATES
        for ground in ("surface", "sunken", "hover", "selected", f"{s}-weak")
    ),
    *((s, ground, 3.0) for s in STATES for ground in ("surface", "sunken")),
    *((f"svc-{n}", "surface", 3.0) for n in range(1, 13)),
]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_knows_its_ends() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back", "least"), PAIRS)
def test_colours_that_meet_can_be_told_apart(theme: str, front: str, back: str, least: float) -> None:
    look = tokens("dark" if theme == "dark" else "light")
    assert contrast(look[front], look[back]) >= least
