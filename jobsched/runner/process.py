"""A run as a process of its own: started by `spawnProcess`, its output read, watched until nothing of it is left."""

from __future__ import annotations

import errno
import signal
from collections.abc import Mapping, Sequence

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorProcess, IReactorTime
from twisted.internet.process import Process
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..config import program
from ..config.catalog import Leftovers
from ..config.confinement import FREE, Confinement
from ..model.run import PROCESS, ProcessEvent, ProcessState
from . import procfs
from .deadline import AGAIN, Deadline
from .group import Group, start_of
from .leftovers import RemainingProcesses
from .outcome import BUSY, MISREAD, Fate, ProcessExit, exit_of, is_busy
from .output import Output
from .pipe import OutputPipe
from .process_survey import ProcessSurvey
from .procfs import Found
from .session import STDIN, STDOUT, Sessions

PATIENCE = 1.0  # seconds that processes left behind by a finished script may go on by themselves
SOON = 0.005  # seconds until a question that came too early is asked again
ENDING = ("ending", "killed")  # states of a process that was told to end
LOOK = 0.05  # seconds between looks at processes that still live; grows up to `AGAIN` while they stay


class ScriptProcess(ProcessProtocol):
    """A run's first process, all that come of it, and its output pipe. `ended` fires with a `ProcessExit` when none is
    left, or when those left are let go (`leftovers` is "keep") or given up.

    When the first process has ended, those it left behind have `PATIENCE` to end too. Then they are ended, waited for
    or let go, as `leftovers` says. A signal to any outside the first one's group takes a look: see `ProcessSurvey`.
    """

    log = Logger()

    def __init__(
        self,
        sessions: Sessions,
        clock: IReactorTime,
        survey: ProcessSurvey,
        run_id: str,
        output: Output,
        grace: float,
        leftovers: Leftovers | None = None,
        kept: set[OutputPipe] | None = None,
        path: str = "",  # of the program that the run starts
        starters: tuple[str, ...] = (),  # names of the programs in front of that program, which may start it
    ) -> None:
        self.ended: Deferred[ProcessExit] = Deferred()
        self.deadline = Deadline(clock, self._send, grace, self._is_over)
        self.pid: int | None = None
        self._pid_started: float | None = None
        self.pipe = OutputPipe(output)
        self._path = path
        self._starters = starters
        self._sessions = sessions
        self._clock = clock
        self._survey = survey
        self._run_id = run_id
        self._leftovers = leftovers
        self._kept = set() if kept is None else kept  # pipes of ended runs, to which processes may still print
        self._launchers: tuple[str, ...] = ()
        self._group = Group(0)
        self._status: ProcessExit | None = None
        self._exited = 0.0
        self._everywhere = leftovers is not None  # after the script, look also for processes that left its session
        self._remaining = RemainingProcesses(run_id, survey.groups.group(run_id))
        self._as_a_group = False  # the last signal went to the group as a whole
        self._tick = 0  # in which it went there
        self._asked: float | None = None  # when the survey was asked, while its answer is awaited
        self._pause = LOOK
        self._next: IDelayedCall | None = None
        self._state: ProcessState = PROCESS.begins["spawn"]

    def spawn(self, argv: Sequence[str], env: Mapping[str, str], stdin: int, confinement: Confinement = FREE) -> None:
        """Start `argv`, with the programs that apply `confinement`. Raises OSError; then no process is left."""
        self._launchers = confinement.launchers
        self._remaining.control.limit(confinement.resource_limits)
        sessions = attrs.evolve(self._sessions, owner=confinement.owner, born=self._remaining.control.take)
        try:
            self._start(sessions, argv, env, stdin)
        except FileNotFoundError as why:
            raise OSError(f"{argv[0]}: {program.fault(argv[0]) or 'no such program'}") from why
        except OSError as why:
            if why.errno != errno.ENOEXEC or program.is_binary(argv[0]):  # such as one for another machine
                raise
            self._start(sessions, ["/bin/sh", *argv], env, stdin)  # a script without #!: execvp and cron do the same

    def _start(self, sessions: IReactorProcess, argv: Sequence[str], env: Mapping[str, str], stdin: int) -> None:
        with self._remaining.control.inside():
            sessions.spawnProcess(self, argv[0], list(argv), dict(env), childFDs={STDIN: stdin, STDOUT: "r"})

    def connectionMade(self) -> None:
        assert isinstance(self.transport, Process)
        self.pipe.begin(self.transport)
        self.pid = self.transport.pid
        assert self.pid is not None
        self._remaining.began(self.pid)
        self._group = Group(self.pid)

    @property
    def pid_started(self) -> float | None:
        """As `group.began` has it: asked for while the process is there, and not for a run that is over at once."""
        if self._pid_started is None and self._status is None:
            self._pid_started = start_of(self.pid)
        return self._pid_started

    def outReceived(self, data: bytes) -> None:
        self.pipe.received(data)  # into the run's file and the log: see `Output`

    def outConnectionLost(self) -> None:
        self._kept.discard(self.pipe)
        self._look()

    def processExited(self, reason: Failure) -> None:
        self._status = exit_of(reason, self._launchers, getattr(self.transport, "usage", None))  # a `SessionProcess`'s
        self._exited = self._clock.seconds()
        self._move("exit")
        self._remaining.exited(by_itself=self._state == "exited")
        if self._state == "gone":
            self.log.info("process {pid} of run {run}, which was given up, has ended", pid=self.pid, run=self._run_id)
            return
        if self._remaining.by_itself and self._leftovers != "wait":
            self.deadline.disarm()
        self._look_in(0)

    def _move(self, event: ProcessEvent) -> None:
        self._state = PROCESS.after(self._state, event)

    # Called by the deadline.

    def _is_over(self) -> bool:
        """Whether the run has ended by itself. Asks the kernel: the reactor may not know of it yet."""
        if self._status is None and self.transport is not None:
            self.transport.reapProcess()  # type: ignore[attr-defined]  # of Twisted's Process
        if self._status is None:
            return False
        if self._leftovers != "wait":
            return True
        self.pipe.drain()
        return not self.pipe.connected and not self._remaining.live() and self._is_empty() is True

    def _send(self, number: int) -> None:
        if self._state == "gone":
            self.deadline.disarm()
            return
        self._move("TERM" if number == signal.SIGTERM else "KILL")
        self._as_a_group = self._status is None
        everywhere = self._everywhere or self.deadline.stopped is not None
        self._remaining.sending(number, first=self._as_a_group, every=everywhere and not self._keeps)
        if self._as_a_group:
            self._tick = procfs.now()
            self._group.send(number)  # at once; processes that left the group are looked for first
        self._pause = LOOK
        if self._asked is None:
            self._ask()
        elif self.deadline.hopeless and self._clock.seconds() - self._asked > AGAIN:
            self._finish("give up", self._remaining.given_up())  # not even the survey of its processes comes to an end

    # The processes that are left when the first one has ended or is being ended.

    def _look(self) -> None:
        """Look at what is left. An exception (a bug of ours) is logged; further looks and the run's end follow."""
        try:
            self._look_once()
        except Exception:
            self._stumbled(Failure())

    def _stumbled(self, why: Failure) -> None:
        self._asked = None
        self.log.failure("run {run}: its remaining processes could not be looked up", why, run=self._run_id)
        if self._state != "gone":
            self._look_in(AGAIN)
        elif not self.ended.called:
            self.ended.errback(why)

    def _look_once(self) -> None:
        """Find out whether any process is left, and whether it is time to act on that."""
        if self._state in ("started", "gone") or self._asked is not None:
            return
        if self._remaining.live():
            self._go_on(left=True)
        elif self._state in ENDING or (self._everywhere and not self._remaining.control.empty()):
            self._ask()
        elif (empty := self._is_empty()) is None:
            self._look_in(SOON)
        elif empty:
            self._go_on(left=False)
        else:
            self._ask()

    def _is_empty(self) -> bool | None:
        """Whether the ended first process's session is empty; unreaped processes count. None: ask again soon."""
        group, control = self._group, self._remaining.control
        if procfs.is_free(group.pid):
            return True
        return group.empty() and (control.empty() or self._survey.session_is_empty(group.pid, self._exited))

    def _ask(self) -> None:
        self._asked = self._clock.seconds()
        answer = self._survey.of(self._run_id, self._group.leader(self._status is not None))
        answer.addCallbacks(self._answer, self._ask_failed).addErrback(self._stumbled)

    def _answer(self, found: list[Found]) -> None:
        self._asked = None
        if self._state == "gone":
            return
        found = self._remaining.control.with_members(found, self._group.pid)
        everywhere = self._everywhere or self.deadline.stopped is not None
        self._remaining.seen(each for each in found if (everywhere or each.inside) and each.pid != self.pid)
        if self._state in ENDING and not self._keeps:
            self._remaining.count()
            self._remaining.signal(self._group, self._state == "killed", self._as_a_group, self._tick)
        self._go_on(bool(self._remaining.known))

    def _ask_failed(self, why: Failure) -> None:
        self._asked = None
        self.log.failure("run {run}: the processes that it left behind could not be looked up", why, run=self._run_id)
        if self._status is not None:
            self._finish("give up")

    def _go_on(self, left: bool) -> None:
        """Take the next step. `left`: whether any process is left."""
        gone = not left and self._status is not None
        patient = self._clock.seconds() - self._exited < PATIENCE
        if gone and (self._state in ENDING or not self.pipe.connected):
            self._finish("nothing left")
        elif self._keeps and (self._state in ENDING or not patient):
            self._remaining.count()
            self._finish("let go")
        elif self._state in ENDING:
            if self.deadline.hopeless and (self.deadline.abandoned or self._remaining.stuck()):
                self._finish("give up", self._remaining.given_up())
            elif left:
                self._look_later()
        elif patient:
            self._look_in(LOOK)
        elif self._leftovers == "wait":
            self._remaining.count()
            self._look_later()
        else:
            self._everywhere = self._leftovers == "end" or bool(self.pipe.connected)
            self.deadline.sweep()

    @property
    def _keeps(self) -> bool:
        """Whether processes left behind may go on: the script succeeded by itself, and `leftovers` is "keep"."""
        success = self._status is not None and self._status.exit_code == 0
        return success and self._remaining.by_itself and self._leftovers == "keep"

    def _look_later(self) -> None:
        self._look_in(self._pause)
        self._pause = min(self._pause * 1.5, AGAIN)

    def _look_in(self, seconds: float) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = self._clock.callLater(seconds, self._look)

    def _finish(self, how: ProcessEvent, given_up: tuple[procfs.Stat, ...] = ()) -> None:
        fate: Fate = "kept" if how == "let go" else "ended" if self._state in ENDING else "awaited"
        self._move(how)
        self.deadline.end()
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None  # one that has rung holds this: a circle, as in `Deadline.end`
        if how == "let go":
            self.pipe.let_go(self._kept)
        else:
            self.pipe.finish()
        self.ended.callback(self._process_exit(fate, given_up))
        self._remaining.control.close()

    def _process_exit(self, fate: Fate, given_up: tuple[procfs.Stat, ...]) -> ProcessExit:
        status = self._status or ProcessExit()
        odd = status.exit_code in MISREAD and self.deadline.stopped is None
        return attrs.evolve(
            status,
            stopped=self.deadline.stopped,
            launchers=self._launchers,
            left=self._remaining.left,
            fate=fate,
            given_up=given_up,
            refused=tuple(self._remaining.refused.values()),
            busy=status.exit_code == BUSY and is_busy(self.pipe.opening, self._starters, self._path),
            hint=program.carriage_return(self._path) if odd else self._remaining.control.hint(),
            usage=self._remaining.control.usage(status.usage),
        )
