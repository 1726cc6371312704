"""Command lines, split into the words that a shell or systemd would give a program; nothing is filled in."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from ..model.errors import Invalid

# What a shell would do something about. `~` counts at the begin of a word, `#` too.
OF_SHELLS: Final = frozenset("|&;<>()$`*?[]{}!")
AT_BEGIN: Final = frozenset("~#")
IN_DOUBLE: Final = frozenset("$`")
SILENT: Final = re.compile(r"(?:(?:[12&]?>>?\s*/dev/null|2>&1)\s*)+$")
PREFIXES: Final = "@-:+!|"  # of ExecStart
END: Final = 200  # characters of a line in which that is looked for
ESCAPED: Final = re.compile(r'\\([\\"$`])')
WORD: Final = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^'"\\\s]+|\s+|.""", re.DOTALL)


def split(line: str) -> list[str]:
    """The words of a command as `sh` would find them. Raises Invalid for whatever only a shell can carry out."""
    if found := SILENT.search(line[-END:]):
        raise Invalid(f'leave "{found[0].strip()}" out: what a run prints is kept, and shown to whoever asks')
    return _words(line, _plain)


def _words(line: str, plain: Callable[[str, bool], str]) -> list[str]:
    """The words of a line; `plain` is what a piece of one stands for, given whether it begins the word."""
    words: list[str] = []
    word: str | None = None
    for part in WORD.finditer(line):
        piece = part[0]
        if piece.isspace():
            words += [] if word is None else [word]
            word = None
        else:
            word = (word or "") + plain(piece, word is None)
    return words if word is None else [*words, word]


def _plain(piece: str, begins: bool) -> str:
    if piece[0] == "'" and len(piece) > 1:
        return piece[1:-1]
    if piece[0] == '"' and len(piece) > 1:
        inside = re.sub(r"\\.", "", piece[1:-1], flags=re.DOTALL)
        _refuse_any(IN_DOUBLE, inside)
        return ESCAPED.sub(r"\1", piece[1:-1])
    if piece in "'\"\\":
        raise Invalid(f"a quote ({piece}) is not closed" if piece != "\\" else "it ends with a backslash")
    if piece[0] == "\\":
        return piece[1]
    _refuse_any(OF_SHELLS, piece)
    if begins:
        _refuse_any(AT_BEGIN, piece[0])
    return piece


def _refuse_any(signs: frozenset[str], text: str) -> None:
    for sign in text:
        if sign in signs:
            raise Invalid(f'"{sign}" is for a shell, and none reads this; put it in quotes, or the whole into a script')


def split_systemd(line: str) -> list[str]:
    """The words of an assignment as systemd would find them. Raises Invalid for what only systemd can fill in."""
    return _words(line, lambda piece, _begins: _of_systemd(piece))


def _of_systemd(piece: str) -> str:
    quoted = len(piece) > 1 and piece[0] in "'\""
    text = piece[1:-1] if quoted else piece
    if not quoted and piece[0] in "'\"":
        raise Invalid(f"a quote ({piece}) is not closed")
    if "\\" in re.sub(r"""\\[\\"']""", "", text):
        raise Invalid("of escapes only those of quotes and backslashes are understood")
    text = re.sub(r"""\\([\\"'])""", r"\1", text)
    for sign in "%$":
        if sign in text.replace(2 * sign, ""):
            raise Invalid(f"systemd fills in what follows {sign}; nothing does here, and {2 * sign} is the sign itself")
        text = text.replace(2 * sign, sign)
    return text


def without_prefix(words: list[str]) -> list[str]:
    """The words of ExecStart. Raises Invalid for signs before the program, and for a second command."""
    if words and words[0][:1] in PREFIXES and words[0][:1]:
        raise Invalid(f'"{words[0][0]}" before a program has no counterpart: the catalog says how a task runs')
    if ";" in words:
        raise Invalid("a job is one command: put the others into its script")
    return words
