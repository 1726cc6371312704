"""What a crontab needs before it can be jobs: sections of the catalog, scripts, and the lines that go with them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ..formats.crontab import ENVIRONMENT, FIELDS, ID, QUOTES, command, unquoted
from ..formats.words import split
from ..model.cron import Cron
from ..model.errors import Invalid

OF_CRON: Final = frozenset({"MAILTO", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING", "CRON_TZ", "TZ",
                            "RANDOM_DELAY", "SHELL", "LOGNAME", "USER"})  # fmt: skip
SOMEWHERE: Final = "/path/to/"  # so begins a path in a section that only a person can fill in
TWICE: Final = re.compile(r'the id "([^"]+)" is there twice')
LINE: Final = re.compile(r"line (\d+)\b")
INPUT: Final = "END_OF_INPUT"
MOST_OF_NAME: Final = 40  # characters


@dataclass
class Proposal:
    """Files that would let the refused lines be jobs: a crontab, sections for the catalog, scripts by name."""

    crontab: str = ""
    sections: list[str] = field(default_factory=list)
    scripts: dict[str, str] = field(default_factory=dict)

    @property
    def catalog(self) -> str:
        """The sections, as a text to put behind the catalog."""
        return "".join(f"\n{section}\n" for section in self.sections)


def by_line(faults: Iterable[tuple[str, str]]) -> dict[int, list[str]]:
    """What is wrong, line by line; what has no line is left out."""
    found: dict[int, list[str]] = {}
    for place, detail in faults:
        if at := LINE.match(place):
            found.setdefault(int(at[1]), []).append(detail)
    return found


def is_job(line: str) -> bool:
    """Whether a line of a crontab is meant to be a job."""
    plain = line.strip()
    return bool(plain) and not plain.startswith("#") and ENVIRONMENT.fullmatch(plain) is None


def without(text: str, numbers: Iterable[int]) -> str:
    """The crontab with nothing in these lines, nor in the comments that name their jobs."""
    lines = text.split("\n")
    for number in numbers:
        lines[number - 1] = ""
        before = next((n for n in range(number - 2, -1, -1) if lines[n].strip()), None)
        if before is not None and ID.fullmatch(lines[before].strip()):
            lines[before] = ""
    return "\n".join(lines)


def propose(text: str, refused: Mapping[int, Sequence[str]], tasks: Iterable[str], users: bool) -> Proposal:
    """What would have to be, given why lines are refused and which tasks there are. `users`: there is their column."""
    return _Writer(refused, tasks, users).written(text)


class _Writer:
    """Goes through a crontab, line by line."""

    def __init__(self, refused: Mapping[int, Sequence[str]], tasks: Iterable[str], users: bool) -> None:
        self._refused = refused
        self._names = set(tasks)
        self._users = users
        self._made = Proposal()
        self._environment: dict[str, str] = {}
        self._known: dict[str, str] = {}  # body of a section -> its name

    def written(self, text: str) -> Proposal:
        lines: list[str] = []
        for number, raw in enumerate(text.split("\n"), 1):
            line = raw.strip()
            if setting := ENVIRONMENT.fullmatch(line):
                self._environment[setting[1].strip(QUOTES)] = unquoted(setting[2])
            instead = [raw] if number not in self._refused else list(self._instead(number, line))
            if number in self._refused and is_job(line) and instead[0].startswith("#"):
                _unname(lines)
            lines += instead
        return replace(self._made, crontab="\n".join(lines))

    def _instead(self, number: int, line: str) -> Iterator[str]:
        """The lines in the place of one that is refused."""
        why = self._refused[number]
        if not is_job(line):
            return self._aside(line, "it is in the scripts" if ENVIRONMENT.fullmatch(line) else why[0])
        fields = (1 if line.startswith("@") else FIELDS) + self._users
        parts = line.split(None, fields)
        if len(parts) <= fields:
            return self._aside(line, why[0])
        head, told = parts[:fields], parts[fields]
        try:
            Cron(expression=" ".join(head[: fields - self._users]), timezone="UTC")
        except Invalid as wrong:
            return self._aside(line, str(wrong))
        if again := TWICE.search(why[0]):
            return iter([f"# id: {self._another(again[1])}", line])
        sections = [each.partition("\n\n")[2] for each in why if "\n\n[" in each]
        of_known = [each for each in sections if "\nfile = " not in each]
        if of_known:
            for each in of_known:
                rows = ["in a section that is there:", *each.split("\n")]
                self._made.sections.append("\n".join(f"# {row}" for row in rows))
            return iter([line])
        if sections and SOMEWHERE not in sections[0]:
            return self._called(head, *self._section(sections[0]))
        if sections or not _plain(told):
            user = head[-1] if self._users else None
            return self._called(head, *self._script(number, line, told, user))
        return self._aside(line, why[0])

    def _aside(self, line: str, why: str) -> Iterator[str]:
        yield f"# {' '.join(why.partition(chr(10))[0].split())}"
        yield f"# {line}"

    def _called(self, head: Sequence[str], name: str, again: bool) -> Iterator[str]:
        if again:
            yield f"# id: {self._another(name)}"
        yield " ".join([*head, name])

    def _another(self, name: str) -> str:
        """An id that no line has: those that are not said are names of tasks."""
        self._names.add(name)
        return self._free(name)

    def _section(self, section: str) -> tuple[str, bool]:
        """Propose a section: its name, and whether another line asks for the same one."""
        head, _, body = section.partition("\n")
        if body in self._known:
            return self._known[body], True
        name = self._known[body] = self._free(head.strip("[]"))
        self._made.sections.append(f"[{name}]\n{body}")
        return name, False

    def _script(self, number: int, line: str, told: str, user: str | None) -> tuple[str, bool]:
        """Propose a script that does what a command says, and its section."""
        name = self._free(_stem(told))
        shell = self._environment.get("SHELL", "")
        rows = [f"#!{shell if shell.startswith('/') else '/bin/sh'}", f"# line {number}: {line}"]
        rows += [
            f"export {each}={shlex.quote(value)}" for each, value in self._environment.items() if each not in OF_CRON
        ]
        rows += ['cd "$HOME" || exit'] if "HOME" in self._environment else []
        self._made.scripts[f"{name}.sh"] = "\n".join([*rows, *_as_a_shell_has_it(told), ""])
        body = ["file = runscript.py", "class = RunScript", f"script = {name}.sh"] + (
            [f"user = {user}"] if user else []
        )
        self._made.sections.append("\n".join([f"[{name}]", *body]))
        return name, False

    def _free(self, stem: str) -> str:
        number, name = 1, stem
        while name in self._names:
            number += 1
            name = f"{stem}-{number}"
        self._names.add(name)
        return name


def _plain(told: str) -> bool:
    """Whether a command is words, with nothing in it for a shell."""
    try:
        words = split(command(told))
    except Invalid:
        return False
    return bool(words) and "=" not in words[0]


def _unname(lines: list[str]) -> None:
    """Let the comment that names the next job be one like any other: that job has another id, or stands aside."""
    last = next((n for n in range(len(lines) - 1, -1, -1) if lines[n].strip()), None)
    if last is not None and (named := ID.fullmatch(lines[last].strip())):
        lines[last] = f"# was id: {named[1]}"


def _stem(told: str) -> str:
    """A name for what a command runs."""
    words = [word for word in told.partition("%")[0].split() if "=" not in word] or ["task"]
    base = words[0].rpartition("/")[2].partition(".")[0].lower()
    return re.sub("[^a-z0-9]+", "-", base).strip("-")[:MOST_OF_NAME] or "task"


def _as_a_shell_has_it(told: str) -> Iterator[str]:
    r"""A command as cron gives it to a shell: behind `%` stands its input, line by line; `\%` is the sign itself."""
    pieces = [piece.replace(r"\%", "%") for piece in re.split(r"(?<!\\)%", told)]
    if len(pieces) == 1:
        yield pieces[0]
        return
    yield f"{pieces[0].rstrip()} <<'{INPUT}'"
    yield from pieces[1:]
    yield INPUT
