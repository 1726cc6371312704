"""Which jobs are meant, asked of the store: the rule of `model/selection` in SQL."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, false, or_, true

from ...model.job import JobState
from ...model.selection import Selection
from . import labels
from .tables import jobs
from .transaction import Transaction
from .visibility import of_tasks

_AWAKE = jobs.c.paused == false()
_STATES: dict[JobState, ColumnElement[bool]] = {
    "scheduled": and_(jobs.c.next_due.is_not(None), _AWAKE),
    "paused": jobs.c.paused == true(),
    "ended": and_(jobs.c.next_due.is_(None), _AWAKE),
}


def clause(transaction: Transaction, selection: Selection) -> ColumnElement[bool]:
    """Whether a row of `jobs` is meant."""
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
