"""Which runs last, and in which executor: each is told of those of the others, for which it may have to stand in."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from ..loops import Alarm
from ..runner.elsewhere import ExecutorCall
from .frames import Lasting, Other, Ping
from .hand import Hand

SOON = 0.1  # seconds until others are told of a run: its executor and the daemon may be killed together

Place = tuple[str, int]  # an executor, by its name and process


class LastingRuns:
    """Runs that may not go on when others may take this node for dead, each with the executor that has it. `ping` is
    called to tell all executors something new."""

    def __init__(self, reactor: IReactorTime, ping: Callable[[], object]) -> None:
        self._ping = ping
        self._soon = Alarm(reactor, ping)
        self._fenced = False  # there are others who may take this node for dead
        self._all: dict[str, tuple[Place, Lasting]] = {}
        self._changes = 0
        self._told: dict[str, int] = {}  # by an executor's name: the changes that it has heard of

    def add(self, call: ExecutorCall, hand: Hand) -> None:
        """A run goes on there."""
        run = (hand.name, hand.pid), Lasting(call.id, call.pid, call.pid_started)
        if self._all.get(call.id) == run:
            return
        self._all[call.id] = run
        self._changes += 1
        if self._fenced:
            self._soon.within(SOON)

    def discard(self, run_id: str, let_go: bool = False) -> None:
        """It does no more. What it has let go bears its mark: nobody may take that for the run, once the store has the
        outcome and its executor forgets it."""
        if self._all.pop(run_id, None) is not None:
            self._changes += 1
            if let_go and self._fenced:
                self._ping()

    def stop(self) -> None:
        """Call for no ping any more."""
        self._soon.cancel()

    def ping(self, hand: Hand, until: float | None, afresh: bool = False) -> Ping:
        """For this executor, with the runs of the others if this daemon has not told it of them yet, or not told it
        since it has come `afresh`."""
        self._fenced = until is not None
        if until is None or (not afresh and self._told.get(hand.name) == self._changes):
            return Ping(until=until)
        self._told[hand.name] = self._changes
        others: dict[Place, list[Lasting]] = {}
        for place, run in self._all.values():
            if place != (hand.name, hand.pid):
                others.setdefault(place, []).append(run)
        return Ping(until=until, others=[Other(name=name, pid=pid, runs=runs) for (name, pid), runs in others.items()])
