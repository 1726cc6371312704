"""How long a run may take: which of the numbers that may be set is in force."""

from __future__ import annotations

from typing import Literal

import attrs

Source = Literal["job", "task", "JOB_LIVETIME"]


@attrs.frozen(kw_only=True)
class Timeout:
    """Seconds after which a run is ended, and where that number stands; None: it is not ended."""

    seconds: float | None = None
    source: Source | None = None


def timeout_of(job: float | None, kind: str | None, task: float | None, livetime: float) -> Timeout:
    """What holds for a job with a timeout of its own, or None, and a task of that kind; None: it is not known.

    A plain task in a thread cannot be ended: only where its job asks for it is it at least recorded as timed out.
    """
    if job is not None:
        return Timeout(seconds=job, source="job")
    if kind is None or kind == "thread":
        return Timeout()
    if task is not None:
        return Timeout(seconds=task, source="task")
    return Timeout(seconds=livetime, source="JOB_LIVETIME")
