"""What a time without daemons cost, and what a clock that was wrong has left behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from twisted.internet.defer import Deferred

from ...model.downtime import Downtime, DowntimeCost
from ...model.wrong_clock import Evidence


class Downtimes(Protocol):
    """The times in which no node lived."""

    def before(self, node_id: str) -> Deferred[Downtime | None]:
        """The one that ended when this node began; None: some other lived then, or there was none before."""

    def cost(self, until: datetime) -> Deferred[DowntimeCost]:
        """Of a time without daemons that ended then: the dues before it that were recorded as missed since, of how many
        jobs. `whole` when no job that is not paused has a due before it any more."""


class WrongClock(Protocol):
    """What was written by a clock that was hours (`model.ids.BACK`) ahead of `now`. The rule is `model.wrong_clock`."""

    def evidence(self, now: datetime) -> Deferred[Evidence]:
        """What there is; quickly found if there is none."""

    def jobs_ahead(self, now: datetime, after: str, most: int) -> Deferred[tuple[list[str], str | None]]:
        """Among up to `most` jobs behind the job `after`, by id: those that are due later than their schedule says. And
        the last one that was looked at, to go on behind it; None: there are no more."""

    def put_right(self, job_ids: Sequence[str], now: datetime) -> Deferred[int]:
        """Compute the dues of these jobs anew where that clock had decided them; of how many jobs that was so. A due
        that started something, or is to, keeps its outcome and does not start again; one that was missed or skipped
        before it came does not count: its record ends before the new next due, or goes; one that stays and was missed
        says `model.wrong_clock.RAN_AHEAD`. A job that is gone is passed over."""

    def rest(self, now: datetime) -> Deferred[None]:
        """Bring back whatever else waits for an instant of that clock: watches, retries, notifications, keys, nodes.
        Scheduled runs that it made and that wait are skipped, for `SET_BACK`; what a caller asked for waits on. A node
        that is alive keeps its last sign of life. Doing it twice is doing it once."""
