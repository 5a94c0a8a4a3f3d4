"""Stack traces as languages write them -> frames, innermost first, and the chain of causes. Pure.

A text that is not in the language's form has no frames; nothing here fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

MOST_FRAMES = 200
MOST_CAUSES = 16
_JAVA_FRAME = re.compile(r"\s*at\s+(?P<label>[^(]+)\((?P<path>[^():]*)(?::(?P<line>\d+))?\)")
_JAVA_CAUSE = re.compile(r"\s*Caused by:\s*(?P<type>[^:\s]+)(?::\s*(?P<message>.*))?")
_PYTHON_FRAME = re.compile(r'\s+File "(?P<path>[^"]*)", line (?P<line>\d+)(?:, in (?P<label>.*))?')
_PYTHON_BETWEEN = re.compile(
    r"^\s*(?:During handling of the above exception, another exception occurred:"
    r"|The above exception was the direct cause of the following exception:)\s*$",
    re.MULTILINE,
)
_PYTHON_LAST = re.compile(r"(?P<type>[\w.]+)(?::\s*(?P<message>.*))?", re.DOTALL)
_JS_FRAME = re.compile(
    r"\s*at\s+(?:(?P<label>.*?)\s+\()?(?P<path>[^()\s][^()]*?)(?::(?P<line>\d+))?(?::\d+)?\)?\s*$"
)
_DOTNET_FRAME = re.compile(r"\s*at\s+(?P<label>.*?)(?: in (?P<path>.*?):line (?P<line>\d+))?\s*$")
_GO_PLACE = re.compile(r"\s+(?P<path>.+?):(?P<line>\d+)(?:\s\+0x[0-9a-f]+)?\s*$")


@dataclass(frozen=True, slots=True)
class Frame:
    path: str
    line: int
    label: str


@dataclass(frozen=True, slots=True)
class Thrown:
    """An exception. frames: innermost first."""

    type: str
    message: str
    frames: tuple[Frame, ...] = ()


def parse_stack(language: str, thrown: Thrown, stack: str) -> list[Thrown]:
    """The exception with its frames, followed by what caused it, at most MOST_CAUSES of them.

    language: telemetry.sdk.language.
    """
    parse = _PARSERS.get(language)
    if parse is None or not stack:
        return [thrown]
    found = parse(thrown, stack.replace("\r\n", "\n"))[:MOST_CAUSES]
    return [replace(each, frames=each.frames[:MOST_FRAMES]) for each in found]


def _frame(match: re.Match[str]) -> Frame:
    named = match.groupdict()
    digits = named.get("line") or "0"
    line = int(digits) if len(digits) < 10 else 0
    return Frame((named.get("path") or "").strip(), line, (named.get("label") or "").strip())


def _frames(lines: Sequence[str], pattern: re.Pattern[str]) -> tuple[Frame, ...]:
    return tuple(_frame(match) for line in lines if (match := pattern.fullmatch(line) or pattern.match(line)))


def _java(thrown: Thrown, stack: str) -> list[Thrown]:
    chain: list[tuple[Thrown, list[str]]] = [(thrown, [])]
    for line in stack.split("\n"):
        if cause := _JAVA_CAUSE.match(line):
            chain.append((Thrown(cause["type"], cause["message"] or ""), []))
        else:
            chain[-1][1].append(line)
    return [replace(each, frames=_frames(lines, _JAVA_FRAME)) for each, lines in chain]


def _python(thrown: Thrown, stack: str) -> list[Thrown]:
    """The last part of the text is the exception itself, the parts before it what was being handled."""
    first, *causes = reversed(_PYTHON_BETWEEN.split(stack))
    chain = [replace(thrown, frames=_python_frames(first))]
    for text in causes:
        lines = text.rstrip().split("\n")
        last = next((at for at in range(len(lines) - 1, -1, -1) if lines[at][:1] == " "), -1)
        match = _PYTHON_LAST.fullmatch("\n".join(lines[last + 1 :]).strip())
        type_, message = (match["type"], match["message"] or "") if match else ("", "")
        chain.append(Thrown(type_, message, _python_frames(text)))
    return chain


def _python_frames(text: str) -> tuple[Frame, ...]:
    return tuple(reversed(_frames(text.split("\n"), _PYTHON_FRAME)))


def _javascript(thrown: Thrown, stack: str) -> list[Thrown]:
    lines = [line for line in stack.split("\n") if line.lstrip().startswith("at ")]
    return [replace(thrown, frames=_frames(lines, _JS_FRAME))]


def _dotnet(thrown: Thrown, stack: str) -> list[Thrown]:
    """Inner exceptions are told first, each up to its end mark; the outermost's frames come last."""
    chain: list[tuple[Thrown, list[str]]] = [(thrown, [])]
    depth = 0
    for line in stack.split("\n"):
        bare = line.strip()
        if " ---> " in line and not bare.startswith("at "):
            for inner in line.split(" ---> ")[1:]:
                type_, _, message = inner.partition(":")
                chain.append((Thrown(type_.strip(), message.strip()), []))
            depth = len(chain) - 1
        elif bare.startswith("--- End of inner exception"):
            depth = max(0, depth - 1)
        elif bare.startswith("at "):
            chain[depth][1].append(line)
    return [replace(each, frames=_frames(lines, _DOTNET_FRAME)) for each, lines in chain]


def _go(thrown: Thrown, stack: str) -> list[Thrown]:
    """A function's name, and on the next line, indented, its place."""
    frames = []
    label = ""
    for line in stack.split("\n"):
        if line[:1] in ("\t", " ") and (place := _GO_PLACE.fullmatch(line)):
            frames.append(replace(_frame(place), label=label))
        elif not line.startswith("goroutine "):
            label = line.removeprefix("created by ").strip()
    return [replace(thrown, frames=tuple(frames))]


_PARSERS: Mapping[str, Callable[[Thrown, str], list[Thrown]]] = {
    "java": _java, "php": _java, "python": _python, "javascript": _javascript, "nodejs": _javascript,
    "webjs": _javascript, "dotnet": _dotnet, "go": _go,
}  # fmt: skip
