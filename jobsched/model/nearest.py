"""The known word that somebody meant who wrote another: for `did you mean` in a refusal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 80  # characters of what was written that are looked at, and shown
MOST = 500  # known words that are looked through: a refusal must not cost more than what was asked for


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, in whatever case; None: none is like it."""
    words = {each.lower(): each for each, _ in zip(known, range(MOST), strict=False)}
    near = difflib.get_close_matches(word[:LONGEST].lower(), words, n=1)
    return words[near[0]] if near else None


def hint(word: str, known: Iterable[str]) -> str:
    """What to add to the words of a refusal: `; did you mean "cron"?`, or nothing."""
    meant = nearest(word, known)
    return "" if meant is None or meant == word else f'; did you mean "{meant}"?'
