"""Whether a failed run is tried again, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import attrs

from .job import Job, Policy
from .run import Run

LONGEST = timedelta(hours=1)
SPREAD = 0.25  # of the delay: runs that failed together are not tried again together

OTHER_TASK: Final = "not tried again: its job was given another task"


def follows(job: Job | None, run: Run) -> bool:
    """Whether another attempt follows a run that failed. If the job has another task by now, none follows: the run's
    parameters, some of them secret, were given for its own task. None follows while the run may go on."""
    return job is not None and run.attempt <= job.policy.retries and job.task == run.task and not run.goes_on


def final(job: Job | None, run: Run) -> Run:
    """The failed run; if retries are left, and none follows since the job has another task, the reason says so."""
    if job is None or run.attempt > job.policy.retries or job.task == run.task:
        return run
    return attrs.evolve(run, reason=f"{run.reason}; {OTHER_TASK}")


def delay(policy: Policy, attempt: int, chance: float) -> timedelta:
    """How long after the end of `attempt` (from 1) the next one starts at the soonest.

    `retry_delay`, doubled at each attempt up to an hour (or `retry_delay`, if that is longer), plus up to a quarter
    of it as `chance` (0 to 1) says.
    """
    longest = max(LONGEST, policy.retry_delay)
    doubled: timedelta = min(policy.retry_delay * 2 ** min(attempt - 1, 20), longest)
    return doubled * (1 + SPREAD * chance)
