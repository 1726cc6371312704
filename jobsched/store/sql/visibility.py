"""Which jobs and runs are meant, asked of the store: those whose task a caller may see, and those that a selection
names (the rule of `model/selection` in SQL)."""

from __future__ import annotations

import re

from sqlalchemy import ColumnElement, and_, false, or_, select, true

from ...model.caller import Caller
from ...model.errors import no_job, no_run
from ...model.job import JobState
from ...model.selection import Selection
from . import labels
from .tables import jobs, runs
from .transaction import Transaction

_AWAKE = jobs.c.paused == false()
_STATES: dict[JobState, ColumnElement[bool]] = {
    "scheduled": and_(jobs.c.next_due.is_not(None), _AWAKE),
    "paused": jobs.c.paused == true(),
    "ended": and_(jobs.c.next_due.is_(None), _AWAKE),
}


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


def selected(transaction: Transaction, selection: Selection) -> ColumnElement[bool]:
    """Whether a row of `jobs` is one of those that a selection names."""
    asked: list[ColumnElement[bool]] = [true()]
    if selection.ids is not None:
        asked.append(jobs.c.id.in_(selection.ids))
    if selection.names is not None:
        by_name, by_id = (of_tasks(transaction, column, selection.names) for column in (jobs.c.name, jobs.c.id))
        asked.append(or_(by_name, by_id))
    if selection.tasks is not None:
        asked.append(of_tasks(transaction, jobs.c.task, selection.tasks))
    if selection.state is not None:
        asked.append(_STATES[selection.state])
    asked += (labels.has(jobs.c.id, label) for label in selection.asked_labels)
    return and_(*asked)
