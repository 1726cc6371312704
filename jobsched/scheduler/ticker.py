"""The in-memory timers that wake the scheduler, one for each job that is due soon. The timers decide nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..model.ids import EPOCH
from ..model.job import Due

AFTER = 0.001  # seconds after its due at which a timer fires: it must not fire just before the due
NEAR = 0.0001  # seconds by which a timer may miss its aim
DRIFT = 0.005  # seconds by which a loop may be off the job's grid
LONGEST = timedelta(minutes=10)  # a loop of a longer interval does not go on between dues
MOST = 1_000  # loops that go on while their jobs are not due soon


class Ticker:
    """Calls `fire` at each due that the ticker was aimed at; for an interval job a `LoopingCall` goes on by itself.

    The ticker keeps the same loop as long as it lives. The loop goes by the job's grid: if the reactor was late for a
    beat, the next beat is not late. If the next due is not at a beat, as with jitter, the loop begins anew.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, fire: Callable[[], object]) -> None:
        self._clock = clock
        self._fire = fire
        self._call: IDelayedCall | None = None  # before the loop begins, or instead of a loop
        self._loop: LoopingCall | None = None
        self._every: timedelta | None = None
        self._at = 0.0

    def aim(self, due: datetime, every: timedelta | None) -> None:
        """Fire at `due`, and then after each `every`, if given. Aiming again at the same due changes no timer."""
        at = (due - EPOCH).total_seconds() + AFTER
        if every == self._every and self._fires_at(at):
            self._at = at
            return
        self.stop()
        self._every, self._at = every, at
        call = self._fire if every is None else partial(self._begin, every)
        self._call = self._clock.callLater(self._delay(at), call)
        if self._call.getTime() > at + NEAR:  # the process had no processor between two looks at the clock
            self._call.reset(self._delay(at))

    def _delay(self, at: float) -> float:
        return max(at - self._clock.seconds(), 0)

    def stop(self) -> None:
        """Fire no more, unless the ticker is aimed again."""
        if self._loop is not None and self._loop.running:
            self._loop.stop()
        if self._call is not None and self._call.active():
            self._call.cancel()

    def _begin(self, every: timedelta) -> None:
        self._call = None
        if self._loop is None:
            self._loop = LoopingCall(self._beat)
            self._loop.clock = self._clock
        self._loop.start(every.total_seconds()).addErrback(self._broken)

    def _beat(self) -> None:
        """Fire. A timer may be early by a rounding error; counted from the grid, the next beat would come at once."""
        assert self._loop is not None
        assert self._loop.interval is not None
        moment = self._clock.seconds()
        until_next = self._loop.interval - (moment - self._at) % self._loop.interval
        self._loop.starttime = moment if until_next < NEAR else self._at  # the next beat is counted from here
        self._fire()

    def _broken(self, why: Failure) -> None:
        """The loop has ended by an error; the next sweep, at the latest, aims the ticker again."""
        self.log.failure("a timer failed at its due; the next sweep sets it again", why)

    def _fires_at(self, at: float) -> bool:
        """Whether the timer of now, the loop's if a loop runs, is set well for `at`: never before the due."""
        loops = self._loop is not None and self._loop.running
        pending = self._loop.call if self._loop is not None and loops else self._call
        return pending is not None and pending.active() and -AFTER / 2 <= pending.getTime() - at <= DRIFT


@attrs.define
class _Armed:
    """A ticker, the due that it was armed for, and how long this node lets other nodes go first."""

    ticker: Ticker
    due: Due | None = None
    wait: timedelta = timedelta(0)


class Tickers:
    """The armed tickers, each under the id of its job; each of them calls `fire(id)`.

    A ticker exists as long as its job is due soon. The loop of an interval job goes on between its dues, if the
    interval is at most `LONGEST` and no more than `MOST` loops go on.
    """

    def __init__(self, clock: IReactorTime, fire: Callable[[str], object]) -> None:
        self._clock = clock
        self._fire = fire
        self._armed: dict[str, _Armed] = {}
        self._kept: set[str] = set()  # jobs whose loop goes on between dues

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._armed

    def due(self, job_id: str) -> Due | None:
        """The due that the ticker of a job was armed for; None: the job has no armed ticker."""
        return self._armed[job_id].due if job_id in self._armed else None

    def wait(self, job_id: str) -> timedelta:
        """How long this node lets other nodes go first with the due of a job."""
        return self._armed[job_id].wait if job_id in self._armed else timedelta(0)

    def arm(self, due: Due, wait: timedelta) -> None:
        """Fire when it is this node's turn to claim the due."""
        armed = self.aim(due.id, due.next_due + wait, due.every)
        armed.due, armed.wait = due, wait

    def aim(self, key: str, at: datetime, every: timedelta | None = None) -> _Armed:
        """Fire at `at`, and then after each `every`, if given."""
        if key not in self._armed:
            self._armed[key] = _Armed(Ticker(self._clock, partial(self._fire, key)))
        self._armed[key].ticker.aim(at, every)
        return self._armed[key]

    def keep(self, due: Due, horizon: datetime) -> bool:
        """Whether a job's loop goes on although the next due lies beyond `horizon`, the end of what sweeps look at."""
        near = due.every is not None and due.next_due <= horizon + due.every
        if not near or due.id not in self._armed or not self._may_go_on(due):
            return False
        self._kept.add(due.id)
        return True

    def _may_go_on(self, due: Due) -> bool:
        return due.id in self._kept or (due.every is not None and due.every <= LONGEST and len(self._kept) < MOST)

    def disarm(self, job_id: str) -> None:
        """Fire no more for this job."""
        self._kept.discard(job_id)
        armed = self._armed.pop(job_id, None)
        if armed is not None:
            armed.ticker.stop()

    def disarm_all(self) -> None:
        """Fire no more for any job."""
        for job_id in list(self._armed):
            self.disarm(job_id)

    def disarm_others(self, soon: Collection[str], horizon: datetime) -> list[str]:
        """Disarm the tickers of jobs that are not in `soon`, the jobs due before `horizon`.

        Loops that go on to a due at the horizon or later stay. So do other loops that may go on, and their jobs are
        returned: only the store knows what became of their due.
        """
        unsure = []
        for job_id in self._armed.keys() - soon:
            due = self._armed[job_id].due
            if due is None or not self._may_go_on(due):
                self.disarm(job_id)
            elif job_id not in self._kept or due.next_due < horizon:
                unsure.append(job_id)
        return unsure
