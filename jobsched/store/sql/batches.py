"""Batches of orders, in SQL: see `store.batches`."""

from __future__ import annotations

from contextlib import AbstractContextManager

from sqlalchemy import select

from ...model.job import Job
from ...model.selection import Selection
from .. import batches, job_columns
from . import ordering
from .tables import jobs
from .visibility import of_tasks, selected


class Records(ordering.Records, batches.Records):
    """What a batch asks of a transaction besides."""

    def hold_selected(self, selection: Selection, tasks: tuple[str, ...] | None, most: int) -> list[Job]:
        meant = select(jobs).where(selected(self._in, selection))
        if tasks is not None:
            meant = meant.where(of_tasks(self._in, jobs.c.task, tasks))
        rows = self._in.execute(meant.order_by(jobs.c.id).limit(most).with_for_update()).all()
        return [job_columns.from_row(row) for row in rows]

    def apart(self) -> AbstractContextManager[None]:
        return self._in.apart()

    def undone(self) -> AbstractContextManager[None]:
        return self._in.undone()
