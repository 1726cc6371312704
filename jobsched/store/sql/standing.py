"""What there is, for a set of jobs that somebody wants, in SQL: see `store.standing`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, or_, select

from ...model.caller import Caller, is_among
from ...model.job import Job
from ...model.job_set import Standing
from ...model.labels import Label
from .. import job_columns
from .. import standing as shared
from . import job_ids, labels
from .hints import by_indexes
from .many import named
from .tables import former_jobs, jobs, runs
from .transaction import Query, TableRow, Transaction, database_now
from .visibility import of_tasks

SHARE = 500  # ids in one question


def standing(
    transaction: Transaction, ids: Sequence[str], scope: Label | None, caller: Caller, local: datetime, *, whole: bool
) -> Standing:  # fmt: skip
    """As `contract.JobSets.standing` has it. Raises Taken, Conflict."""
    by_indexes(transaction)
    return shared.standing(_Records(transaction), ids, scope, caller, local, whole=whole)


class _Records(job_ids.Records, shared.Records):
    def now(self, local: datetime) -> datetime:
        return database_now(self._in, local)

    def versions(self, scope: Sequence[Label], tasks: tuple[str, ...] | None) -> dict[str, int]:
        return versions(self._in, scope, tasks)

    def by_ids(self, ids: Sequence[str]) -> dict[str, Job]:
        return by_ids(self._in, ids)

    def former(self, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        rows = _shares(self._in, select(former_jobs), former_jobs.c.id, ids)
        return {row.id: (row.task, row.version) for row in rows}

    def ran(self, ids: Sequence[str]) -> list[str]:
        ran = select(runs.c.job_id, func.max(runs.c.id)).group_by(runs.c.job_id)
        return [row.job_id for row in _shares(self._in, ran, runs.c.job_id, ids)]

    def ahead(self, ids: Sequence[str], instant: datetime) -> frozenset[str]:
        ahead = select(runs.c.job_id).where(or_(runs.c.due > instant, runs.c.until > instant))
        if self._in.execute(ahead.limit(1)).first() is None:
            return frozenset()
        return frozenset(row.job_id for row in _shares(self._in, ahead, runs.c.job_id, ids))


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


def _shares(
    transaction: Transaction, query: Query, column: ColumnElement[str], ids: Sequence[str]
) -> Iterator[TableRow]:  # fmt: skip
    for begin in range(0, len(ids), SHARE):
        yield from named(transaction.execute(query.where(column.in_(ids[begin : begin + SHARE]))))
