"""Watches what does not happen: dues that do not start, jobs that do not succeed, and whether they recover."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..clock import now
from ..model.complaint import Complaint
from ..model.errors import told
from ..store import overdue, suspects
from ..store.store import Store
from .company import Company

EVERY = 5.0  # seconds between looks
PAGE = 2_000  # jobs in one answer
MOST = 100  # jobs in one change


class Lookout(Service):
    """Looks at the jobs that are watched, and at those that fail. Each node looks; what it finds is stored once.

    Start it with the scheduler: only then are dues looked after. It looks for the first time when those that a daemon
    finds at its start have been claimed.
    """

    name = "lookout"
    log = Logger()

    def __init__(self, clock: Any, store: Store, company: Company) -> None:
        self._clock = clock
        self._store = store
        self._company = company
        self._complaint = Complaint()
        self._loop: LoopingCall | None = None
        self._looking: Deferred[None] = succeed(None)
        self._busy = False

    def startService(self) -> None:
        super().startService()
        self._begin()

    def stopService(self) -> Deferred[None]:
        """Fires when the look under way is over."""
        super().stopService()
        if self._loop is not None and self._loop.running:
            self._loop.stop()
        return self._looking

    def clock_stepped(self) -> None:
        """A loop that waits for a time of the old clock is given up."""
        if self.running:
            self._begin()

    def _begin(self) -> None:
        if self._loop is not None and self._loop.running:
            self._loop.stop()
        self._loop = LoopingCall(self._look)
        self._loop.clock = self._clock
        self._loop.start(EVERY, now=False)

    def _look(self) -> Deferred[None]:
        if not self._busy:  # by the loop before this one
            self._busy = True
            self._looking = Deferred.fromCoroutine(self.look()).addErrback(self._blind).addBoth(self._looked)
        return self._looking

    async def look(self) -> None:
        """One look at all of them."""
        for question in (self._watched, self._mended):
            found = [""] * PAGE
            while len(found) == PAGE and self._may_look():
                found = await question()
                if not await self._settle(found):
                    break  # what it found, other nodes have stored; the rest is for the next look
        self._complaint.settled()

    def _watched(self) -> Deferred[list[str]]:
        return self._store.read(suspects.watched, PAGE, now(self._clock))

    def _mended(self) -> Deferred[list[str]]:
        return self._store.read(suspects.mended, PAGE)

    async def _settle(self, found: Sequence[str]) -> bool:
        """Whether anything came of it."""
        came = False
        for begin in range(0, len(found), MOST):
            if not self._may_look():
                break
            turns = await self._store.write(overdue.settle, found[begin : begin + MOST], now(self._clock))
            came = came or bool(turns)
            for turn in turns:
                self._say(turn)
        return came

    def _may_look(self) -> bool:
        return bool(self.running) and self._company.holds()

    def _say(self, turn: overdue.Turn) -> None:
        told = {"job": turn.job.id, "name": turn.job.name, "reason": turn.reason}
        if turn.event == "overdue":
            self.log.warn("job {job} ({name}) is overdue: {reason}", **told)
        else:
            self.log.info("job {job} ({name}) has recovered: {reason}", **told)

    def _looked(self, _: None) -> None:
        self._busy = False

    def _blind(self, why: Failure) -> None:
        if not told(why.value) and self._complaint.worth_saying(words := why.getErrorMessage(), self._clock.seconds()):
            self.log.error("it is not known which jobs are overdue, trying again in {seconds} s: {why}",
                           seconds=EVERY, why=words)  # fmt: skip
