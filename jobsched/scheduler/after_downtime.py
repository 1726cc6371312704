"""Looks back: counts the dues that were missed before a start, and mends the next dues that a wrong clock has set."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..clock import now
from ..model.ids import BACK
from ..model.overdue import SKEW
from ..model.printable import many
from ..store.contract.store import Store
from .availability import Availability
from .peers import Peers

MOST: Final = 60  # looks until the cost is logged even if some dues are undecided: maybe no node can run them
PAGE: Final = 1000  # jobs in one question
SHARE: Final = 100  # jobs in one change


class AfterDowntime:
    """Is called with each sweep. Once there is nothing left to report, it asks the store nothing."""

    log = Logger()

    def __init__(self, clock: IReactorTime, store: Store, peers: Peers, availability: Availability) -> None:
        self._clock = clock
        self._store = store
        self._peers = peers
        self._availability = availability
        self._looks = 0
        self._back: timedelta | None = BACK  # a step back of the clock that is not dealt with yet; BACK: the start

    async def look(self) -> bool:
        """Look back, if there is a reason to; returns whether to look again soon."""
        if (back := self._availability.set_back()) > SKEW:
            self._back = max(back, self._back or back)
        anew = 0
        if self._back is not None:
            anew = await self._put_right(self._back > BACK)
            self._back = None
        soon = self._looks < MOST and await self._tell_cost()
        return soon or anew > 0

    async def _put_right(self, set_back: bool) -> int:
        """Bring back dues that are too far ahead of the clock, and log that. Returns how many jobs changed."""
        await self._store.wrong_clock.rest(now(self._clock))
        found = await self._store.wrong_clock.evidence(now(self._clock))
        sign = None if self._looks else self._peers.last_sign
        lived = sign is not None and sign > found.now + BACK
        if not (set_back or lived or found.found):
            return 0
        anew = await self._compute_anew()
        runs = f"{many(found.runs, 'run')} {'is' if found.runs == 1 else 'are'} recorded"
        what = [f"{runs}, with dues up to {found.latest:%FT%TZ}"] if found.runs else []
        what += [f"a daemon lived until {sign:%FT%TZ}"] if lived else []
        if what or anew:
            self.log.warn(
                "the clock says {now}, but {what}: it was wrong then, or is wrong now; the dues of {anew} were "
                "computed anew",
                now=f"{found.now:%FT%TZ}", what=" and ".join(what) or "jobs were changed later",
                anew=many(anew, "job"),
            )  # fmt: skip
        return anew

    async def _compute_anew(self) -> int:
        """Compute the next due of all jobs that are due too late. Returns how many jobs changed."""
        after: str | None = ""
        anew = 0
        while after is not None:
            found, after = await self._store.wrong_clock.jobs_ahead(now(self._clock), after, PAGE)
            for begin in range(0, len(found), SHARE):
                anew += await self._store.wrong_clock.put_right(found[begin : begin + SHARE], now(self._clock))
        return anew

    async def _tell_cost(self) -> bool:
        self._looks += 1
        down = self._peers.downtime
        if down is None and not self._peers.alone:
            down = await self._store.downtimes.before(self._peers.node.id)
        if down is None:
            self._looks = MOST
            return False
        cost = await self._store.downtimes.cost(down.end)
        if not cost.whole and self._looks < MOST:
            return True
        self._looks = MOST
        if cost.dues:
            self.log.warn(
                "{what}: {dues} of {jobs} {were} missed",
                what=down, dues=many(cost.dues, "due"), jobs=many(cost.jobs, "job"),
                were="was" if cost.dues == 1 else "were",
            )  # fmt: skip
        return False
