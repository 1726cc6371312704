"""How long a run may take: which of the numbers that may be set is in force."""

from __future__ import annotations

from typing import Literal

import attrs

Source = Literal["job", "task", "JOB_LIVETIME"]


@attrs.frozen(kw_only=True)
class Timeout:
    """Seconds after which a run is ended, and where that number is set; None: the run is not ended."""

    seconds: float | None = None
    source: Source | None = None


def timeout_of(job: float | None, kind: str | None, task: float | None, livetime: float) -> Timeout:
    """The timeout in force for a run.

    - `job`, `task`: the timeouts that the job and the task set; None: not set
    - `kind`: of the task; None: not known
    - `livetime`: JOB_LIVETIME

    A plain task in a thread cannot be ended: if its job sets a timeout, the run is at least recorded as timed out.
    """
    if job is not None:
        return Timeout(seconds=job, source="job")
    if kind is None or kind == "thread":
        return Timeout()
    if task is not None:
        return Timeout(seconds=task, source="task")
    return Timeout(seconds=livetime, source="JOB_LIVETIME")
