"""Lists of jobs: MongoDB is asked for the jobs that may fit, and these are looked at, sorted and cut here. So a page
takes longer the more jobs there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from ...model.caller import is_among
from ...model.cron import Cron
from ...model.errors import Ambiguous, NotFound, no_job
from ...model.ids import EPOCH, MICROSECOND
from ...model.job import Job, JobFilter, JobView
from ...model.job_list import LAST_AMONG, ListPlace, Sort
from ...model.page import Cursor, Page, cut
from ...model.run import COUNTED, FAILING
from ...model.trigger import At, Interval
from ...model.upcoming import Planned, PlannedFilter, Stop
from . import holds, jobs, views
from .documents import Document, instant_of, instant_to_number
from .run_lists import must_be_known
from .transaction import Transaction

CANDIDATES: Final = 10  # of jobs that share a name
NEVER: Final = 2**62  # behind every instant
NEVER_TOOK: Final = -1  # before every length of time
VALUES: Final[Mapping[Sort, int]] = {"state": 2, "task": 2, "when": 3}  # that a place has before the id; else one
CALM: Final = 9
APART: Final = 2**58  # between two urgencies; an instant is less, to the end of the year 9999
_URGENCY: Final[Mapping[str, int]] = {"lost": 1, "failed": 2, "timed_out": 2, "missed": 3}
_STATES: Final = ("scheduled", "paused", "ended")
_WEIGHED: Final = ("parameters", "require", "notify", "labels", "description")

Key = tuple[int | str, ...]


def page(
    transaction: Transaction, limit: int, after: str, only: JobFilter, room: int, now: datetime
) -> Page[JobView]:  # fmt: skip
    """As `Jobs.page`."""
    sort, back = only.order.sort, only.order.back
    begin = _place(transaction, sort, after) if after else None
    if after and begin is None:
        return Page([], more=False)
    found = [(_key(transaction, sort, job), job, heavy) for job, heavy in _fitting(transaction, only)]
    found = [each for each in found if begin is None or (each[0] < begin if back else each[0] > begin)]
    found.sort(key=lambda each: each[0], reverse=back)
    ids, more = cut(((job.id, heavy) for _, job, heavy in found), limit, room)
    shown = found[: len(ids)]
    return Page(
        [views.view(transaction, job, now, place=_text(sort, key), activity=only.activity) for key, job, _ in shown],
        more,
    )


def named(transaction: Transaction, text: str, tasks: tuple[str, ...] | None) -> str:
    """As `Jobs.named`."""
    with suppress(NotFound):
        must_be_known(transaction, text, tasks)
        return text
    found = sorted((job.created, job.id) for job, _ in _fitting(transaction, JobFilter(name=text, tasks=tasks)))
    ids = tuple(job_id for _, job_id in found)
    if not ids:
        raise no_job(text)
    if len(ids) > 1:
        told = ids[:CANDIDATES]
        rest = " and more" if len(ids) > CANDIDATES else ""
        raise Ambiguous(f"several jobs are named {text!r}, give an id: {', '.join(told)}{rest}", told)
    return ids[0]


def planned(transaction: Transaction, only: PlannedFilter, most: int) -> list[Planned]:
    """As `Jobs.planned`."""
    hold = holds.last(transaction)
    asked = JobFilter(task=only.task, labels=only.labels, tasks=only.tasks)
    soon: Document = {"next_due": {"$lt": instant_to_number(only.end)}}
    if only.job_id is not None:
        soon["_id"] = only.job_id
    found = [
        Planned(
            id=job.id,
            name=job.name,
            task=job.task,
            schedule=job.schedule,
            timezone=job.timezone,
            next_due=job.next_due,
            left=None if job.max_runs is None else max(job.max_runs - job.starts, 1),
            stops=(
                *([] if job.pause is None else [Stop.of_pause(job.pause)]),
                *([Stop.of_hold(hold)] if hold is not None and hold.stops(job) else []),
            ),
        )
        for job, _ in _fitting(transaction, asked, soon)
        if job.next_due is not None and (not job.paused or (job.pause is not None and job.pause.until is not None))
    ]
    return sorted(found, key=lambda job: (job.next_due, job.id))[:most]


def _fitting(transaction: Transaction, only: JobFilter, more: Document | None = None) -> Iterator[tuple[Job, int]]:
    """The jobs that are asked for, each with the weight of its varying parts."""
    given = {"name": only.name, "task": only.task}
    which = {name: value for name, value in given.items() if value is not None} | (more or {})
    for document in transaction.find("jobs", which):
        job = jobs.from_document(document)
        if _fits(job, only) and _is_in_need(transaction, job, only):
            yield job, sum(len((document.get(name) or "").encode()) for name in _WEIGHED)


def _is_in_need(transaction: Transaction, job: Job, only: JobFilter) -> bool:
    """Whether the job is as badly off as is asked for."""
    if not only.failing and (not only.needy or job.overdue is not None):
        return True
    return _last_counted(transaction, job.id).get("state") in FAILING


def _fits(job: Job, only: JobFilter) -> bool:
    about = job.about
    texts = [job.name, job.task, about.description or "", *(f"{name}={value}" for name, value in about.labels.items())]
    lowered = [text.lower() for text in texts]
    return (
        is_among(job.task, only.tasks)
        and (only.names is None or is_among(job.name, (only.names,)) or is_among(job.id, (only.names,)))
        and only.state in (None, job.state)
        and (only.overdue is None or only.overdue == (job.overdue is not None))
        and all(label.fits(about.labels) for label in only.labels)
        and all(any(word.lower() in text for text in lowered) for word in only.words)
    )


def _last_ended(transaction: Transaction, job_id: str) -> Document:
    """The newest run of a job that has ended."""
    return transaction.first("runs", {"job_id": job_id, "ended": {"$ne": None}}, [("_id", -1)]) or {}


def _last_counted(transaction: Transaction, job_id: str) -> Document:
    """The newest that counts, for good or bad."""
    return transaction.first("runs", {"job_id": job_id, "state": {"$in": list(COUNTED)}}, [("_id", -1)]) or {}


def _key(transaction: Transaction, sort: Sort, job: Job) -> Key:
    next_due = NEVER if job.next_due is None else instant_to_number(job.next_due)
    of: dict[Sort, Callable[[], Key]] = {
        "id": tuple,
        "created": lambda: (instant_to_number(job.created),),
        "name": lambda: (job.name,),
        "next_due": lambda: (next_due,),
        "state": lambda: (_STATES.index(job.state), next_due),
        "last_ended": lambda: (int(_last_ended(transaction, job.id).get("ended", 0)),),
        "attention": lambda: (_attention(transaction, job),),
        "when": lambda: _rule(job),
        "took": lambda: (_took(transaction, job.id),),
        "task": lambda: (job.task, job.name),
    }
    return (*of[sort](), job.id)


def _attention(transaction: Transaction, job: Job) -> int:
    """How urgent it is, and within that what came last; the rest by the next due."""
    if job.overdue is not None:
        return -instant_to_number(job.overdue)
    last = _last_counted(transaction, job.id)
    if last.get("state") in _URGENCY:
        return _URGENCY[last["state"]] * APART - int(last["ended"])
    return (CALM + 1) * APART - 1 if job.next_due is None else CALM * APART + instant_to_number(job.next_due)


def _rule(job: Job) -> tuple[int, int, str]:
    """Intervals by their length, cron rules by their text, what runs once by its instant."""
    trigger = job.schedule.trigger
    if isinstance(trigger, Interval):
        return 0, trigger.every // MICROSECOND, ""
    if isinstance(trigger, Cron):
        return 1, 0, trigger.expression
    return 2, instant_to_number(trigger.instant) if isinstance(trigger, At) else 0, ""


def _took(transaction: Transaction, job_id: str) -> int:
    newest = transaction.find("runs", {"job_id": job_id}, [("_id", -1)], LAST_AMONG, {"started": 1, "ended": 1})
    both = ((run.get("started"), run.get("ended")) for run in newest)
    return next((max(end - begin, 0) for begin, end in both if begin is not None and end is not None), NEVER_TOOK)


def _place(transaction: Transaction, sort: Sort, text: str) -> Key | None:
    """The key behind which the list goes on; None: nowhere. Raises Invalid."""
    if sort == "id":
        return (text,)
    if sort != "created":
        place = ListPlace.of(text, VALUES.get(sort, 1))
        return (*place.values, place.job_id)
    cursor = Cursor.of(text)
    created = None if cursor is None else _creation(transaction, cursor)
    return None if cursor is None or created is None else (instant_to_number(created), cursor.job_id)


def _creation(transaction: Transaction, place: Cursor) -> datetime | None:
    """When the job of a place was made, which may be gone; None: nobody knows."""
    if place.created is not None:
        return place.created
    for name in ("jobs", "former_jobs"):
        if (found := transaction.first(name, {"_id": place.job_id})) is not None:
            return instant_of(found["created"])
    return place.otherwise


def _text(sort: Sort, key: Sequence[int | str]) -> str:
    *values, job_id = key
    if sort == "created":
        return Cursor(str(job_id), EPOCH + int(values[0]) * MICROSECOND).text
    return str(ListPlace(tuple(values), str(job_id))) if values else str(job_id)
