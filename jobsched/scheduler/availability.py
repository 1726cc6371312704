"""Since when this node has been able to run jobs: earlier dues passed while it was not able to."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..clock import now
from ..model.downtime import HELD_UP, Downtime
from .peers import Peers

GAP = timedelta(seconds=15)  # between two looks; in a longer gap this node could not run anything
MOST = 8  # downtimes that are remembered: the dues of older downtimes were found long ago


class Availability:
    """Is asked at every sweep and every claim. A long time between two calls was a gap."""

    log = Logger()

    def __init__(self, clock: IReactorTime, peers: Peers) -> None:
        self._clock = clock
        self._peers = peers
        self._since = self._alive = now(clock)
        self._set_back = timedelta(0)
        self._downtimes: deque[Downtime] = deque(maxlen=MOST)

    def begin(self) -> None:
        """This node can run jobs from now on."""
        self._since = self._alive = now(self._clock)
        if self._peers.downtime is not None:
            self._downtimes.append(self._peers.downtime)

    def look(self) -> datetime:
        """The time now. If the last call was longer ago than `GAP`, this node could not run anything until now."""
        instant = now(self._clock)
        if instant - self._alive > GAP:
            self.log.warn("nothing could be scheduled here from {since} until {until}",
                          since=self._alive.isoformat(), until=instant.isoformat())  # fmt: skip
            self._downtimes.append(Downtime(self._alive, instant, HELD_UP))
            self._since = instant
        self._set_back = max(self._set_back, self._alive - instant)
        self._since = min(self._since, instant)  # the clock was set back
        self._alive = instant
        return instant

    @property
    def since(self) -> datetime:
        """Since when this node has been able to run jobs."""
        began = self._peers.node.since
        if self._peers.alone or began > self._alive:  # by a clock that was set back since
            return self._since
        return max(self._since, began)

    def set_back(self) -> timedelta:
        """The largest step back of the clock since the last call."""
        far, self._set_back = self._set_back, timedelta(0)
        return far

    @property
    def downtimes(self) -> Sequence[Downtime]:
        """The times in which nothing could run here. Empty for a node among others: the store knows its downtimes."""
        return tuple(self._downtimes) if self._peers.alone else ()
