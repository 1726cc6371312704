"""What is known of the catalog: which command is a task of it, and which section another command would need."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any, Final

import attrs

from ..model.errors import Invalid
from ..model.printable import hint, printable
from .findings import Fault

NAME: Final = re.compile("([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
SHELLS: Final = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh", "env", "sudo", "su"})
MOST_ALIKE: Final = 5  # tasks that a refusal names
MOST_HINTS: Final = 50  # refusals of one text for which is looked what was meant: that takes long
LONGEST_WORD: Final = 100_000  # characters: all parameters of a job have fewer
LONGEST_SECTION: Final = 4000  # characters of what it would hold: each refusal of a text may have one


@attrs.frozen(kw_only=True)
class KnownTask:
    """A task of the catalog."""

    name: str
    parameters: tuple[str, ...] = ()  # names that a job may set
    argv: tuple[str, ...] = ()  # its program and what that is called with; none: it is no program
    user: str | None = None  # as whom it runs; None: nobody has said


@attrs.frozen
class Call:
    """A task with its parameters, as a command has asked for it."""

    task: str
    parameters: dict[str, Any]

    @property
    def fields(self) -> dict[str, object]:
        """The fields of a job that it stands for."""
        return {"task": self.task} | ({"parameters": self.parameters} if self.parameters else {})


class KnownTasks:
    """The tasks, by name and by program."""

    def __init__(self, tasks: Iterable[KnownTask] = ()) -> None:
        self._hints = 0
        self._tasks = {task.name: task for task in tasks}
        self._programs: dict[str, list[KnownTask]] = {}
        for task in self._tasks.values():
            if task.argv:
                self._programs.setdefault(task.argv[0], []).append(task)

    def call(self, words: Sequence[str], user: str | None = None) -> Call:
        """What a command asks for: the name of a task, or its program with its arguments, then NAME=value. `user`: as
        whom the command would run. Raises Fault, with the section that the catalog would need."""
        if not words:
            raise Fault("there is no command")
        if max(map(len, words)) > LONGEST_WORD:
            raise Fault(f"a word of a command has at most {LONGEST_WORD:,} characters")
        task, rest = self._found(words, user)
        if user is not None and task.user != user:
            runs = f"runs as {task.user}" if task.user else "says no user"
            raise Fault(
                f'the line is for the user "{user[:80]}", and the task {task.name} {runs} in the catalog',
                section=f"[{task.name}]\nuser = {user}" if _can_be_shown(user) else "",
            )
        parameters: dict[str, str] = {}
        for word in rest:
            self._take(task, word, parameters)
        return Call(task.name, parameters)

    def take(self, call: Call, name: str, value: str) -> None:
        """Give a call one more parameter, if its task has it. Raises Fault."""
        if len(name) + len(value) > LONGEST_WORD:
            raise Fault(f"a parameter has at most {LONGEST_WORD:,} characters")
        self._take(self._tasks[call.task], f"{name}={value}", call.parameters)

    def _found(self, words: Sequence[str], user: str | None) -> tuple[KnownTask, Sequence[str]]:
        first = words[0]
        if (task := self._tasks.get(first)) is not None:
            return task, words[1:]
        fits = [task for task in self._programs.get(first, ()) if tuple(words[: len(task.argv)]) == task.argv]
        longest = max((len(task.argv) for task in fits), default=0)
        best = [task for task in fits if len(task.argv) == longest]
        if len(best) > 1:
            names = ", ".join(sorted(task.name for task in best)[:MOST_ALIKE])
            raise Fault(f"it is the command of several tasks, {names}: write the name of the one that is meant")
        if best:
            return best[0], words[longest:]
        raise self._unknown(words, user)

    def _unknown(self, words: Sequence[str], user: str | None) -> Fault:
        first = words[0]
        if NAME.fullmatch(first):
            return Fault(f"{_shown(first)} stands where the name of a task has to; NAME=value comes behind it")
        why = f'"{_shown(first)}" is no task of the catalog{self._hint(first, self._tasks)}'
        base = first.rpartition("/")[2]
        if base in SHELLS:
            return Fault(f"{why}; put what it does into a script, and the script into the catalog",
                         section=self.section(("/path/to/script",), user))  # fmt: skip
        section = self.section(words, user)
        return Fault(f"{why}; it would need {'this section' if section else 'a section of its own'}", section=section)

    def _hint(self, word: str, known: Iterable[str]) -> str:
        self._hints += 1
        return hint(word, known) if self._hints <= MOST_HINTS else ""

    def section(self, words: Sequence[str], user: str | None = None) -> str:
        """The section of catalog.cfg by which a command would be a task; "": it cannot be shown."""
        if not _can_be_shown(*words, user or ""):
            return ""
        program = words[0] if words[0].startswith("/") else f"/path/to/{words[0].removeprefix('./')}"
        lines = [f"[{self._free(words[0])}]", "file = runscript.py", "class = RunScript", f"script = {program}"]
        lines += [f"arguments = {shlex.join(words[1:])}"] if words[1:] else []
        return "\n".join([*lines, f"user = {user}"] if user else lines)

    def _free(self, program: str) -> str:
        stem = re.sub("[^a-z0-9]+", "-", program.rpartition("/")[2].partition(".")[0].lower()).strip("-")[:40] or "task"
        number, name = 1, stem
        while name in self._tasks:
            number += 1
            name = f"{stem}-{number}"
        return name

    def _take(self, task: KnownTask, word: str, into: dict[str, str]) -> None:
        found = NAME.fullmatch(word)
        if found is None:
            raise Fault(
                f'"{_shown(word)}" is no NAME=value: what else a program is called with stands in its section, '
                "as arguments",
                section=self.section((*task.argv, word), task.user) if task.argv else "",
            )
        name = found[1]
        if name not in task.parameters:
            names = ", ".join((*task.parameters, name))
            why = f"the task {task.name} allows no parameter {_shown(name)}{self._hint(name, task.parameters)}"
            section = f"[{task.name}]\nparameters = {names}" if _can_be_shown(names) else ""
            raise Fault(f"{why}; its section would need" if section else why, section=section)
        if name in into:
            raise Fault(f"the parameter {_shown(name)} is given twice")
        into[name] = found[2]


def as_fault(why: Invalid) -> tuple[str, str]:
    """Words and section of a fault that was raised."""
    section = why.section if isinstance(why, Fault) else ""
    return why.detail.removesuffix(f"\n\n{section}") if section else why.detail, section


def _can_be_shown(*words: str) -> bool:
    """Whether words can be shown in a section: a line end would begin another option, or another section, and one that
    is very long would be copied by nobody."""
    return sum(map(len, words)) <= LONGEST_SECTION and all(printable(each) and each == each.strip() for each in words)


def _shown(word: str) -> str:
    return word if len(word) <= 80 else f"{word[:80]}..."
