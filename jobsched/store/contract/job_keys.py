"""The keys for the badges and calendars of jobs."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.job_key import JobKey


class JobKeys(Protocol):
    """The keys of jobs. They are made and revoked by orders."""

    def of_job(self, job_id: str) -> Deferred[list[JobKey]]:
        """The keys of a job, those made first come first. A key ends with its job: there is none of a job that is not
        there, nor one from before a job of that id was deleted and made again."""
