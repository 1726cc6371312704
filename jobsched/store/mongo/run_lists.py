"""Lists of runs, and how many there are of each state. What MongoDB cannot be asked is looked at run by run."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Final

from ...model.caller import is_among
from ...model.errors import no_job
from ...model.run import Run, RunFilter, State
from ...model.run_counts import MOST_RUNS, MOST_STRETCHES, Stretch, Tally
from . import jobs
from .documents import Document, from_document, instant_of, instant_to_number
from .transaction import Transaction

AT_ONCE: Final = 500  # runs that are looked at
_COUNTED: Final = {"state": 1, "due": 1, "until": 1, "count": 1, "task": 1}


def page(transaction: Transaction, limit: int, before: str | None, only: RunFilter) -> list[Run]:
    """As `Runs.page`."""
    found = list(islice(_newest(transaction, before, only, limit), limit))
    if only.job_id is not None and not found:
        must_be_known(transaction, only.job_id, only.tasks)
    return found


def _newest(transaction: Transaction, before: str | None, only: RunFilter, limit: int) -> Iterator[Run]:
    which = _asked(transaction, only) | _in_time(only)
    some = limit if only.tasks is None else AT_ONCE
    while True:
        older = which if before is None else which | {"_id": {"$lt": before}}
        found = transaction.find("runs", older, [("_id", -1)], some, {"parameters": 0})
        yield from (from_document(Run, each) for each in found if is_among(each["task"], only.tasks))
        if len(found) < some:
            return
        before = found[-1]["_id"]


def tally(transaction: Transaction, only: RunFilter, edges: Sequence[datetime]) -> Tally:
    """As `Runs.counts`."""
    begin, end = instant_to_number(edges[0]), instant_to_number(edges[-1])
    asked, seen = _asked(transaction, only), only.tasks
    within = asked | {"until": None, "due": {"$gte": begin, "$lt": end}}
    over = asked | {"until": {"$gte": begin}, "due": {"$lt": end}}
    ones, long = (
        [each for each in transaction.find("runs", which, None, most + 1, _COUNTED) if is_among(each["task"], seen)]
        for which, most in ((within, MOST_RUNS), (over, MOST_STRETCHES))
    )
    if only.job_id is not None and not ones and not long:
        must_be_known(transaction, only.job_id, only.tasks)
    if len(ones) > MOST_RUNS or len(long) > MOST_STRETCHES:
        return Tally(more=True)
    single: list[Counter[State]] = [Counter() for _ in edges[1:]]
    for each in ones:
        single[bisect_right(edges, instant_of(each["due"])) - 1][each["state"]] += 1
    return Tally(single=[dict(each) for each in single], stretches=[_stretch(each) for each in long])


def _stretch(document: Document) -> Stretch:
    due, until = instant_of(document["due"]), instant_of(document["until"])
    return Stretch(state=document["state"], due=due, until=until, count=document["count"])


def must_be_known(transaction: Transaction, job_id: str, tasks: tuple[str, ...] | None) -> None:
    """Raises NotFound if the job does not exist and left no run. `tasks` are patterns of the tasks that may be seen."""
    its = jobs.get(transaction, job_id)
    if its is None or not is_among(its.task, tasks):
        found = transaction.find("runs", {"job_id": job_id}, fields={"task": 1})
        if not any(is_among(each["task"], tasks) for each in found):
            raise no_job(job_id)


def oldest(transaction: Transaction) -> datetime | None:
    """As `ForCallers.oldest_run`."""
    found = transaction.first("runs", {}, [("_id", 1)])
    return None if found is None else instant_of(found["due"])


def _in_time(only: RunFilter) -> Document:
    which: Document = {}
    if only.begin is not None:
        since = {"$gte": instant_to_number(only.begin)}
        which["$and"] = [{"$or": [{"due": since}, {"until": since}]}]
    if only.end is not None:
        which["due"] = {"$lt": instant_to_number(only.end)}
    return which


def _asked(transaction: Transaction, only: RunFilter) -> Document:
    """What is asked for but for the time, and for the patterns of tasks."""
    given = {"job_id": only.job_id, "cause": only.cause, "task": only.task}
    which: Document = {name: value for name, value in given.items() if value is not None}
    if only.states:
        which["state"] = {"$in": list(only.states)}
    if only.node is not None:
        which["$or"] = [{"node": only.node}, {"node": None, "place": only.node}]
    if only.labels:
        there = {
            job.id for job in jobs.every(transaction) if all(label.fits(job.about.labels) for label in only.labels)
        }
        wanted = there if only.job_id is None else there & {only.job_id}
        which["job_id"] = {"$in": sorted(wanted)}
    return which
