"""A hold: nothing of some jobs, or of all, starts for a while, on any node."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import attrs

from .caller import Caller, is_among
from .downtime import Downtime
from .errors import Forbidden
from .job import Job, stopped
from .selection import EVERY_JOB, Selection

Missed = Literal["skip", "catch_up"]
Waiting = Literal["hold", "keep"]


@attrs.frozen(kw_only=True)
class Hold:
    """The hold that there is, or was last; there is one at a time.

    - `missed`: dues that come meanwhile are skipped, or left to `misfire_grace` and `catch_up` until it is over
    - `waiting`: retries, queued runs and others that wait are held too, or go on
    - `tasks`: patterns of those that the holder sees; None: all
    """

    by: str | None  # the name of a token; None: no token was needed
    at: datetime  # since when
    until: datetime | None = None  # when it ends by itself; of one that was released, when that was
    reason: str = ""
    select: Selection = EVERY_JOB
    tasks: Sequence[str] | None = None
    missed: Missed = "skip"
    waiting: Waiting = "hold"
    version: int = 1

    def is_over(self, now: datetime) -> bool:
        """Whether it has ended."""
        return self.until is not None and self.until <= now

    def stops(self, job: Job) -> bool:
        """Whether that job is among those on hold."""
        return self.select.matches(job) and is_among(job.task, None if self.tasks is None else tuple(self.tasks))

    @property
    def words(self) -> str:
        """In words: by whom, until when and why."""
        return stopped("on hold", self.by, self.until, self.reason)

    @property
    def gap(self) -> Sequence[Downtime]:
        """The time of one that is over, for dues that were left undecided meanwhile."""
        if self.until is None:
            return ()
        why = f" ({self.reason})" if self.reason else ""
        return (Downtime(self.at, self.until, stopped("on hold", self.by, None, "") + why),)

    @property
    def fields(self) -> dict[str, object]:
        """What was asked for, as JSON and instants."""
        return {
            "reason": self.reason or None,
            "until": self.until,
            "select": self.select.fields or None,
            "missed": self.missed,
            "waiting": self.waiting,
        }

    def must_belong_to(self, caller: Caller) -> None:
        """Raises Forbidden for a caller for some tasks only, if it holds others too."""
        if caller.tasks is not None and not (self.tasks is not None and set(self.tasks) <= set(caller.tasks)):
            raise Forbidden(f"this hold is over jobs that the token {caller.name!r} does not see")
