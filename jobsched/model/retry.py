"""When a failed run is tried again."""

from __future__ import annotations

from datetime import timedelta

from .policy import Policy

LONGEST = timedelta(hours=1)
SPREAD = 0.25  # of the delay: runs that failed together are not tried again together


def delay(policy: Policy, attempt: int, chance: float) -> timedelta | None:
    """How long after the end of `attempt` (from 1) the next one starts at the soonest; None: no more attempts.

    `retry_delay`, doubled at each attempt up to an hour (or `retry_delay`, if that is longer), plus up to a quarter
    of it as `chance` (0 to 1) says.
    """
    if attempt > policy.retries:
        return None
    longest = max(LONGEST, policy.retry_delay)
    doubled: timedelta = min(policy.retry_delay * 2 ** min(attempt - 1, 20), longest)
    return doubled * (1 + SPREAD * chance)
