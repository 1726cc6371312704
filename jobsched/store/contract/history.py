"""What changed, what a time without daemons cost, and what a wrong clock has left behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.change import Change, Numbers
from ...model.downtime import Downtime, DowntimeCost
from ...model.wrong_clock import Evidence


class Downtimes(Protocol):
    """The times in which no node lived."""

    def before(self, node_id: str) -> Deferred[Downtime | None]:
        """The downtime that ended when this node began. None: another node lived then, or there was no node before."""

    def cost(self, until: datetime) -> Deferred[DowntimeCost]:
        """The cost of a downtime that ended at `until`: how many dues before `until` were recorded as missed since
        then, and of how many jobs. `whole` is true when no job has a next due before `until` any more; paused jobs do
        not count."""


class WrongClock(Protocol):
    """What was written by a clock that was hours (`model.ids.BACK`) ahead of `now`. The rule is `model.wrong_clock`."""

    def evidence(self, now: datetime) -> Deferred[Evidence]:
        """What such a clock has written. The answer is quick if there is nothing."""

    def jobs_ahead(self, now: datetime, after: str, most: int) -> Deferred[tuple[list[str], str | None]]:
        """Look at up to `most` jobs behind the job `after`, by id. Returns the jobs that are due later than their
        schedule says, and the last job that was looked at, so that the caller can go on behind it. None in its place:
        there are no more jobs."""

    def put_right(self, job_ids: Sequence[str], now: datetime) -> Deferred[int]:
        """Compute the dues of these jobs anew where that clock had decided them. Returns the number of jobs whose dues
        were computed anew.

        - A due that started something, or is to start something, keeps its outcome and does not start again.
        - A due that was missed or skipped before it came does not count. Its record ends before the new next due, or is
          removed. If the record stays and its state is missed, it says `model.wrong_clock.RAN_AHEAD`.
        - A job that does not exist any more is passed over.
        """

    def rest(self, now: datetime) -> Deferred[None]:
        """Bring back everything else that waits for an instant of that clock: watches, retries, notifications, keys,
        nodes. Scheduled runs that were made by that clock and wait are skipped, for `SET_BACK`; runs that a caller
        asked for go on waiting. A node that is alive keeps its last sign of life. Calling this method twice has the
        same effect as calling it once."""


class Changes(Protocol):
    """What changed, in an order that all nodes share.

    Each change of a run's state, each entry of the audit log about a job, and each node that comes or goes, that has a
    problem or has none any more, is written with the change itself. It gets its number afterwards, by `number`: numbers
    are given one after the other, and only to what is committed. So nothing appears behind a number that somebody has
    seen already.
    """

    def number(self, most: int) -> Deferred[int]:
        """Number up to `most` changes that have none, in the order in which they were written; how many there were.
        Two nodes that do it at once do it one after the other."""

    def after(self, number: int, most: int) -> Deferred[tuple[Sequence[Change], bool]]:
        """Up to `most` changes with higher numbers, in order. And whether any change has no number yet."""

    def numbers(self) -> Deferred[Numbers]:
        """The oldest and the last."""
