"""Since when this node could run what is due: earlier dues passed while it could not."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..clock import now
from ..model.downtime import HELD_UP, Downtime
from .peers import Peers

GAP = timedelta(seconds=15)  # without a sign of life for so long, this node could not run anything
MOST = 8  # that are remembered: dues of older ones were found long ago


class Availability:
    """Is asked at every sweep and every claim; a long time between two of them was a gap."""

    log = Logger()

    def __init__(self, clock: IReactorTime, peers: Peers) -> None:
        self._clock = clock
        self._peers = peers
        self._since = self._alive = now(clock)
        self._set_back = timedelta(0)
        self._downtimes: deque[Downtime] = deque(maxlen=MOST)

    def begin(self) -> None:
        """From now on."""
        self._since = self._alive = now(self._clock)
        if self._peers.downtime is not None:
            self._downtimes.append(self._peers.downtime)

    def look(self) -> datetime:
        """Now; and if it has been long since this was asked last, nobody here could run anything until now."""
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
        """When this node last began to be able."""
        began = self._peers.node.since
        if self._peers.alone or began > self._alive:  # by a clock that was set back since
            return self._since
        return max(self._since, began)

    def set_back(self) -> timedelta:
        """By how much the clock was set back since this was asked last, at most."""
        far, self._set_back = self._set_back, timedelta(0)
        return far

    @property
    def downtimes(self) -> Sequence[Downtime]:
        """When nothing could be run here; those of a node among others are the store's to tell."""
        return tuple(self._downtimes) if self._peers.alone else ()
