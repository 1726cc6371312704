"""The door: everything a caller may ask for. It decides and stores the intent; others carry it out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from .catalog import Catalog, Task
from .clock import now
from .model.draft import Draft
from .model.errors import Invalid, NotFound
from .model.ids import Ids
from .model.job import Job
from .model.run import Run
from .store import jobs as job_rows
from .store import runs as run_rows
from .store.store import Store

PokeScheduler = Callable[[datetime | None], None]


@attrs.frozen(kw_only=True)
class JobNews:
    """A job with the newest run it has."""

    job: Job
    last_run: Run | None
    task_known: bool


class Registry:
    """Answers questions and takes orders. Every order that returned is on disk.

    Raises the errors of `model/errors.py`, among them Unavailable when the store cannot be reached.
    """

    def __init__(
        self,
        clock: Any,
        store: Store,
        catalog: Callable[[], Catalog],
        ids: Ids,
        poke: PokeScheduler,
        output_path: Callable[[str], Path],
    ) -> None:
        self._clock = clock
        self._store = store
        self._catalog = catalog
        self._ids = ids
        self._poke = poke
        self._output_path = output_path

    def task_names(self) -> list[str]:
        """The tasks that may be scheduled, in the catalog's order."""
        return self._catalog().names()

    def task(self, name: str) -> Task:
        """One task of the catalog."""
        task = self._catalog().get(name)
        if task is None:
            raise NotFound(f"there is no task {name!r} in the catalog")
        return task

    async def schedule(self, draft: Draft) -> Job:
        """Make a job; when this returns it is on disk and will be run."""
        self._check(draft)
        instant = now(self._clock)
        job = draft.job(self._ids.make(instant), instant)
        await self._store.write(job_rows.add, [job])
        self._poke(job.next_due)
        return job

    async def jobs(self, limit: int, after: str = "") -> list[JobNews]:
        """Up to `limit` jobs made after the job `after`, oldest first."""
        return await self._store.read(_job_page, limit, after, self._knows)

    async def job(self, job_id: str) -> JobNews:
        """One job."""
        return await self._store.read(_job, job_id, self._knows)

    async def unschedule(self, job_id: str) -> None:
        """Forget a job; the record of its runs stays."""
        if not await self._store.write(job_rows.remove, job_id):
            raise _no_job(job_id)
        self._poke(None)

    async def runs_of(self, job_id: str, limit: int, before: str | None = None) -> list[Run]:
        """The runs of a job, newest first; also of one that is no longer scheduled."""
        return await self._store.read(_runs_of, job_id, limit, before)

    async def run(self, run_id: str) -> Run:
        """One run."""
        return await self._store.read(_run, run_id)

    async def output(self, run_id: str) -> tuple[Run, Path]:
        """A run and the file its output is in; there is no file while nothing was printed."""
        return await self.run(run_id), self._output_path(run_id)

    def _check(self, draft: Draft) -> None:
        task = self.task(draft.task)
        for name in draft.parameters:
            if name not in task.parameters:
                allowed = ", ".join(task.parameters) or "none"
                raise Invalid(f"task {task.name} takes no such parameter; it takes: {allowed}", f"/parameters/{name}")

    def _knows(self, task: str) -> bool:
        return self._catalog().get(task) is not None


def _no_job(job_id: str) -> NotFound:
    return NotFound(f"there is no job {job_id}")


def _job_page(connection: Any, limit: int, after: str, knows: Callable[[str], bool]) -> list[JobNews]:
    return _with_news(connection, job_rows.page(connection, limit, after), knows)


def _job(connection: Any, job_id: str, knows: Callable[[str], bool]) -> JobNews:
    job = job_rows.get(connection, job_id)
    if job is None:
        raise _no_job(job_id)
    return _with_news(connection, [job], knows)[0]


def _with_news(connection: Any, jobs: list[Job], knows: Callable[[str], bool]) -> list[JobNews]:
    last = run_rows.last_of(connection, [job.id for job in jobs])
    return [JobNews(job=job, last_run=last.get(job.id), task_known=knows(job.task)) for job in jobs]


def _runs_of(connection: Any, job_id: str, limit: int, before: str | None) -> list[Run]:
    found = run_rows.page(connection, limit, before, job_id)
    if not found and job_rows.get(connection, job_id) is None and not run_rows.any_of(connection, job_id):
        raise _no_job(job_id)
    return found


def _run(connection: Any, run_id: str) -> Run:
    run = run_rows.get(connection, run_id)
    if run is None:
        raise NotFound(f"there is no run {run_id}")
    return run
