"""The daemon's side: starts the executors, executors runs to them, and hears what became of those."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from itertools import cycle
from pathlib import Path

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from ..model.redaction import Redaction
from ..model.success import Success
from ..reactor_types import Reactor
from ..runner.deadline import Stop as Why
from ..runner.elsewhere import ExecutorCall
from ..runner.outcome import ProcessExit
from ..runner.output import Output
from ..runner.recovery import end_orphans
from ..runner.scripts import Script
from ..task import Info
from ..threads import Threads
from .facts import exit_of, printed_of, start_of, stop_of, why_of
from .frames import Ended, FromExecutor, Lines, Started, Stop, Stopping, Stored, Welcome
from .hand import Hand
from .journal import FOLDER

STRAY = Why("lost", "no daemon knows this run any more")
GONE = "the executor that ran it is gone"


class Fleet(Service):
    """The executors of a daemon. Each run is told to the next of them in turn."""

    name = "executors"
    log = Logger()
    lines = logging.getLogger("jobsched.output")

    def __init__(
        self, reactor: Reactor, state: Path, count: int, output_limit: int, grace: float, redaction: Redaction
    ) -> None:
        self._folder = state / FOLDER
        self._grace = grace
        self._redaction = redaction
        self._chores = Threads(reactor, "executors")
        self._reactor = reactor
        self._calls: dict[str, ExecutorCall] = {}
        self._of: dict[str, Hand] = {}  # also of runs that have ended, until the store has that
        words = [str(state), str(output_limit)]
        self._executors = [Hand(reactor, self._folder, str(number), words, self) for number in range(1, count + 1)]
        self._turns = cycle(self._executors)

    def startService(self) -> None:
        super().startService()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._chores.startService()
        self._reactor.callLater(0, self._begin)  # once the lock is signed and the umask is set

    def _begin(self) -> None:
        for hand in self._executors if self.running else ():
            hand.begin()

    def stopService(self) -> Deferred[None]:
        """Fires when the executors have ended, or after some seconds; call it when no run is left."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await gatherResults([hand.end() for hand in self._executors])
        await self._chores.stopService()

    # Asked by the runner.

    def begin(self, script: Script, info: Info, success: Success, output: Output) -> ExecutorCall:
        """Have a script executed. It waits while its executor is not there yet."""
        secrets = {name: value for name, value in info.parameters.items() if self._redaction.covers(name)}
        hand = self._of[script.run_id] = next(self._turns)
        call = ExecutorCall(script.run_id, output, lambda why: self._stop_run(hand, script.run_id, why))
        self._calls[script.run_id] = call
        hand.tell(start_of(script, info, success, secrets))
        return call

    def _stop_run(self, hand: Hand, run_id: str, why: Why) -> None:
        if hand.withdraw(run_id):
            self._calls.pop(run_id).end(ProcessExit(stopped=why))
        else:
            hand.tell(Stop(run_id=run_id, why=why_of(why)))

    def stored(self, run_ids: Iterable[str]) -> None:
        """The store has the outcomes of these runs."""
        ended: dict[Hand, list[str]] = {}
        for run_id in run_ids:
            if (hand := self._of.pop(run_id, None)) is not None:
                ended.setdefault(hand, []).append(run_id)
        for hand, ids in ended.items():
            hand.tell(Stored(run_ids=ids))

    # Told by a hand.

    def welcomed(self, hand: Hand, welcome: Welcome, told: set[str]) -> None:
        """An executor is there. Runs that were `told` to one of its name, and that it does not know, went with that."""
        known = set(welcome.runs)
        lost = [self._calls[run_id] for run_id in told - known if run_id in self._calls]
        if lost:
            found = self._chores.run(end_orphans, lost, self._grace)
            found.addCallback(self._lost, lost)
            found.addErrback(lambda why: self._unknown(why.getErrorMessage(), lost))
        for run_id in known - self._of.keys():
            self._of[run_id] = hand
            hand.tell(Stop(run_id=run_id, why=why_of(STRAY)))

    def heard(self, hand: Hand, frame: FromExecutor) -> None:
        """An executor tells something."""
        if isinstance(frame, Lines):
            self._print(frame)
        elif isinstance(frame, Started | Stopping | Ended):
            call = self._calls.get(frame.run_id)
            if call is not None:
                self._of_run(call, frame)
            elif isinstance(frame, Ended):  # of a run that an earlier daemon started
                self.stored([frame.run_id])

    def _of_run(self, call: ExecutorCall, frame: Started | Stopping | Ended) -> None:
        if isinstance(frame, Started):
            call.begin(frame.pid, frame.pid_started)
        elif isinstance(frame, Stopping):
            call.deadline.stopping(stop_of(frame.why))
        else:
            del self._calls[call.id]
            call.output.came(printed_of(frame))
            call.end(attrs.evolve(exit_of(frame), busy=False))  # it was tried again there

    def _print(self, frame: Lines) -> None:
        if frame.dropped:
            self.log.warn("{count} lines of runs are missing in the log: it did not take them", count=frame.dropped)
        for line in frame.lines:
            self.lines.info("%s", line)

    def _lost(self, found: dict[str, str], lost: list[ExecutorCall]) -> None:
        for call in lost:
            if self._calls.pop(call.id, None) is not None:
                call.end(ProcessExit(stopped=Why("lost", f"{GONE}; {found[call.id]}")))

    def _unknown(self, words: str, lost: list[ExecutorCall]) -> None:
        self._lost({call.id: f"what was left of it could not be looked up: {words}" for call in lost}, lost)
