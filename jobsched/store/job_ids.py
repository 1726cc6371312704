"""Ids of jobs that callers choose: which are free, and what is known of those that were in use.

Of two that take one id at once the database refuses one, and it tries again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ..model.caller import Caller
from ..model.errors import Conflict, Taken
from ..model.ids import is_word
from ..model.job import Job


class Records(Protocol):
    """What is asked of a transaction, and written in it."""

    def older_nodes(self) -> list[str]:
        """The names of the living nodes whose release does not know what is new in this schema."""

    def has_job(self, job_id: str) -> bool:
        """Whether there is a job of that id."""

    def has_runs(self, job_id: str, tasks: tuple[str, ...] | None) -> bool:
        """Whether there is a run of that job, whether or not the job still exists; `tasks` are patterns."""

    def former_task(self, job_id: str) -> str | None:
        """The task of the last job of that id that was deleted, as far as it is known."""

    def take_former(self, job_id: str) -> int | None:
        """Forget that job; its version, if it was known."""

    def keep_former(self, job: Job, now: datetime) -> None:
        """A job is deleted now: keep what one of the same id has to know."""


def must_be_free(records: Records, job_id: str) -> None:
    """Raises Taken for an id that a job has, or that a job had of which runs are kept; Conflict for a word that not
    every node can take."""
    must_be_known_to_all(records, job_id)
    if records.has_job(job_id):
        raise taken(job_id)
    if records.has_runs(job_id, None):
        raise Taken(
            f"the id {job_id} is that of a deleted job, whose runs are kept: /jobs/{job_id}/runs; PUT revives it",
            f"/jobs/{job_id}/runs",
        )


def taken(job_id: str) -> Taken:
    """The refusal of an id that a job has."""
    return Taken(f"the id {job_id} is taken by another job: /jobs/{job_id}", f"/jobs/{job_id}")


def must_have_been_seen(records: Records, job_id: str, caller: Caller) -> None:
    """Raises Taken for an id that a job had which the caller did not see."""
    task = records.former_task(job_id)
    hidden = task is not None and not caller.sees(task)
    if caller.tasks is not None and task is None:  # deleted by a release that kept nothing of it
        some, seen = (records.has_runs(job_id, tasks) for tasks in (None, caller.tasks))
        hidden = some and not seen
    if hidden:
        raise taken(job_id)


def must_be_known_to_all(records: Records, job_id: str) -> None:
    """Raises Conflict for a word while a node is alive whose release takes UUIDs alone."""
    if not is_word(job_id):
        return
    if names := records.older_nodes():
        raise Conflict(
            f"a job can have an id that is a word once no node of an older release is alive: {', '.join(names[:9])}"
        )


def take(records: Records, job_id: str) -> int:
    """An id is a job's from now on. Returns the version that the job begins with: one more than the last of this id, or
    2 where that is not known and runs are kept."""
    last = records.take_former(job_id)
    return 1 + records.has_runs(job_id, None) if last is None else last + 1
