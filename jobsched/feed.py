"""The changes of the store, read while anybody follows them: once for all who do, a few times each second, and the less
often the more they are: what was gathered goes to each of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime

from .clock import now
from .loops import Loop
from .model.change import Change, Numbers
from .model.hold import Hold
from .model.job import JobView
from .model.node import Node
from .model.run import Run
from .store.contract.store import Store

TICK = 0.1  # seconds
EVERY, EACH, RARELY = 0.2, 0.004, 0.4  # seconds between looks: at least, more for each who follows, at most
PAGE = 500


@attrs.frozen
class Told:
    """A change, and what it was about as that is now; None: it is gone."""

    change: Change
    subject: Run | JobView | Node | Hold | None


class Feed(Service):
    """Hands changes to those that follow, in order, without a gap and without one twice."""

    name = "feed"

    def __init__(self, reactor: IReactorTime, clock: IReactorTime, store: Store) -> None:
        self._clock = clock
        self._store = store
        self._reactor = reactor
        self._loop = Loop(reactor, TICK, self._look, "the look for changes that callers follow")
        self._looked = -RARELY
        self._hearers: dict[Callable[[Sequence[Told]], object], Callable[[], object]] = {}
        self.position = 0  # the number of the last change that those who follow have been told

    def stopService(self) -> None:
        """All who follow hear that it is over."""
        super().stopService()
        self._loop.stop()
        for over in list(self._hearers.values()):
            over()
        self._hearers.clear()

    async def numbers(self) -> Numbers:
        """The oldest change that is kept, and the last, after all that there are have got their numbers."""
        while await self._store.changes.number(PAGE) == PAGE:
            pass
        return await self._store.changes.numbers()

    async def page(self, after: int) -> Sequence[Told]:
        """The next changes behind that number, and what they are about."""
        found, _ = await self._store.changes.after(after, PAGE)
        return await self._with_subjects(found)

    def follow(self, position: int, hear: Callable[[Sequence[Told]], object], over: Callable[[], object]) -> bool:
        """Have `hear` called with all that comes behind `position`, and `over` at the end of the daemon. False, and
        nothing is followed, if others have been told more than that already: the page behind `position` is there."""
        if not self._hearers:
            self.position = position
            self._loop.start(now=False)
        elif position < self.position:
            return False
        self._hearers[hear] = over
        return True

    def leave(self, hear: Callable[[Sequence[Told]], object]) -> None:
        """Do not call `hear` any more."""
        self._hearers.pop(hear, None)
        if not self._hearers:
            self._loop.stop()

    async def _look(self) -> None:
        apart = min(EVERY + EACH * len(self._hearers), RARELY)
        if self._reactor.seconds() < self._looked + apart - TICK / 2:
            return
        self._looked = self._reactor.seconds()
        while self._hearers:
            begun = self.position
            found, some_without = await self._store.changes.after(begun, PAGE)
            if some_without and len(found) < PAGE:
                await self._store.changes.number(PAGE)
                found, some_without = await self._store.changes.after(begun, PAGE)
            told = await self._with_subjects(found)
            if begun != self.position or not told:  # all have left meanwhile, and others have come
                return
            self.position = told[-1].change.number or begun
            for hear in list(self._hearers):
                hear(told)
            if not some_without and len(found) < PAGE:
                return

    async def _with_subjects(self, changes: Sequence[Change]) -> list[Told]:
        runs = {change.run_id for change in changes if change.run_id is not None}
        jobs = {change.job_id for change in changes if change.kind == "job" and change.job_id is not None}
        nodes = {change.node_id for change in changes if change.node_id is not None}
        found: dict[str | None, Run | JobView | Node | Hold | None] = {}
        if runs:
            found |= {run.id: run for run in await self._store.runs.some(sorted(runs))}
        if jobs:
            found |= {view.job.id: view for view in await self._store.jobs.some(sorted(jobs), now(self._clock))}
        if nodes:
            found |= {node.id: node for node in await self._store.nodes.every() if node.id in nodes}
        if any(change.kind == "hold" for change in changes):  # of which there is one, without an id
            found[None] = await self._store.holds.current(now(self._clock))
        return [Told(change, found.get(change.run_id or change.node_id or change.job_id)) for change in changes]
