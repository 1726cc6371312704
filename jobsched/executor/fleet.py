"""The daemon's side: starts the executors, tells them what to run, and hears what became of that."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from .. import __version__
from ..clock import elapsed
from ..loops import Loop
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
from .facts import boot_id, exit_of, printed_of, sent_of, since, start_of, stop_of, why_of
from .frames import Ended, FromExecutor, Lines, Ping, Started, Stop, Stopping, Stored, Welcome
from .hand import EVERY, PATIENCE, Hand
from .journal import FOLDER, numbers_in
from .node_life import NodeLife

STRAY = Why("lost", "no daemon knows this run any more")
GONE = "the executor that ran it is gone"


class Fleet(Service):
    """The executors of a daemon. Each run is told to the next of them in turn."""

    name = "executors"
    log = Logger()
    lines = logging.getLogger("jobsched.output")

    def __init__(
        self,
        reactor: Reactor,
        state: Path,
        count: int,
        output_limit: int,
        grace: float,
        redaction: Redaction,
        life: NodeLife,
    ) -> None:
        self._life = life
        self._folder = state / FOLDER
        self._grace = grace
        self._redaction = redaction
        self._chores = Threads(reactor, "executors")
        self._reactor = reactor
        self._calls: dict[str, ExecutorCall] = {}
        self._of: dict[str, Hand] = {}  # also of runs that have ended, until the store has that
        self._earlier: set[str] = set()  # runs of an earlier daemon that nobody has taken yet
        self._over: set[str] = set()  # those of them that have ended
        self._left: set[str] = set()  # runs that go on without this daemon
        self._settled = False
        self._told_until: float | None = None  # in the last ping
        self._there: list[Deferred[None]] = []
        self._words = [str(state), str(output_limit)]
        numbers = sorted({*range(1, count + 1), *numbers_in(self._folder)})
        self._newest = numbers[-1]
        self._executors = [self._hand(number) for number in numbers]
        self._awaited = set(self._executors)
        self._turns = deque(self._executors[:count])
        self._retired = set(self._executors[count:])  # they get no new runs, and go when they have none
        self._found: dict[str, str] = {}  # what became of processes of runs whose executor is dead
        self._pings = Loop(reactor, EVERY, self._ping, "the ping of executors")

    def startService(self) -> None:
        super().startService()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._chores.startService()
        self._reactor.callLater(0, self._begin)  # once the lock is signed and the umask is set

    def _begin(self) -> None:
        for hand in self._executors if self.running else ():
            hand.begin()
        if self.running:
            self._pings.start()

    def _ping(self) -> None:
        """Not before all runs in executors are this node's: until when others believe in the node before is not known
        here, though there."""
        if self._settled:
            ping = Ping(until=self._life.until())
            self._told_until = ping.until
            for hand in self._executors:
                hand.ping(ping, self._life.patience)

    def stopService(self) -> Deferred[None]:
        """Fires when the executors have ended, or after some seconds; call it when no run is left."""
        super().stopService()
        self._pings.stop()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        going_on = {self._of[run_id] for run_id in self._left}
        if going_on:
            await self._life.hand_over()
            self._ping()
        elif self._life.leaves() and not self._settled:  # what they have is still that of the daemon before
            going_on = set(self._executors)
        await gatherResults([hand.leave() if hand in going_on else hand.end(self._grace) for hand in self._executors])
        await self._chores.stopService()

    # Asked by the runner.

    def begin(self, script: Script, info: Info, success: Success, output: Output) -> ExecutorCall:
        """Have a script executed. It waits while its executor is not there yet."""
        secrets = {name: value for name, value in info.parameters.items() if self._redaction.covers(name)}
        if self._told_until is not None and elapsed() >= self._told_until:
            self._ping()  # this node has just come back, and the executors do not know it yet
        hand = self._of[script.run_id] = self._next()
        call = self._calls[script.run_id] = self._new(hand, script.run_id)
        call.follow(output)
        hand.tell(start_of(script, info, success, secrets))
        return call

    def known(self) -> Deferred[set[str]]:
        """The runs of an earlier daemon that executors have. Fires when all are there, or after some seconds."""
        there: Deferred[None] = Deferred()
        self._there.append(there)
        self._tell_there()
        there.addTimeout(PATIENCE, self._reactor, lambda _given_up, _seconds: None)
        return there.addCallback(lambda _: set(self._earlier))

    def take(self, run_id: str) -> ExecutorCall:
        """One of these, to go on with it."""
        self._earlier.remove(run_id)
        return self._calls.pop(run_id) if run_id in self._over else self._calls[run_id]

    def settle(self) -> None:
        """Those that nobody took are nobody's: they are ended."""
        self._settled = True
        self._ping()
        for run_id in self._earlier:
            self._calls.pop(run_id, None)
            if run_id not in self._over:
                self._of[run_id].tell(Stop(run_id=run_id, why=why_of(STRAY)))
        over = [run_id for run_id in self._earlier if run_id in self._over]
        self._earlier.clear()
        self._over.clear()
        self.stored(over)
        self._dismiss()

    def _hand(self, number: int) -> Hand:
        return Hand(self._reactor, self._folder, str(number), self._words, self)

    def _retire(self, hand: Hand) -> None:
        """It is of another release: another takes its place."""
        self._newest += 1
        fresh = self._hand(self._newest)
        self._retired.add(hand)
        self._turns[self._turns.index(hand)] = fresh
        self._executors.append(fresh)
        fresh.begin()

    def _dismiss(self) -> None:
        """Retired executors that have no runs go."""
        idle = {hand for hand in self._retired if hand.there and self._settled} if self._retired else set()
        for hand in idle - set(self._of.values()) if idle else ():
            self._retired.remove(hand)
            self._executors.remove(hand)
            hand.end(self._grace)

    def leave(self, run_id: str) -> bool:
        """Leave a run to its executor. Whatever that tells of it now, it will tell the next daemon."""
        if self._of[run_id].waits(run_id):
            return False
        self._left.add(run_id)
        return True

    def _next(self) -> Hand:
        """The next in turn that is there; if none is, the next."""
        for _ in range(len(self._turns)):
            self._turns.rotate(-1)
            if self._turns[-1].there:
                return self._turns[-1]
        self._turns.rotate(-1)
        return self._turns[-1]

    def _new(self, hand: Hand, run_id: str) -> ExecutorCall:
        return ExecutorCall(run_id, lambda why: self._stop_run(hand, run_id, why))

    def _tell_there(self) -> None:
        if not self._awaited:
            there, self._there = self._there, []
            for waiter in there:
                if not waiter.called:
                    waiter.callback(None)

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
        self._dismiss()

    # Told by a hand.

    def welcomed(self, hand: Hand, welcome: Welcome, told: set[str]) -> None:
        """An executor is there. Runs that were `told` to one of its name, and that it does not know, went with that."""
        if self._settled:
            hand.tell(Ping(until=self._life.until()))
        known = set(welcome.runs)
        lost = [self._calls[run_id] for run_id in told - known - self._left if run_id in self._calls]
        if lost:
            found = self._chores.run(end_orphans, lost, self._grace)
            found.addCallback(self._lost, lost)
            found.addErrback(lambda why: self._unknown(why.getErrorMessage(), lost))
        for run_id in known - self._of.keys():
            self._of[run_id] = hand
            if self._settled:
                hand.tell(Stop(run_id=run_id, why=why_of(STRAY)))
            else:
                self._earlier.add(run_id)
                self._calls[run_id] = self._new(hand, run_id)
        self._awaited.discard(hand)
        self._tell_there()
        if welcome.release != __version__ and hand in self._turns and self.running:
            self._retire(hand)
        self._dismiss()

    def died(self, hand: Hand, told: set[str]) -> None:
        """Its runs are ended, for there may never be another. Which of them had ended before, that one will tell."""
        alone = [self._calls[run_id] for run_id in told if run_id in self._calls]
        if alone:
            found = self._chores.run(end_orphans, alone, self._grace)
            found.addCallback(self._found.update)
            found.addErrback(lambda why: self.log.failure("the runs of an executor could not be ended", why))

    def heard(self, hand: Hand, frame: FromExecutor) -> None:
        """An executor tells something."""
        if isinstance(frame, Lines):
            self._print(frame)
        elif isinstance(frame, Started | Stopping | Ended):
            call = self._calls.get(frame.run_id)
            if frame.run_id in self._left:
                return
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
            self._found.pop(call.id, None)
            self._forget(call)
            # It was tried again there if it was busy.
            process_exit = attrs.evolve(exit_of(frame), busy=False, since=since(frame, boot_id()))
            call.end(process_exit, printed_of(frame), sent_of(frame, boot_id()))

    def _forget(self, call: ExecutorCall) -> None:
        """A run has ended. One that nobody has taken yet is kept for whoever does."""
        if call.id in self._earlier:
            self._over.add(call.id)
        else:
            del self._calls[call.id]

    def _print(self, frame: Lines) -> None:
        if frame.dropped:
            self.log.warn("{count} lines of runs are missing in the log: it did not take them", count=frame.dropped)
        for line in frame.lines:
            self.lines.info("%s", line)

    def _lost(self, found: dict[str, str], lost: list[ExecutorCall]) -> None:
        for call in lost:
            if call.id in self._calls and not call.ended.called:
                self._forget(call)
                words = self._found.pop(call.id, None) or found[call.id]
                call.end(ProcessExit(stopped=Why("lost", f"{GONE}; {words}")))

    def _unknown(self, words: str, lost: list[ExecutorCall]) -> None:
        self._lost({call.id: f"what was left of it could not be looked up: {words}" for call in lost}, lost)
