"""The characters that a text for people may hold: in a name, in a line of the log, in an answer. And what messages say
alike: numbers of things, and the word that was meant.

Other characters can make a text look like something else: a carriage return or an escape sequence forges a line on a
terminal, a separator ends a line for some programs, a bidi control turns a line around, a NUL makes `grep` take a log
for binary.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final
from unicodedata import category

JOINERS: Final = "\u200c\u200d"  # words of Persian and of Hindi, and many emoji, are written with them
BLANKS: Final = "Zs"  # the category of the blank, the no-break space and the ideographic space
QUOTED: Final = 200  # characters of a foreign text that a line repeats
COMPARED: Final = 80  # characters of what was written that are looked at, and shown
KNOWN: Final = 500  # known words that are looked through: a refusal must not cost more than what was asked for


def printable(text: str) -> bool:
    """Whether every character is visible: no controls, no separators of lines, no marks without a shape, no halves of
    surrogate pairs, nothing that Unicode has not assigned."""
    return text.isprintable() or all(map(_is_seen, text))


def unprintable(text: str) -> str:
    """The first character that is not visible, as U+001B; "" if there is none."""
    return "" if printable(text) else next(f"U+{ord(char):04X}" for char in text if not _is_seen(char))


def shown(text: str, tabs: bool = False) -> str:
    """The text with all characters that are not visible escaped as in JSON; `tabs`: whether tabs may stay."""
    return text if text.isprintable() else text.translate(_TABBED if tabs else _PLAIN)


def quoted(text: str, most: int = QUOTED) -> str:
    """A foreign text for a line: escaped, and cut after `most` characters."""
    found = shown(text[: most + 1])
    return found if len(found) <= most else f"{found[:most]}..."


def _is_seen(char: str) -> bool:
    return char.isprintable() or char in JOINERS or category(char) == BLANKS


class _Escapes(dict[int, int | str]):
    """For `str.translate`. Only frequent characters are kept in memory: all of them could be a million."""

    def __init__(self, kept: str) -> None:
        super().__init__({code: ord(char) if (char := chr(code)) in kept else self[code] for code in range(256)})

    def __missing__(self, code: int) -> int | str:
        return code if _is_seen(chr(code)) else json.dumps(chr(code))[1:-1]


_PLAIN = _Escapes("")
_TABBED = _Escapes("\t")


def many(count: int, noun: str, more: bool = False) -> str:
    """A number and what it counts; `more`: there are more than were counted."""
    return f"{count:,}{'+' if more else ''} {noun}{'' if count == 1 and not more else 's'}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, in whatever case; None: none is like it."""
    import difflib  # it takes as long as all else here, and few ask

    words = {each.lower(): each for each, _ in zip(known, range(KNOWN), strict=False)}
    near = difflib.get_close_matches(word[:COMPARED].lower(), words, n=1)
    return words[near[0]] if near else None


def hint(word: str, known: Iterable[str]) -> str:
    """What to add to the words of a refusal: `; did you mean "cron"?`, or nothing."""
    meant = nearest(word, known)
    return "" if meant is None or meant == word else f'; did you mean "{meant}"?'
