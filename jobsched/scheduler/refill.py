"""When runs that wait are claimed, while others end and free their slots."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from ..loops import Alarm
from .reconcile import RunnerPort

GATHER = 0.02  # seconds in which slots gather, at most


class Refill:
    """Calls `claim` when a claim may start some run that waits. If only slots are missing, nobody waits until the store
    knows what became of those that end; and slots gather until half of all are free, for while many short runs wait, a
    claim for each slot would take the processor from what is to start."""

    def __init__(self, clock: IReactorTime, runner: RunnerPort, claim: Callable[[], object]) -> None:
        self._runner = runner
        self._claim = claim
        self._waiting = False  # some run waits
        self._full = False  # the last claim took all slots
        self._gathered = Alarm(clock, claim)

    def found(self, *, waiting: bool) -> None:
        """Whether some run waits."""
        self._waiting = waiting

    def claimed(self, *, waiting: bool, full: bool) -> None:
        """What a claim came to."""
        self._waiting, self._full = waiting, full

    def look(self, *, stored: bool = True) -> None:
        """A run is over, and the store knows that or does not."""
        if not self._waiting or not (stored or self._full):
            return
        slots = self._runner.slots()
        if not self._full or slots >= self._runner.active():
            self.cancel()
            self._claim()
        elif slots:
            self._gathered.within(GATHER)

    def cancel(self) -> None:
        """Claim nothing later."""
        self._gathered.cancel()
