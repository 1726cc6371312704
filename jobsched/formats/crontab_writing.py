"""Jobs as crontab files, as far as these can say them: nothing of a job is left out without a word."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypedDict, cast

from ..model.errors import Invalid, place
from ..model.printable import printable
from .crontab import LONGEST_LINE, MOST_DELAY, NO_JOBS
from .known_tasks import NAME

SAID: Final = frozenset({"id", "task", "cron", "timezone", "parameters", "jitter"})
OURS: Final = re.compile(r"[LW#]", re.IGNORECASE)  # signs of days that crons do not know
NAMES: Final = re.compile("MON|TUE|WED|THU|FRI|SAT|SUN|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC", re.IGNORECASE)


class Said(TypedDict, total=False):
    """The fields of a job that have a place in a crontab."""

    id: str
    task: str
    cron: str
    timezone: str
    parameters: dict[str, object]
    jitter: float


def unsayable(job: Mapping[str, object]) -> Iterator[Invalid]:
    """Why a job cannot be a line of a crontab: each field, with its pointer in the job."""
    for name in sorted(job.keys() - SAID):
        yield Invalid(f"{name} has no place in a crontab", place(name))
    said = cast(Said, job)
    cron = said.get("cron")
    if cron is None:
        yield Invalid("a crontab has only cron schedules", "/cron")
    elif " ".join(cron.split()) != cron or len(cron.split()) not in (1, 5):
        yield Invalid("a crontab has five fields with one blank between them", "/cron")
    elif not cron.startswith("@") and OURS.search(NAMES.sub("", cron)):
        yield Invalid("L, W and # are not for crontabs", "/cron")
    jitter = said.get("jitter", 0)
    if jitter % 60 or jitter > MOST_DELAY * 60:
        yield Invalid(f"a crontab has RANDOM_DELAY, in whole minutes up to {MOST_DELAY}", "/jitter")
    yield from _unsayable_command(said)


def _unsayable_command(job: Said) -> Iterator[Invalid]:
    if not printable(job["task"]):
        yield Invalid("a crontab has printable text alone", "/task")
    for name, value in job.get("parameters", {}).items():
        if not isinstance(value, str) or not NAME.fullmatch(f"{name}="):
            yield Invalid("a parameter in a crontab is NAME=text", place("parameters", name))
        elif not printable(value):
            yield Invalid("a crontab has printable text alone", place("parameters", name))
    if len(_line(job)) > LONGEST_LINE:
        yield Invalid(f"a line of a crontab has at most {LONGEST_LINE:,} characters", "")


def written(jobs: Sequence[Mapping[str, object]], withheld: Mapping[str, Sequence[str]]) -> str:
    """The file; at its end no variable is in force, so several behind one another are one again."""
    lines: list[str] = []
    said = unset = {"CRON_TZ": "", "RANDOM_DELAY": "0"}
    for job in cast(Sequence[Said], jobs):
        wanted = {"CRON_TZ": job.get("timezone", ""), "RANDOM_DELAY": str(int(job.get("jitter", 0)) // 60)}
        lines += [f"{name}={value}" for name, value in wanted.items() if said[name] != value]
        said = wanted
        lines += [f"# withheld: {pointer}" for pointer in withheld.get(job["id"], ())]
        lines += [f"# id: {job['id']}", _line(job)]
    lines += [f"{name}={value}" for name, value in unset.items() if said[name] != value]
    return "\n".join([*(lines or [NO_JOBS]), ""])


def _line(job: Said) -> str:
    words = [job["task"], *(f"{name}={value}" for name, value in sorted(job.get("parameters", {}).items()))]
    return f"{job.get('cron')} {' '.join(map(_quoted, words))}"


def _quoted(word: str) -> str:
    r"""A word for a shell behind cron, which takes `%` for a line end unless it is `\%`."""
    return r"\%".join(shlex.quote(piece) if piece else "" for piece in word.split("%")) or "''"
