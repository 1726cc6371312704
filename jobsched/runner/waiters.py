"""Tells every waiter of a run that the run has ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime


def all_of(waited: Sequence[Deferred[None]], seconds: float, clock: IReactorTime) -> Deferred[None]:
    """Fires when all `waited` have fired, or after `seconds`; none of `waited` is cancelled."""
    over: Deferred[None] = Deferred()
    gatherResults(waited).addCallback(lambda _: None if over.called else over.callback(None))
    return over.addTimeout(seconds, clock, lambda _given_up, _seconds: None)


class Quiet:
    """Tells when it is quiet."""

    def __init__(self, clock: IReactorTime, is_quiet: Callable[[], bool]) -> None:
        self._clock = clock
        self._is_quiet = is_quiet
        self._waiting: list[Deferred[None]] = []

    def wait(self, seconds: float) -> Deferred[None]:
        """Fires when it is quiet, or after so many seconds."""
        waiter: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        self.look()
        return waiter.addTimeout(seconds, self._clock, lambda _given_up, _seconds: None)

    def look(self) -> None:
        """It may be quiet now."""
        if self._is_quiet():
            waiting, self._waiting = self._waiting, []
            for waiter in waiting:
                waiter.callback(None)


class Waiters:
    """Fires the Deferred of each waiter, once."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Deferred[None]]] = defaultdict(list)

    def wait(self, run_id: str) -> Deferred[None]:
        """Fires when `run_id` is next rung; may be cancelled."""
        waiter: Deferred[None] = Deferred(lambda given_up: self._forget(run_id, given_up))
        self._waiting[run_id].append(waiter)
        return waiter

    def ring(self, run_ids: Iterable[str]) -> None:
        """These runs have ended: fire their waiters."""
        for run_id in run_ids:
            for waiter in self._waiting.pop(run_id, ()):
                waiter.callback(None)

    def _forget(self, run_id: str, waiter: Deferred[None]) -> None:
        self._waiting[run_id].remove(waiter)
        if not self._waiting[run_id]:
            del self._waiting[run_id]
