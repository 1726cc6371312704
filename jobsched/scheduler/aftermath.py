"""Says once, soon after a start, what the time before it cost: dues that were missed while no daemon ran."""

from __future__ import annotations

from twisted.logger import Logger

from ..store import downtimes
from ..store.store import Store
from .company import Company

MOST = 60  # looks until it is said, although some dues are not decided: maybe no node can run them
AGAIN = 0.5  # seconds between these looks


class Aftermath:
    """Is asked with each sweep until it has been said."""

    log = Logger()

    def __init__(self, store: Store, company: Company) -> None:
        self._store = store
        self._company = company
        self._looks = 0

    async def look(self) -> bool:
        """Say it, if it is known by now; whether to look again soon."""
        if self._looks >= MOST:
            return False
        self._looks += 1
        down = self._company.downtime
        if down is None and not self._company.alone:
            down = await self._store.read(downtimes.before, self._company.node.id)
        if down is None:
            self._looks = MOST
            return False
        cost = await self._store.read(downtimes.cost, down.end)
        if not cost.whole and self._looks < MOST:
            return True
        self._looks = MOST
        if cost.dues:
            self.log.warn("{what}: {dues} dues of {jobs} jobs were missed", what=down, dues=cost.dues, jobs=cost.jobs)
        return False
