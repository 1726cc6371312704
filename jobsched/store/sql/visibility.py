"""What a caller may see, asked of the store: the jobs and runs of some tasks only."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import ColumnElement, Connection, false, or_, select

from ...model.caller import Caller
from ...model.errors import NotFound
from .tables import jobs, runs

P = ParamSpec("P")
T = TypeVar("T")


def of_tasks(connection: Connection, column: ColumnElement[str], patterns: tuple[str, ...]) -> ColumnElement[bool]:
    """Whether the task in `column` is of one of the patterns, as `model/caller.is_among` has it."""
    return or_(false(), *(_like(connection, column, pattern) for pattern in patterns))


def _like(connection: Connection, column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    if not re.search("[*?]", pattern):
        return column == pattern
    if connection.dialect.name == "sqlite":
        return column.op("GLOB", is_comparison=True)(pattern)  # its LIKE takes a for A
    escaped = re.sub("([|%_])", r"|\1", pattern)
    return column.like(escaped.replace("*", "%").replace("?", "_"), escape="|")


def visible_job(
    connection: Connection, job_id: str, caller: Caller, order: Callable[Concatenate[Connection, str, P], T],
    *args: P.args, **kwargs: P.kwargs,
) -> T:  # fmt: skip
    """`order(connection, job_id, ...)`, in one transaction with the look whether the caller sees that job.

    Raises NotFound as an order does. A job that is not there is left to the order: it may know the caller's key.
    """
    if caller.tasks is not None:
        task = connection.execute(select(jobs.c.task).where(jobs.c.id == job_id).with_for_update()).scalar()
        if task is not None and not caller.sees(task):
            raise no_job(job_id)
    return order(connection, job_id, *args, **kwargs)


def visible_run(
    connection: Connection, run_id: str, caller: Caller, order: Callable[Concatenate[Connection, str, P], T],
    *args: P.args, **kwargs: P.kwargs,
) -> T:  # fmt: skip
    """The same for a run, whose task never changes."""
    if caller.tasks is not None:
        task: Any = connection.execute(select(runs.c.task).where(runs.c.id == run_id)).scalar()
        if task is not None and not caller.sees(task):
            raise no_run(run_id)
    return order(connection, run_id, *args, **kwargs)


def no_job(job_id: str) -> NotFound:
    """The same words, be it unknown or somebody else's."""
    return NotFound(f"there is no job {job_id}")


def no_run(run_id: str) -> NotFound:
    """The same of a run."""
    return NotFound(f"there is no run {run_id}")
