"""The record of dues that started nothing, or of a due that will start a run."""

from __future__ import annotations

from datetime import datetime

from .job import Job
from .owed import Stretch
from .run import NEVER_RAN, Run


def passed(job: Job, stretch: Stretch, run_id: str, now: datetime) -> Run:
    """The record of dues that started nothing; or the bare record of a due that will start a run."""
    return Run(
        id=run_id,
        job_id=job.id,
        job_name=job.name,
        task=job.task,
        due=stretch.due,
        until=stretch.until if stretch.count > 1 else None,
        count=stretch.count,
        created=now,
        state=stretch.fate if stretch.fate in NEVER_RAN else "waiting",
        reason=stretch.reason,
        ended=now if stretch.fate in NEVER_RAN else None,
        overlaps=job.policy.overlap == "allow",
        parameters=job.parameters,
        timeout=job.timeout,
        require=job.policy.require,
    )
