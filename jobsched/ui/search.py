"""The words of the field "find": `state:failing task:backup label:team=data night`. Pure functions."""

from __future__ import annotations

from typing import Final, get_args

import attrs

from ..model.errors import Invalid
from ..model.job import JobFilter, JobState
from ..model.job_list import JobOrder, words
from ..model.labels import Label

STATES: Final = (*get_args(JobState), "attention", "overdue", "failing")
KEYS: Final = ("state", "task", "label", "name")
LONGEST: Final = 400


@attrs.frozen
class Search:
    """What was typed, word by word: those with a key, and plain ones."""

    keyed: tuple[tuple[str, str], ...] = ()
    plain: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str) -> Search:
        """Raises Invalid."""
        if len(text) > LONGEST:
            raise Invalid(f"is longer than {LONGEST} characters", "?q")
        keyed, plain = [], []
        for word in text.split():
            key, sign, value = word.partition(":")
            if sign and key in KEYS and value:
                keyed.append((key, value))
            else:
                plain.append(word)
        return cls(tuple(dict.fromkeys(keyed)), tuple(dict.fromkeys(plain)))

    @property
    def chips(self) -> list[tuple[str, str]]:
        """Each part, and what is left when it is taken away."""
        parts = [*(f"{key}:{value}" for key, value in self.keyed), *self.plain]
        return [(part, " ".join(parts[:number] + parts[number + 1 :])) for number, part in enumerate(parts)]

    @property
    def labels(self) -> tuple[Label, ...]:
        """The labels that are asked for. Raises Invalid."""
        return tuple(Label.asked(value) for key, value in self.keyed if key == "label")

    def filter(self, order: JobOrder) -> JobFilter:
        """As the registry is asked. Raises Invalid."""
        found = JobFilter(words=words(" ".join(self.plain)), labels=self.labels, order=order)
        for key, value in self.keyed:
            found = _with(found, key, value)
        return found


def _with(found: JobFilter, key: str, value: str) -> JobFilter:
    if key == "task":
        return attrs.evolve(found, task=value)
    if key == "name":
        is_glob = "*" in value or "?" in value
        return attrs.evolve(found, names=value) if is_glob else attrs.evolve(found, name=value)
    if key == "label":
        return found
    if value == "attention":
        return attrs.evolve(found, needy=True)
    if value == "overdue":
        return attrs.evolve(found, overdue=True)
    if value == "failing":
        return attrs.evolve(found, failing=True)
    for state in get_args(JobState):
        if value == state:
            return attrs.evolve(found, state=state)
    raise Invalid(f"state:{value} is none of {', '.join(STATES)}", "?q")
