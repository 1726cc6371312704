"""What a caller may see, asked of the store: the jobs and runs of some tasks only."""

from __future__ import annotations

import re

from sqlalchemy import ColumnElement, false, or_, select

from ...model.caller import Caller
from ...model.errors import no_job, no_run
from .tables import jobs, runs
from .transaction import Transaction


def of_tasks(transaction: Transaction, column: ColumnElement[str], patterns: tuple[str, ...]) -> ColumnElement[bool]:
    """Whether the task in `column` matches one of the patterns, by the rule of `model/caller.is_among`."""
    return or_(false(), *(_like(transaction, column, pattern) for pattern in patterns))


def exact(patterns: tuple[str, ...] | None) -> list[str] | None:
    """The tasks of the patterns, if each names one task; None: some may stand for more."""
    if patterns is None or any(re.search("[*?]", pattern) for pattern in patterns):
        return None
    return list(dict.fromkeys(patterns)) or None


def _like(transaction: Transaction, column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    if not re.search("[*?]", pattern):
        return column == pattern
    if transaction.dialect.name == "sqlite":
        return column.op("GLOB", is_comparison=True)(pattern)  # its LIKE takes a for A
    escaped = re.sub("([|%_])", r"|\1", pattern)
    return column.like(escaped.replace("*", "%").replace("?", "_"), escape="|")


def must_see_job(transaction: Transaction, job_id: str, caller: Caller) -> None:
    """Raises NotFound if the job exists and the caller does not see it. The job is held from now on."""
    if caller.tasks is not None:
        task = transaction.execute(select(jobs.c.task).where(jobs.c.id == job_id).with_for_update()).scalar()
        if task is not None and not caller.sees(task):
            raise no_job(job_id)


def must_see_run(transaction: Transaction, run_id: str, caller: Caller) -> None:
    """The same for a run. The task of a run never changes, so the run is not held."""
    if caller.tasks is not None:
        task: str | None = transaction.execute(select(runs.c.task).where(runs.c.id == run_id)).scalar()
        if task is not None and not caller.sees(task):
            raise no_run(run_id)
