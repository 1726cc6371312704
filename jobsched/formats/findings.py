"""What a text of jobs holds: entries, what was left aside and everything that is wrong, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import attrs

from ..model.errors import Conflict, Invalid, place, within
from ..model.ids import check_job_id
from ..model.set_rules import must_be_few

MOST_FAULTS: Final = 1000  # that are told of one text: behind the last of them nothing is looked at
MOST_NOTES: Final = 1000
MOST_VALUES: Final = 1_000_000  # texts, numbers, lists and objects of one text: 10,000 jobs have some 300,000
MOST_CHARACTERS: Final = 32 * 1024 * 1024  # of a text with all that it repeats by a name: a small one can say very much
MOST_OF_ONE: Final = 50_000  # names and values of one job: what looks through it all at once takes some 10 ms
LONGEST_WORDS: Final = 200  # characters of what a parser says, which may repeat a name of any length
MOST_IN_WORDS: Final = 3  # faults that the one line of an error tells

_MANY: Final = (dict, list)  # kinds of values that hold others


@attrs.frozen
class Entry:
    """One job, as the body of `PUT /jobs/ID` has it, and where it stands: `line 12`, `/jobs/3`, `backup.timer`."""

    place: str
    job: dict[str, Any]  # JSON values; `id` is there

    def at(self, pointer: str) -> str:
        """The place of a field, given its pointer (RFC 6901) in the job: `/jobs/3/cron`, `line 12 /cron`."""
        return within(self.place, pointer)


@attrs.frozen
class Note:
    """Something that was left aside on purpose, and why."""

    place: str
    detail: str


@attrs.frozen
class Jobs:
    """The jobs of a text, in its order, each id once; `notes`: what was left aside."""

    entries: tuple[Entry, ...]
    notes: tuple[Note, ...] = ()


class Fault(Invalid):
    """One thing that is wrong. `pointer`: its place; `section`: what the catalog would need to have, or nothing."""

    def __init__(self, detail: str, pointer: str = "", more: Sequence[Invalid] = (), section: str = "") -> None:
        self.section = section
        super().__init__(f"{detail}\n\n{section}" if section else detail, pointer, more)


class BadJobs(Invalid):
    """A text of jobs of which nothing is taken: `all` has each fault, its text is one line with the first of them."""

    def __init__(self, faults: Sequence[Invalid]) -> None:
        self._faults = tuple(faults)
        super().__init__(self._faults[0].detail, self._faults[0].pointer, self._faults[1:])

    @property
    def all(self) -> tuple[Invalid, ...]:
        return self._faults

    def __str__(self) -> str:
        return _all_in_words(self._faults)


class Unsayable(Conflict):
    """Jobs that a format cannot say whole; `all` names each job with the field."""

    def __init__(self, kind: str, faults: Sequence[Invalid]) -> None:
        self.all = tuple(faults)
        super().__init__(f"{kind} cannot say it: {_all_in_words(self.all)}")


class Findings:
    """Gathers what is found in a text, and gives it whole or not at all."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = labels  # that each job of the set is to have
        self._entries: list[Entry] = []
        self._notes: list[Note] = []
        self._faults: list[Invalid] = []
        self._places: dict[str, str] = {}  # id -> where it stands

    def add(self, where: str, job: dict[str, object]) -> None:
        """Take a job, if it has an id of its own. Raises BadJobs where it is one more than a set may have."""
        job_id = job.get("id")
        if not isinstance(job_id, str):
            self.refuse(within(where, "/id"), "id is missing" if job_id is None else "id is text")
            return
        with self.noting(where):
            check_job_id(job_id)
            must_be_small(job)
        if job_id in self._places:
            self.refuse(where, f'the id "{job_id[:80]}" is there twice: at {self._places[job_id]} and at {where}')
        self._places.setdefault(job_id, where)
        if self._labels:
            self._label(where, job)
        self._entries.append(Entry(where, job))
        try:
            must_be_few(len(self._entries), more=True)
        except Invalid as why:  # nobody is kept waiting for the others
            raise BadJobs([*self._faults, Fault(why.detail, where)]) from None

    def refuse(self, where: str, detail: str, section: str = "") -> None:
        """Note a fault. Raises BadJobs when there are too many to go on."""
        self._faults.append(Fault(detail, where, section=section))
        if len(self._faults) >= MOST_FAULTS:
            self._faults.append(Fault(f"these are {MOST_FAULTS} faults; what comes behind was not looked at", where))
            raise BadJobs(self._faults)

    def note(self, where: str, detail: str) -> None:
        """Note what is left aside."""
        if len(self._notes) < MOST_NOTES:
            self._notes.append(Note(where, detail))

    @contextmanager
    def noting(self, where: str) -> Iterator[None]:
        """Note the faults that are raised within, and go on behind it."""
        try:
            yield
        except BadJobs:
            raise
        except Invalid as why:
            for each in why.all:
                self.refuse(within(where, each.pointer), each.detail)

    @property
    def jobs(self) -> int:
        """How many there are so far."""
        return len(self._entries)

    @property
    def faults(self) -> int:
        """How many there are so far."""
        return len(self._faults)

    @property
    def faults_so_far(self) -> tuple[Invalid, ...]:
        """What is wrong so far."""
        return tuple(self._faults)

    def finish(self) -> Jobs:
        """All that was found. Raises BadJobs."""
        if self._faults:
            raise BadJobs(self._faults)
        return Jobs(tuple(self._entries), tuple(self._notes))

    def _label(self, where: str, job: dict[str, object]) -> None:
        own = job.get("labels") or {}
        if not isinstance(own, dict):
            return  # whoever takes the job says so
        for name, value in self._labels.items():
            if own.get(name, value) != value:
                self.refuse(within(where, place("labels", name)), f'the set is of the label {name}="{value}"')
        job["labels"] = {**own, **self._labels}


def must_be_small(job: Mapping[str, object]) -> None:
    """Raises Invalid for a job that holds more than any can."""
    count, inside = 0, list[Any]([job])
    while inside:
        whole = inside.pop()
        count += len(whole)
        if count > MOST_OF_ONE:
            raise Invalid(f"a job holds at most {MOST_OF_ONE:,} values")
        inside += [each for each in (whole.values() if isinstance(whole, dict) else whole) if isinstance(each, _MANY)]


def _all_in_words(faults: Sequence[Invalid]) -> str:
    told = [_in_words(each) for each in faults[:MOST_IN_WORDS]]
    left = len(faults) - len(told)
    return "; ".join([*told, f"and {left} more"] if left else told)


def _in_words(fault: Invalid) -> str:
    line = " ".join(fault.detail.partition("\n\n")[0].split())
    return f"{fault.pointer}: {line}" if fault.pointer else line
