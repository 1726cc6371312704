"""Jobs that cannot be dealt with: something in their rows makes changes fail, and would keep others from theirs."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

FIRST, LONGEST = 2.0, 60.0  # seconds until it is tried again, at first and after many times


class Quarantine:
    """Remembers which jobs are left alone, and until when. Each time it is for longer: a fault of the store's own,
    which is soon over, must not make a due late, and a job that is broken for good must not make trouble all day."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}  # until when, and for how many seconds

    def add(self, job_id: str) -> float:
        """This one was refused alone; for how many seconds it is left alone."""
        _, before = self._left.get(job_id, (0.0, FIRST / 2))
        pause = min(2 * before, LONGEST)
        self._left[job_id] = (self._clock.seconds() + pause, pause)
        return pause

    def __contains__(self, job_id: str) -> bool:
        until, pause = self._left.get(job_id, (0.0, 0.0))
        return 0 < until - self._clock.seconds() <= pause  # more: the clock was set back

    def forget_old(self) -> None:
        """Drop those that were not refused again for as long as can be: they were mended, or deleted."""
        moment = self._clock.seconds()
        self._left = {
            job_id: (until, pause) for job_id, (until, pause) in self._left.items() if abs(until - moment) <= LONGEST
        }
