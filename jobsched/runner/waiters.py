"""Tells every waiter of a run that the run has ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime


def all_of(waited: Sequence[Deferred[None]], seconds: float, clock: IReactorTime) -> Deferred[None]:
    """Fires when all `waited` have fired, or after `seconds`; none of `waited` is cancelled."""
    over: Deferred[None] = Deferred()
    gatherResults(waited).addCallback(lambda _: None if over.called else over.callback(None))
    return over.addTimeout(seconds, clock, lambda _given_up, _seconds: None)


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
