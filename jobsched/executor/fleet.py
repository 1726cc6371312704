"""The daemon's side: starts the executors, tells them what to run, and hears what became of that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from .facts import boot_id, ended_at, exit_of, printed_of, sent_of, start_of, stop_of, why_of
from .frames import Ended, FromExecutor, Lines, Started, Stop, Stopping, Stored, Welcome
from .hand import EVERY, PATIENCE, Hand
from .journal import FOLDER
from .lasting import LastingRuns
from .node_life import NodeLife
from .pool import Pool

STRAY = Why("lost", "no daemon knows this run any more")
MISSED = 30.0  # seconds without any executor that show a fault
GONE = "the executor that ran it is gone"


class Fleet(Service):
    """The executors of a daemon. Each run is told to the next of them in turn."""

    name = "executors"
    log = Logger()

    def __init__(
        self,
        reactor: Reactor,
        state: Path,
        count: int,
        settings: Sequence[str],
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
        self._lasting = LastingRuns(reactor, self._ping)
        self._there: list[Deferred[None]] = []
        self._settings = settings  # the limit of an output, the umask of runs
        self._executors = Pool(reactor, self._folder, count, self._hand)
        self._found: dict[str, str] = {}  # what became of processes of runs whose executor is dead
        self._pings = Loop(reactor, EVERY, self._ping, "the ping of executors")
        self._usable = reactor.seconds()  # when one was there that gets runs

    def startService(self) -> None:
        super().startService()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._chores.startService()
        self._reactor.callLater(0, self._begin)  # once the lock is signed and the umask is set

    def _begin(self) -> None:
        if self.running:
            self._executors.begin()
            self._pings.start()

    def _ping(self) -> None:
        """Not before all runs in executors are this node's: until when others believe in the node before is not known
        here, though there."""
        if self._executors.usable:
            self._usable = self._reactor.seconds()
        if self._settled:
            self._told_until = self._life.until()
            for hand in self._executors:
                hand.ping(self._lasting.ping(hand, self._told_until), self._life.patience)

    def stopService(self) -> Deferred[None]:
        """Fires when the executors have ended, or after some seconds; call it when no run is left."""
        super().stopService()
        self._pings.stop()
        self._lasting.stop()
        self._executors.stop()
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

    @property
    def problem(self) -> str:
        """What keeps scripts from being started, in words; "": nothing."""
        gone = self._reactor.seconds() - self._usable
        return f"no executor has been there for {gone:.0f} s, so scripts wait" if gone > MISSED else ""

    # Asked by the runner.

    def begin(self, script: Script, info: Info, success: Success, output: Output) -> ExecutorCall:
        """Have a script executed. It waits while its executor is not there yet."""
        secrets = {name: value for name, value in info.parameters.items() if self._redaction.covers(name)}
        if self._told_until is not None and elapsed() >= self._told_until:
            self._ping()  # this node has just come back, and the executors do not know it yet
        hand = self._of[script.run_id] = self._executors.next()
        call = self._calls[script.run_id] = self._new(hand, script.run_id)
        call.follow(output)
        hand.tell(start_of(script, info, success, secrets))
        return call

    def known(self) -> Deferred[set[str]]:
        """The runs of an earlier daemon that executors have. Fires when all that may have some are there, or after some
        seconds."""
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
                self._end_stray(self._of[run_id], run_id)
        over = [run_id for run_id in self._earlier if run_id in self._over]
        self._earlier.clear()
        self._over.clear()
        self.stored(over)
        self._dismiss()

    def _hand(self, number: int) -> Hand:
        return Hand(self._reactor, self._folder, str(number), [str(self._folder.parent), *self._settings], self)

    def _dismiss(self) -> None:
        """Retired executors that have no runs go."""
        for hand in self._executors.dismiss(self._of.values()) if self._settled else ():
            hand.end(self._grace)

    def has(self, run_id: str) -> bool:
        """Whether an executor was told of this run, and the store does not have its outcome yet."""
        return run_id in self._of and not self._of[run_id].waits(run_id)

    def _end_stray(self, hand: Hand, run_id: str) -> None:
        self.log.warn("an executor has run {run}, which the store does not give this node: it is ended", run=run_id)
        hand.tell(Stop(run_id=run_id, why=why_of(STRAY)))

    def leave(self, run_id: str) -> bool:
        """Leave a run to its executor. Whatever that tells of it now, it will tell the next daemon."""
        if not self.has(run_id):
            return False
        self._left.add(run_id)
        return True

    def _new(self, hand: Hand, run_id: str) -> ExecutorCall:
        return ExecutorCall(run_id, lambda why: self._stop_run(hand, run_id, why))

    def _tell_there(self) -> None:
        if self._executors.complete:
            waiting, self._there = [each for each in self._there if not each.called], []
            for waiter in waiting:
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
            hand.tell(self._lasting.ping(hand, self._life.until(), afresh=True))
        known = set(welcome.runs)
        if lost := [self._calls[run_id] for run_id in told - known - self._left if run_id in self._calls]:
            found = self._chores.run(end_orphans, lost, self._grace)
            found.addCallback(self._lost, lost)
            found.addErrback(lambda why: self._unknown(why.getErrorMessage(), lost))
        for run_id in known - self._of.keys():
            self._of[run_id] = hand
            if self._settled:
                self._end_stray(hand, run_id)
            else:
                self._earlier.add(run_id)
                self._calls[run_id] = self._new(hand, run_id)
        self._executors.welcomed(hand)
        self._tell_there()
        other_way = (welcome.release, welcome.settings) != (__version__, " ".join(self._settings))
        if self.running and other_way and not hand.ours:  # else its files were replaced, and the next is no other
            self._executors.retire(hand)
        self._dismiss()

    def absent(self, hand: Hand) -> None:
        """It is not there."""
        self._executors.absent(hand)
        self._tell_there()

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
            for run_id in frame.last.keys() & self._calls.keys():
                self._calls[run_id].print(frame.last[run_id])
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
            call.print(frame.last_line)
            if not frame.keep:
                self._lasting.add(call, self._of[call.id])
        elif isinstance(frame, Stopping):
            call.deadline.stopping(stop_of(frame.why))
        else:
            self._found.pop(call.id, None)
            self._forget(call, let_go=frame.fate == "kept")
            process_exit = exit_of(frame, ended_at(frame, boot_id()))
            if process_exit.busy:  # it was tried again there
                process_exit = attrs.evolve(process_exit, busy=False)
            call.end(process_exit, printed_of(frame), sent_of(frame, boot_id()), frame.pid)

    def _forget(self, call: ExecutorCall, let_go: bool = False) -> None:
        """A run has ended. One that nobody has taken yet is kept for whoever does."""
        self._lasting.discard(call.id, let_go)
        if call.id in self._earlier:
            self._over.add(call.id)
        else:
            del self._calls[call.id]

    def _lost(self, found: dict[str, str], lost: list[ExecutorCall]) -> None:
        for call in lost:
            if call.id in self._calls and not call.ended.called:
                self._forget(call)
                words = self._found.pop(call.id, None) or found[call.id]
                call.end(ProcessExit(stopped=Why("lost", f"{GONE}; {words}")))

    def _unknown(self, words: str, lost: list[ExecutorCall]) -> None:
        self._lost({call.id: f"what was left of it could not be looked up: {words}" for call in lost}, lost)
