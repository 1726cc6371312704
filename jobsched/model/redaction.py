"""Secret parameters, known by their names: their values are shown to the task alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import attrs

from .errors import Invalid, place

HIDDEN = "***"  # stands for a value
Value = TypeVar("Value")
NAMES = ("password", "token", "secret")
SHORTEST = 4  # characters of a value to be replaced in a text: a shorter value would spoil any text
LONGEST = 8192  # characters of a value that are waited for, where a text comes in pieces


def _plain(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)


@attrs.frozen
class Secrets:
    """Values that no text may show, the longest first."""

    values: tuple[str, ...] = attrs.field(default=(), converter=tuple[str, ...])

    def __call__(self, text: str) -> str:
        """The text with each value hidden, and else unchanged."""
        for value in self.values:
            text = text.replace(value, HIDDEN)
        return text

    def begun(self, text: str) -> int:
        """How many characters at the end of a text wait for what follows: they may be the beginning of a value, or of
        the `LONGEST` first characters of one. A cut before them divides no value."""
        cut = len(text) - max((_begun(value[: LONGEST + 1], text) for value in self.values), default=0)
        while across := [place for value in self.values if (place := _across(value, text, cut)) >= 0]:
            cut = min(across)
        return len(text) - cut


@attrs.frozen
class Redaction:
    """The names, in whatever case they are written."""

    names: frozenset[str] = attrs.field(default=NAMES, converter=_plain)

    def covers(self, name: str) -> bool:
        """Whether the value of a parameter of this name is secret."""
        return name.casefold() in self.names

    def shown(self, parameters: Mapping[str, Value]) -> dict[str, Value | str]:
        """Parameters as a caller may see them."""
        return {name: HIDDEN if self.covers(name) else value for name, value in parameters.items()}

    def meant(
        self, asked: Mapping[str, object], before: Mapping[str, object], moved: bool = False
    ) -> dict[str, object]:
        """The parameters that a caller means: `HIDDEN`, copied from an answer, stands for the secret value in `before`.

        Raises Invalid where `before` has no such value. Raises it too where the job is `moved` to another task and a
        secret is not given again: the other task might print the old value.
        """
        for name in before if moved else ():
            if self.covers(name) and asked.get(name, HIDDEN) == HIDDEN:
                raise Invalid("was given for another task and is not shown: give it again", place("parameters", name))
        if HIDDEN not in asked.values():
            return {**asked}
        copied = [name for name, value in asked.items() if value == HIDDEN and self.covers(name)]
        for name in copied:
            if name not in before:
                words = f"{HIDDEN} stands for a value that is kept and not shown, and there is none"
                raise Invalid(words, place("parameters", name))
        return {**asked, **{name: before[name] for name in copied}}

    def redact(self, parameters: Mapping[str, object]) -> Secrets:
        """What hides the secret values among these parameters in a text."""
        values = set(_texts(value for name, value in parameters.items() if self.covers(name)))
        return Secrets(sorted(values, key=lambda value: (-len(value), value)))


def _begun(value: str, text: str) -> int:
    start = max(len(text) - len(value) + 1, 0)
    while (start := text.find(value[0], start)) >= 0:
        if value.startswith(text[start:]):
            return len(text) - start
        start += 1
    return 0


def _across(value: str, text: str, cut: int) -> int:
    """Where in the text a value begins that a cut would divide, or -1."""
    return text.find(value, max(cut - len(value) + 1, 0), cut + len(value) - 1)


def _texts(values: Iterable[object]) -> Iterable[str]:
    """The values as they may be printed: plain, quoted by Python, line by line. True and false are no secrets."""
    for value in values:
        if not isinstance(value, bool):
            text = str(value)
            yield from (each for each in (text, repr(text)[1:-1], *text.split("\n")) if len(each) >= SHORTEST)


USUAL = Redaction()
