"""Which jobs and runs are meant, asked of the store: those whose task a caller may see, and those that a selection
names (the rule of `model/selection` in SQL)."""

from __future__ import annotations

import re

from sqlalchemy import ColumnElement, and_, false, or_, true

from ...model.job import JobState
from ...model.selection import Selection
from . import labels
from .tables import jobs
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
