"""What a program printed, as a terminal would show it: colours become classes, all else that is no text is left out.
Pure functions."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup, escape

from ..model.printable import many

LONGEST: Final = 4000  # characters of a line that are shown
COLOURS: Final = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")

_CODE: Final = re.compile(
    r"\x1b\[(?P<sgr>[0-9;:]*)m"  # colours and weights
    r"|\x1b\[[0-?]*[ -/]*[@-~]"  # other control sequences: cursor, screen
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def line(data: bytes, more: int = 0) -> Markup:
    """A line of output as markup, without its end; `more` bytes of it were left out."""
    text = data.decode("utf-8", "replace").rstrip("\r\n")
    if "\r" in text:  # a bar of progress: what was written last is what one would see
        text = next((part for part in reversed(text.split("\r")) if part), "")
    if len(text) > LONGEST:
        more += len(text[LONGEST:].encode())
    shown = _coloured(text[:LONGEST])
    return shown + Markup(' <em class="rel">and {}</em>').format(many(more, "more byte")) if more else shown


def _coloured(text: str) -> Markup:
    parts, at, style = [], 0, frozenset[str]()
    for found in _CODE.finditer(text):
        parts.append(_span(text[at : found.start()], style))
        at = found.end()
        if found["sgr"] is not None:
            style = styled(style, found["sgr"])
    parts.append(_span(text[at:], style))
    return Markup("").join(parts)


def _span(text: str, style: frozenset[str]) -> Markup:
    shown = escape(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", text))
    if not text or not style:
        return shown
    return Markup('<span class="{}">{}</span>').format(" ".join(sorted(style)), shown)


def styled(style: frozenset[str], codes: str) -> frozenset[str]:
    """The style after `ESC [ codes m`, as classes."""
    found = set(style)
    numbers = [int(code) if 0 < len(code) < 4 else 0 for code in re.split("[;:]", codes)]
    at = 0
    while at < len(numbers):
        number = numbers[at]
        at += 1
        if number in (38, 48) and at < len(numbers):  # a colour out of many: as it was
            at += 2 if numbers[at] == 5 else 4
        elif number in _ON:
            found.add(_ON[number])
        elif number in _OFF:
            found -= _OFF[number]
        elif 30 <= number <= 37 or 90 <= number <= 97:
            found = {each for each in found if each not in _ALL_COLOURS} | {f"a-{COLOURS[number % 10]}"}
    return frozenset(found)


_ALL_COLOURS: Final = frozenset(f"a-{colour}" for colour in COLOURS)
_ON: Final = {1: "a-b", 2: "a-d", 3: "a-i", 4: "a-u"}
_OFF: Final = {
    0: {*_ON.values(), *_ALL_COLOURS},
    22: {"a-b", "a-d"},
    23: {"a-i"},
    24: {"a-u"},
    39: set(_ALL_COLOURS),
}
