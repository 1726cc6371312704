"""Secret parameters, known by their names: their values are shown to the task alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import attrs

from .errors import Invalid, place

HIDDEN = "***"  # stands for a value
Value = TypeVar("Value")
NAMES = ("password", "token", "secret")
SHORTEST = 4  # characters of a value to be replaced in a text: a shorter value would spoil any text


def _plain(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)


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
        copied = [name for name, value in asked.items() if value == HIDDEN and self.covers(name)]
        for name in copied:
            if name not in before:
                words = f"{HIDDEN} stands for a value that is kept and not shown, and there is none"
                raise Invalid(words, place("parameters", name))
        return {**asked, **{name: before[name] for name in copied}}

    def redact(self, parameters: Mapping[str, object]) -> Callable[[str], str]:
        """A function that hides the secret values among these parameters in a text; other text is unchanged."""
        values = set(_texts(value for name, value in parameters.items() if self.covers(name)))
        longest_first = sorted(values, key=lambda value: (-len(value), value))

        def redacted(text: str) -> str:
            for value in longest_first:
                text = text.replace(value, HIDDEN)
            return text

        return redacted


def _texts(values: Iterable[object]) -> Iterable[str]:
    """The values as they may be printed: plain, quoted by Python, line by line. True and false are no secrets."""
    for value in values:
        if not isinstance(value, bool):
            text = str(value)
            yield from (each for each in (text, repr(text)[1:-1], *text.split("\n")) if len(each) >= SHORTEST)


USUAL = Redaction()
