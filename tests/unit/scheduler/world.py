"""A world for one scheduler: simulated time, a real store, and hands that end runs after a while."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
from sqlalchemy import Connection, select
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from jobsched.clock import now
from jobsched.cluster.alone import Alone
from jobsched.events import Events
from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Job, Pause
from jobsched.model.membership import Heartbeat
from jobsched.model.node import Node
from jobsched.model.run import Run, State
from jobsched.scheduler.peers import Peers
from jobsched.scheduler.reconcile import RunnerPort
from jobsched.scheduler.scheduler import Scheduler
from jobsched.store.sign_of_life import SignOfLife
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import runs
from tests import sql_commands as commands
from tests.fakes import HeldPool, StillReactor

T0 = datetime(2024, 1, 1, tzinfo=UTC)
ENDING = 0.05  # seconds that a run takes to die when it is replaced


class CountedLoop(LoopingCall):
    """Counts how often it was begun, and its beats."""

    starts = beats = 0

    def start(self, interval: float, now: bool = True) -> Deferred[LoopingCall]:
        self.starts += 1
        return super().start(interval, now)

    def __call__(self) -> None:
        self.beats += 1
        super().__call__()


def every(seconds: float, **fields: Any) -> Draft:
    return Draft(task="task", name="job", every=timedelta(seconds=seconds), **fields)


def at(seconds: float) -> datetime:
    """So long after the world began."""
    return T0 + timedelta(seconds=seconds)


@attrs.define
class World:
    """`walk`, `jump` and `step` pass the time; `starts` is every run that was handed over, in order."""

    path: Path
    clock: StillReactor = attrs.field(factory=lambda: StillReactor(T0.timestamp()))
    most: int = 64  # runs at once
    lasts: Callable[[], float] = lambda: 0.3  # seconds that a run takes
    replaced_die: bool = True
    elapsed: float = 0.0
    active: dict[str, Run] = attrs.field(factory=dict)
    ends: dict[str, float] = attrs.field(factory=dict)
    starts: list[Run] = attrs.field(factory=list)
    pools: list[HeldPool] = attrs.field(factory=list)
    jobs: list[Job] = attrs.field(factory=list)
    ids: Ids = attrs.field(init=False)
    node_id: str = attrs.field(init=False)
    sign: SignOfLife = attrs.field(init=False)
    store: Store = attrs.field(init=False)
    scheduler: Scheduler = attrs.field(init=False)
    signs: bool = False  # it gives signs of life in the store
    alone: Alone | None = None

    @classmethod
    def new(cls, folder: Path, empty: Path, **fields: Any) -> World:
        path = folder / "jobsched.sqlite"
        shutil.copy(empty, path)
        world = cls(path, **fields)
        world.begin()
        return world

    # the daemon

    def begin(self, peers: Peers | None = None) -> None:
        """A daemon starts: ends what was left behind, then schedules; alone, if nobody is there."""
        self.pools.clear()
        self.alone = None
        self.ids = Ids()
        self.node_id = self.ids.make(self.now)
        self.sign = SignOfLife(lambda: self.now, lambda: self.elapsed)
        url = f"sqlite:///{self.path}"
        self.store = Store(self.clock, url, self._pool, sign=self.sign.take)  # type: ignore[arg-type]  # a fake
        self.scheduler = Scheduler(
            self.clock,
            self.store,
            RunnerPort(
                slots=lambda: max(self.most - len(self.active), 0),
                active=lambda: len(self.active),
                start=self._start,
                replace=self._replace,
                known=lambda: set(self.active),
            ),
            self.ids,
            peers or self._alone(),
            Events(),
        )
        self.store.startService()
        if self.alone is not None:
            self.alone.startService()
        for run in self.read(run_rows.left_behind, self.node_id):
            self._record(run, "lost")
        self.scheduler.startService()

    def stop(self) -> None:
        """A clean stop, in which every active run is cancelled."""
        stopped = self.scheduler.stopService()
        self.clock.advance(0)
        for run_id in list(self.active):
            self.end(run_id, "cancelled")
        self.clock.advance(0)
        done(stopped)
        if self.alone is not None:
            done(self.alone.stopService())
        self.store.stopService()
        assert not self.clock.getDelayedCalls(), "a stopped scheduler leaves no timer"

    def crash(self) -> None:
        """SIGKILL: what was in memory is gone, timers included."""
        self.scheduler.running = False
        for call in self.clock.getDelayedCalls():
            call.cancel()
        self.active.clear()
        self.ends.clear()
        self.store.stopService()

    def restart(self, downtime: float, *, cleanly: bool) -> None:
        if cleanly:
            self.stop()
        else:
            self.crash()
        self.elapsed += downtime
        self.clock = StillReactor(self.clock.seconds() + downtime)
        self.begin()

    # time

    @property
    def now(self) -> datetime:
        return now(self.clock)

    def walk(self, seconds: float) -> None:
        """Time passes as it should: each timer is called at its time, each run ends at its own."""
        until = self.elapsed + seconds
        while self.elapsed < until:
            timers = [self.elapsed + call.getTime() - self.clock.rightNow for call in self.clock.calls]
            span = max(min([until, *timers, *self.ends.values()]) - self.elapsed, 0)
            self.elapsed += span
            self.clock.walk(span)
            self._end_those_due()

    def jump(self, seconds: float) -> None:
        """The reactor is blocked, or the machine asleep, for so long."""
        self.elapsed += seconds
        self.clock.advance(seconds)
        self._end_those_due()
        self.clock.advance(0)

    def step(self, seconds: float, told_after: float = 0.0) -> None:
        """Somebody sets the wall clock."""
        self.clock.step(seconds)
        self.walk(told_after)
        self.scheduler.clock_stepped()
        self.clock.advance(0)

    # callers

    def add(self, draft: Draft) -> Job:
        job = draft.job(self.ids.make(self.now), self.now)
        self.write(commands.add, job, None)
        self.scheduler.wake(job.next_due)
        self.jobs.append(job)
        return job

    def pause(self, job: Job, until: datetime | None = None, reason: str = "", *, told: bool = True) -> None:
        self.write(commands.pause, job.id, Pause(by=None, at=self.now, until=until, reason=reason), self.ids)
        if told:
            self.scheduler.wake(None)

    def resume(self, job: Job) -> None:
        self.write(commands.resume, job.id, self.ids, self.now)
        self.scheduler.wake(None)

    def job(self, job: Job) -> Job | None:
        found: Job | None = self.read(job_rows.get, job.id)
        return found

    def record(self, job: Job | None = None) -> list[Run]:
        """Every run of a job, or of all, by due."""

        def question(connection: Connection) -> list[Run]:
            query = select(runs).order_by(runs.c.due, runs.c.id)
            if job is not None:
                query = query.where(runs.c.job_id == job.id)
            return [run_rows.from_row(row) for row in connection.execute(query)]

        found: list[Run] = self.read(question)
        return found

    def read(self, question: Callable[..., Any], *args: Any) -> Any:
        return done(self.store.read(question, *args))

    def write(self, change: Callable[..., Any], *args: Any) -> Any:
        return done(self.store.write(change, *args))

    # hands

    def _alone(self) -> Peers:
        node = Node(id=self.node_id, name="node", since=self.now, seen=self.now)
        alone = Alone(self.clock, self.store, node, self._heartbeat, self.sign, lambda: self.elapsed)
        self.alone = alone if self.signs else None
        return alone

    def _heartbeat(self) -> Heartbeat:
        return Heartbeat(id="", tasks=("task",), running=len(self.active), slots=self.most, tried=0, won=0)

    def _start(self, started: Iterable[Run]) -> None:
        for run in started:
            assert len(self.active) < self.most, "no more runs than slots"
            beside = [other for other in self.active.values() if other.job_id == run.job_id]
            assert run.overlaps or not beside, "a job that does not overlap has one run at a time"
            self.starts.append(run)
            self.active[run.id] = run
            self.ends[run.id] = self.elapsed + self.lasts()

    def _replace(self, replaced: Iterable[Run]) -> None:
        for run in replaced:
            if run.id in self.ends and self.replaced_die:
                self.ends[run.id] = min(self.ends[run.id], self.elapsed + ENDING)

    def _end_those_due(self) -> None:
        for run_id in [run_id for run_id, end in self.ends.items() if end <= self.elapsed]:
            self.end(run_id)

    def end(self, run_id: str, state: State = "succeeded") -> None:
        """A run ends and its outcome is recorded."""
        run = self.active[run_id]
        self._record(run, state)
        del self.active[run_id], self.ends[run_id]
        self.scheduler.slots_free()
        self.clock.advance(0)

    def _record(self, run: Run, state: State) -> None:
        ended = attrs.evolve(run, state=state, reason=state, ended=self.now)
        self.write(run_rows.record, [ended], self.ids, lambda: 0.5)

    def _pool(self, *_: Any) -> Any:
        self.pools.append(HeldPool())
        return self.pools[-1]

    @property
    def readers(self) -> HeldPool:
        return self.pools[0]

    @property
    def writers(self) -> HeldPool:
        return self.pools[1]


def done(deferred: Deferred[Any]) -> Any:
    """The result of a Deferred that has fired."""
    results: list[Any] = []
    failures: list[Any] = []
    deferred.addCallbacks(results.append, failures.append)
    for failure in failures:
        failure.raiseException()
    assert results, "it has not fired"
    return results[0]
