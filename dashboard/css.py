"""Style sheets as they are sent: without comments and the whitespace that only people need.

Pure: text in, text out. The file stays as people read it.
"""

from __future__ import annotations

import re

_STRING = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_PIECES = re.compile(rf"(?P<string>{_STRING})|(?P<comment>/\*.*?\*/)|(?P<space>\s+)", re.DOTALL)
_SPACES = re.compile(rf"({_STRING})| +", re.DOTALL)
_AROUND = re.compile(rf"({_STRING})|\s*([{{}};,>])\s*", re.DOTALL)
_COLON = re.compile(rf"({_STRING})|(?<=[{{;(])([\w-]+):\s+", re.DOTALL)
_LAST = re.compile(rf"({_STRING})|;(?=}})", re.DOTALL)


def minified(css: str) -> str:
    """The same rules in fewer characters; texts in quotes are left alone."""
    text = _PIECES.sub(lambda found: found["string"] or ("" if found["comment"] else " "), css)
    text = _SPACES.sub(lambda found: found[1] or " ", text)
    text = _AROUND.sub(lambda found: found[1] or found[2], text)
    text = _COLON.sub(lambda found: found[1] or f"{found[2]}:", text)
    return _LAST.sub(lambda found: found[1] or "", text).strip()
