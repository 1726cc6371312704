"""Crontab files: lines of five fields and a command, environment, and comments of which `# id: NAME` names a job."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from io import StringIO
from typing import Final

import attrs

from ..model import ids, zone
from ..model.cron import Cron
from ..model.errors import Invalid
from . import words
from .findings import BadJobs, Findings
from .known_tasks import Call, KnownTasks, as_fault

ENVIRONMENT: Final = re.compile(r"""("[^"]*"|'[^']*'|[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)""", re.DOTALL)
ID: Final = re.compile(r"#\s*id:\s*(\S+)", re.IGNORECASE)
NO_JOBS: Final = "# jobs: none"  # a line that says: an empty set is meant
FIELDS: Final = 5
QUOTES: Final = "'" + '"'
LONGEST_LINE: Final = 100_000  # characters
LONGEST_ID: Final = 48  # characters of a task's name that an id begins with
MOST_DELAY: Final = 24 * 60  # minutes

# Variables for cron or for its shell, which have nothing to say here; why.
LEFT_ASIDE: Final[Mapping[str, str]] = {
    "SHELL": "no shell reads the commands",
    "PATH": "a task's program has its path in the catalog",
    "HOME": "a task's directory is in the catalog",
    "LOGNAME": "a task's user is in the catalog",
    "USER": "a task's user is in the catalog",
    "MAILTO": "nothing is mailed but what the `notify` of a job asks for",
    "MAILFROM": "NOTIFY_MAIL says whom mail comes from",
    "CONTENT_TYPE": "nothing is mailed but notifications",
    "CONTENT_TRANSFER_ENCODING": "nothing is mailed but notifications",
}


@attrs.define
class _State:
    """What the lines before say of the next one."""

    timezone: str | None = None  # None: that of new jobs
    jitter: int = 0  # seconds
    job_id: tuple[str, int] | None = None  # named by a comment, and the line of that


def read(text: str, found: Findings, tasks: KnownTasks, users: bool = False) -> None:
    """Read a crontab; `users`: with the column of /etc/crontab that says as whom a line runs."""
    state, empty, before = _State(), False, found.faults
    jobs = 0
    for number, raw in enumerate(StringIO(text, newline="\n"), 1):
        where, line = f"line {number}", raw.strip()
        if len(line) > LONGEST_LINE:
            found.refuse(where, f"a line has {LONGEST_LINE:,} characters at most")
        elif named := ID.fullmatch(line):
            _unused(state, found)
            state.job_id = named[1], number
        elif line.startswith("#"):
            empty = empty or line == NO_JOBS
        elif line:
            jobs += _line(line, where, state, found, tasks, users)
    _unused(state, found)
    if not jobs and not empty and found.faults == before:
        found.refuse("line 1", f'there is no job in it; an empty set has a line "{NO_JOBS}"')


def _unused(state: _State, found: Findings) -> None:
    if state.job_id is not None:
        found.refuse(f"line {state.job_id[1]}", f'no job follows the id "{state.job_id[0][:80]}"')
        state.job_id = None


def _line(line: str, where: str, state: _State, found: Findings, tasks: KnownTasks, users: bool) -> int:
    """Read an environment line, or that of a job; how many jobs it has."""
    try:
        if "\0" in line:
            raise Invalid("a line holds no NUL character")
        if setting := ENVIRONMENT.fullmatch(line):
            _set(setting[1].strip(QUOTES), unquoted(setting[2]), where, state, found)
            return 0
        named, state.job_id = state.job_id, None
        job, call = _job(line, tasks, users)
        if state.timezone is not None:
            job["timezone"] = state.timezone
        if state.jitter:
            job["jitter"] = state.jitter
        Cron(expression=str(job["cron"]), timezone=state.timezone or "UTC")
        found.add(where, {"id": made_id(call) if named is None else named[0], **job})
    except BadJobs:
        raise
    except Invalid as why:
        if len(why.all) > 1:
            with found.noting(where):
                raise
        found.refuse(where, *as_fault(why))
    return 1


def _set(name: str, value: str, where: str, state: _State, found: Findings) -> None:
    """Follow an environment line. Raises Invalid."""
    if name == "CRON_TZ":
        if value:
            zone.find(value)
        state.timezone = value or None
    elif name == "TZ":
        if value != state.timezone:
            raise Invalid("TZ is the zone of schedules for some crons, of commands for others: write CRON_TZ")
    elif name == "RANDOM_DELAY":
        if not re.fullmatch("[0-9]{1,4}", value) or int(value) > MOST_DELAY:
            raise Invalid(f"RANDOM_DELAY is a number of minutes up to {MOST_DELAY}")
        state.jitter = int(value) * 60
    elif name in LEFT_ASIDE:
        if value:
            found.note(where, f"{name} is left aside: {LEFT_ASIDE[name]}")
    else:
        raise Invalid(
            f"{name[:80]} is a variable for commands, and a task has only parameters: write {name[:80]}=... behind its "
            "name, and let the catalog allow that"
        )


def unquoted(value: str) -> str:
    """The value of an environment line, without quotes around it."""
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in QUOTES
    return value[1:-1] if quoted else value


def _job(line: str, tasks: KnownTasks, users: bool) -> tuple[dict[str, object], Call]:
    """The fields that a line says. Raises Invalid."""
    fields = 1 if line.startswith("@") else FIELDS
    parts = line.split(None, fields + users)
    if len(parts) <= fields + users:
        raise Invalid(f"a line has {_shape(fields, users)}, and this one has only {len(parts)} parts")
    user = parts[fields] if users else None
    call = tasks.call(words.split(command(parts[-1])), user)
    return {"cron": " ".join(parts[:fields]), **call.fields}, call


def _shape(fields: int, users: bool) -> str:
    when = "a word such as @daily" if fields == 1 else "five fields (minute, hour, day of month, month, day of week)"
    return f"{when}{', a user' if users else ''} and a command"


def command(text: str) -> str:
    r"""A command as cron passes it on: `\%` is a percent sign. Raises Invalid for one that begins an input."""
    for sign in re.finditer(r"(?<!\\)(\\*)%", text):  # from the first backslash: not from each again
        if len(sign[1]) % 2 == 0:
            raise Invalid(
                r'what stands behind "%" is for the standard input, and a task has none; \% is the sign itself'
            )
    return text.replace(r"\%", "%")


def made_id(call: Call) -> str:
    """The id of a job that has no comment with one: the name of its task, and a hash of its parameters if it has any.
    So it stays the same when its schedule changes, or the order of the lines."""
    stem = re.sub("[^a-z0-9._-]+", "-", call.task.lower()).strip("-")[:LONGEST_ID]
    plain = stem == call.task and ids.is_word(stem)
    if not ids.is_word(stem):
        stem = f"job-{stem}".rstrip("-")
    told = [call.task, *(f"{name}={value}" for name, value in sorted(call.parameters.items()))]
    if plain and not call.parameters:
        return stem
    return f"{stem}-{hashlib.blake2b(chr(0).join(told).encode('utf-8', 'surrogatepass'), digest_size=4).hexdigest()}"
