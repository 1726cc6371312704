"""What a text of TOML may hold of one kind: tomllib looks through a line, or through a text between ''', in one go and
with Python's lock held."""

from __future__ import annotations

import re
from io import StringIO
from typing import Final

from ..model.errors import Invalid
from .findings import Fault

MOST_STEPS: Final = 20_000_000  # through the parts of names: see `_steps`
LONGEST: Final = 1_000_000  # characters of a line, and of a text between '''
LITERAL, BASIC = "'''", '"""'
PIECE: Final = 65_536  # characters that are looked through at once
START: Final = re.compile("""[#"']""")
TOKEN: Final = re.compile(r"""#[^\n]*+|'{3}|"{3}|'[^'\n]*+'?|"(?:[^"\\\n]++|\\.)*+"?""")


def check(text: str) -> None:
    """Raises Invalid for what would be read too slowly."""
    if _steps(text) > MOST_STEPS:
        raise Invalid("it has too many dots in a line: names of so many parts are not read")
    if _has_a_gap(text) and (at := _long_literal(text)) is not None:
        line = text.count("\n", 0, at) + 1
        raise Fault(f"a text between ''' has at most {LONGEST:,} characters", f"line {line}")


def _steps(text: str) -> int:
    """About how many steps the parser takes for names of several parts: the square of a line's, and for each name in a
    table those of the table's name again. Raises Fault for a line that is too long."""
    steps = table = 0
    for number, line in enumerate(StringIO(text, newline="\n"), 1):
        if len(line) > LONGEST:
            raise Fault(f"a line has at most {LONGEST:,} characters", f"line {number}")
        dots = line.count(".")
        if line.lstrip().startswith("["):
            table = dots
        steps += dots**2 + table * (dots + 1)
    return steps


def _has_a_gap(text: str) -> bool:
    """Whether two ''' are so far from each other that there may be a long text between them: nearly always there are
    none, and this is found out fast."""
    at = text.find(LITERAL)
    while (end := text.find(LITERAL, at + 3)) > at >= 0:
        if end - at > LONGEST:
            return True
        at = end
    return False


def _long_literal(text: str) -> int | None:
    """Where a text between ''' begins that is too long; None: there is none."""
    at = 0
    while at < len(text):
        start = START.search(text, at, at + PIECE)
        token = start and TOKEN.match(text, start.start())
        if token is None:
            at += PIECE
            continue
        at = token.end()
        if token[0] in (LITERAL, BASIC):
            end = _end(text, at, token[0])
            if token[0] == LITERAL and end - at > LONGEST:
                return token.start()
            at = end + 3
            while at < end + 5 and text.startswith(token[0][0], at):  # up to two more are of the text
                at += 1
    return None


def _end(text: str, begin: int, quotes: str) -> int:
    """Where the next such quotes are that are not escaped."""
    while (end := text.find(quotes, begin)) >= 0:
        back = end
        while quotes == BASIC and text[back - 1] == "\\":
            back -= 1
        if (end - back) % 2 == 0:
            return end
        begin = end + 1
    return len(text)
