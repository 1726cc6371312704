"""Which runs last, and in which executor: each is told of those of the others, for which it may have to stand in."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from .frames import Ping
from .hand import Hand

SOON = 0.1  # seconds until others are told of a run: its executor and the daemon may be killed together


class Lasting:
    """Runs that may not go on when others may take this node for dead, each with the executor that has it. `ping` is
    called to tell all executors something new."""

    def __init__(self, reactor: IReactorTime, ping: Callable[[], object]) -> None:
        self._reactor = reactor
        self._ping = ping
        self._next: IDelayedCall | None = None
        self._fenced = False  # there are others who may take this node for dead
        self._of: dict[str, Hand] = {}
        self._changes = 0
        self._told: dict[str, int] = {}  # by an executor's name: the changes that it has heard of

    def add(self, run_id: str, hand: Hand) -> None:
        """A run goes on there."""
        if self._of.get(run_id) is hand:
            return
        self._of[run_id] = hand
        self._changes += 1
        if self._fenced and (self._next is None or not self._next.active()):
            self._next = self._reactor.callLater(SOON, self._ping)

    def discard(self, run_id: str) -> None:
        """It does no more."""
        if self._of.pop(run_id, None) is not None:
            self._changes += 1

    def stop(self) -> None:
        """Call for no ping any more."""
        if self._next is not None and self._next.active():
            self._next.cancel()

    def ping(self, hand: Hand, until: float | None, afresh: bool = False) -> Ping:
        """For this executor, with the runs of the others if it does not know them, or has just come `afresh`."""
        self._fenced = until is not None
        if until is None or (not afresh and self._told.get(hand.name, 0) == self._changes):
            return Ping(until=until)
        self._told[hand.name] = self._changes
        others: dict[str, list[str]] = {}
        for run_id, other in self._of.items():
            if other is not hand:
                others.setdefault(other.name, []).append(run_id)
        return Ping(until=until, others=others)
