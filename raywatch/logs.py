"""What Raywatch writes to its standard error: its own parts at the level of the setting, others' warnings."""

from __future__ import annotations

import logging
import sys

PARTS = ("alarms", "collector", "dashboard", "raywatch")
FORMAT = "%(asctime)s %(levelname)-7s %(name)s  %(message)s"


def begin(level: str) -> None:
    """Write to standard error from now on."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format=FORMAT)
    logging.captureWarnings(capture=True)
    set_level(level)


def set_level(level: str) -> None:
    """debug, info, warning or error."""
    for part in PARTS:
        logging.getLogger(part).setLevel(level.upper())
