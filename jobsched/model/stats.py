"""How a job has fared: what its last runs came to, how long they took, and since when it fails."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Final

import attrs

from .run import COUNTED, Run

MOST: Final = 1000  # runs that are looked at
SHOWN: Final = 20


@attrs.frozen(kw_only=True)
class Stats:
    """The numbers. `runs` are those that are counted; what is None has none to be computed from."""

    runs: int = 0
    since: datetime | None = None  # the due of the oldest
    success_rate: float | None = None  # of dues, a stretch by its count
    median: float | None = None  # seconds, of those that succeeded, as are the next two
    p95: float | None = None
    longest: float | None = None
    last_success: datetime | None = None  # when it ended
    failing_since: datetime | None = None  # the due of the first failure after the last success
    failures: int = 0  # dues since then
    last: Sequence[Run] = ()  # the newest, newest first


def stats(found: Sequence[Run]) -> Stats:
    """Of the newest runs of one job that have ended, newest first.

    A run that failed and was tried again does not count: the last attempt decides. Of what failed, the streak since the
    last success is told; where no success is among the runs, since the oldest of them.
    """
    counted = [run for run in _last_attempts(found) if run.state in COUNTED]
    good = [run for run in counted if run.state == "succeeded"]
    took = sorted(each for run in good if (each := duration(run)) is not None)
    streak = _streak(counted)
    dues = sum(run.count for run in counted)
    return Stats(
        runs=len(counted),
        since=min((run.due for run in counted), default=None),
        success_rate=sum(run.count for run in good) / dues if dues else None,
        median=median(took) if took else None,
        p95=took[-(-95 * len(took) // 100) - 1] if took else None,
        longest=took[-1] if took else None,
        last_success=good[0].ended if good else None,
        failing_since=min((run.due for run in streak), default=None),
        failures=sum(run.count for run in streak),
        last=tuple(found[:SHOWN]),
    )


def duration(run: Run) -> float | None:
    """Seconds from start to end; None: it has not done both."""
    if run.started is None or run.ended is None:
        return None
    return max(run.ended - run.started, timedelta(0)).total_seconds()


def _last_attempts(found: Sequence[Run]) -> list[Run]:
    """Of the attempts at one due in one place, the last."""
    last: dict[tuple[datetime, str], int] = {}
    for run in found:
        last[run.due, run.place] = max(run.attempt, last.get((run.due, run.place), 0))
    return [run for run in found if run.attempt == last[run.due, run.place]]


def _streak(counted: Sequence[Run]) -> list[Run]:
    """The failures that are newer than every success."""
    streak = []
    for run in counted:
        if run.state == "succeeded":
            break
        streak.append(run)
    return streak
