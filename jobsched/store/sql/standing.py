"""What there is, for a set of jobs that somebody wants. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select

from ...model.caller import Caller, is_among
from ...model.errors import Taken
from ...model.ids import is_word
from ...model.job import Job
from ...model.job_set import Standing
from ...model.labels import Label
from . import job_columns, job_ids, labels
from .many import named
from .tables import former_jobs, jobs, runs
from .transaction import Query, TableRow, Transaction, by_indexes, database_now
from .visibility import of_tasks

SHARE = 500  # ids in one question
NAMED = 5  # ids that a refusal names


def standing(
    transaction: Transaction, ids: Sequence[str], scope: Label | None, caller: Caller, local: datetime, *, whole: bool
) -> Standing:  # fmt: skip
    """As `contract.JobSets.standing` has it. Raises Taken, Conflict."""
    by_indexes(transaction)
    instant = database_now(transaction, local)
    inside = versions(transaction, () if scope is None else (scope,), caller.tasks)
    found = by_ids(transaction, ids)
    hidden = [job_id for job_id, job in found.items() if not caller.sees(job.task)]
    new = [job_id for job_id in ids if job_id not in found]
    first = _first(transaction, new, caller, hidden)
    if hidden:
        more = "" if len(hidden) <= NAMED else f" and {len(hidden) - NAMED} more"
        names = ", ".join(sorted(hidden)[:NAMED])
        raise Taken(f"ids of this set are taken by other jobs: {names}{more}", f"/jobs/{min(hidden)}")
    if words := [job_id for job_id in new if is_word(job_id)]:
        job_ids.must_be_known_to_all(transaction, words[0])
    named = set(ids)
    others = [job_id for job_id in inside if job_id not in named] if whole and scope is not None else []
    return Standing(
        now=instant,
        jobs={**found, **by_ids(transaction, others)},
        inside=inside,
        outside={job_id: job.version for job_id, job in found.items() if job_id not in inside},
        first=first,
        late=_late(transaction, ids, instant),
    )


def versions(transaction: Transaction, scope: Sequence[Label], tasks: tuple[str, ...] | None) -> dict[str, int]:
    """As `contract.JobSets.versions` has it."""
    query = select(jobs.c.id, jobs.c.version)
    for label in scope:
        query = query.where(labels.has(jobs.c.id, label))
    if tasks is not None:
        query = query.where(of_tasks(transaction, jobs.c.task, tasks))
    return {row.id: row.version for row in transaction.execute(query)}


def versions_of(transaction: Transaction, ids: Sequence[str], tasks: tuple[str, ...] | None) -> dict[str, int]:
    """The versions of the jobs of these ids that are there and seen."""
    asked = select(jobs.c.id, jobs.c.version, jobs.c.task)
    rows = _shares(transaction, asked, jobs.c.id, ids)
    return {row.id: row.version for row in rows if is_among(row.task, tasks)}


def by_ids(transaction: Transaction, ids: Sequence[str], *, hold: bool = False) -> dict[str, Job]:
    """The jobs of these ids that are there; with `hold`, held until the transaction ends."""
    query = select(jobs).order_by(jobs.c.id)
    rows = _shares(transaction, query.with_for_update() if hold else query, jobs.c.id, sorted(ids))
    return {row.id: job_columns.from_row(row) for row in rows}


def _first(transaction: Transaction, ids: Sequence[str], caller: Caller, hidden: list[str]) -> dict[str, int]:
    """The versions with which new jobs of these ids begin, where these are not 1. Ids of jobs that the caller did not
    see are added to `hidden`."""
    former = {row.id: row for row in _shares(transaction, select(former_jobs), former_jobs.c.id, ids)}
    hidden += (job_id for job_id, row in former.items() if not caller.sees(row.task))
    found = {job_id: row.version + 1 for job_id, row in former.items()}
    left = [job_id for job_id in ids if job_id not in former]
    ran = select(runs.c.job_id, func.max(runs.c.id)).group_by(runs.c.job_id)
    for row in list(_shares(transaction, ran, runs.c.job_id, left)):
        found[row.job_id] = 2
        try:
            job_ids.must_have_been_seen(transaction, row.job_id, caller)
        except Taken:
            hidden.append(row.job_id)
    return found


def _late(transaction: Transaction, ids: Sequence[str], instant: datetime) -> frozenset[str]:
    ahead = select(runs.c.job_id).where(or_(runs.c.due > instant, runs.c.until > instant))
    few = ahead.limit(1)
    if transaction.execute(few).first() is None:
        return frozenset()
    return frozenset(row.job_id for row in _shares(transaction, ahead, runs.c.job_id, ids))


def _shares(
    transaction: Transaction, query: Query, column: ColumnElement[str], ids: Sequence[str]
) -> Iterator[TableRow]:  # fmt: skip
    for begin in range(0, len(ids), SHARE):
        yield from named(transaction.execute(query.where(column.in_(ids[begin : begin + SHARE]))))
