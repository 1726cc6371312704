"""What an executor begins, and what it tells of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import Mock

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from jobsched.events import Topic
from jobsched.executor.executor import FIRST, TURN, Executor
from jobsched.executor.frames import Ended, Frame, Lasting, Other, Ping, Start, Started, Stop, Stopping, Why
from jobsched.executor.journal import Journal
from jobsched.reactor_types import Reactor
from jobsched.runner import deadline
from jobsched.runner.calls import BRIEF
from jobsched.runner.outcome import ProcessExit
from jobsched.runner.output import Output
from jobsched.runner.scripts import Script, Scripts
from tests.present import present


def test_what_is_told_while_it_ends_is_not_begun(tmp_path: Path) -> None:
    executor = Executor(Mock(), tmp_path, 1000, Journal(tmp_path, "it"), Mock(), Mock())
    Deferred.fromCoroutine(executor.end())
    executor.heard(Start(run_id="r", job_name="job", argv=[b"true"], env={}, grace=1.0))
    assert executor.runs() == []


def test_where_there_are_no_others_nothing_waits_for_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(clock, "callFromThread", lambda *_: None, raising=False)
    executor = Executor(cast(Reactor, clock), tmp_path, 1000, Journal(tmp_path, "it"), Mock(), Mock())
    executor.heard(Ping(until=100.0, others=[Other(name="1", pid=1, runs=[Lasting("r")])]))
    assert executor.busy
    executor.heard(Ping(until=100.0))
    assert executor.busy
    list(executor.news())
    executor.heard(Ping(until=100.0))
    assert not executor.busy, "a daemon that tells nothing is of a release that does not know them"
    executor.heard(Ping(until=100.0, others=[Other(name="1", pid=1, runs=[Lasting("r")])]))
    executor.heard(Ping())
    assert not executor.busy


class Process:
    """A process that ends when the test says so."""

    pid, pid_started = 7, 1.5

    def __init__(self) -> None:
        self.ended: Deferred[ProcessExit] = Deferred()
        self.deadline = SimpleNamespace(stopping=Topic(), signalled=Topic())


class World:
    """An executor of one run, whose clock the test moves, and what it told."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.process, self.told = Clock(), Process(), list[Frame]()
        monkeypatch.setattr(Scripts, "begin", lambda *_: self.process)
        monkeypatch.setattr(self.clock, "callFromThread", lambda *_: None, raising=False)
        outcomes = Journal(folder, "it")
        outcomes.begin()
        self.executor = Executor(cast(Reactor, self.clock), folder, 1000, outcomes, self.told.append, Mock())
        self.executor.heard(Start(run_id="r", job_name="job", argv=[b"true"], env={}, grace=1.0))
        self.clock.advance(0)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_run_that_ends_at_once_is_told_of_once(world: World) -> None:
    world.clock.advance(BRIEF / 2)
    world.process.ended.callback(ProcessExit(exit_code=0))
    world.clock.advance(BRIEF)
    (ended,) = world.told
    assert isinstance(ended, Ended)
    assert (ended.exit_code, ended.pid) == (0, 7)
    assert world.clock.getDelayedCalls() == []


def test_one_that_does_not_is_told_of_before_its_end(world: World) -> None:
    world.clock.advance(BRIEF)
    (started,) = world.told
    assert isinstance(started, Started)
    assert (started.pid, started.pid_started) == (7, 1.5)
    world.process.ended.callback(ProcessExit(exit_code=0))
    assert [type(frame) for frame in world.told] == [Started, Ended]


def test_one_that_is_stopped_was_told_of(world: World) -> None:
    world.process.deadline.stopping(deadline.Stop("cancelled", "a caller said so"))
    world.clock.advance(BRIEF)
    assert [type(frame) for frame in world.told] == [Started, Stopping]


def test_a_daemon_that_comes_hears_of_a_run_at_once(world: World) -> None:
    assert [type(frame) for frame in world.executor.news()] == [Started]
    world.clock.advance(BRIEF)
    assert world.told == [], "the daemon that is there has heard it"


class Many(World):
    """An executor of many runs, of which each process starts at once."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = list[str]()
        super().__init__(folder, monkeypatch)
        monkeypatch.setattr(Scripts, "begin", self.begin)

    def begin(self, script: Script, _output: Output) -> Process:
        self.begun.append(script.run_id)
        return Process()

    def tell(self, count: int) -> list[str]:
        runs = [f"run {number}" for number in range(count)]
        for run_id in runs:
            self.executor.heard(Start(run_id=run_id, job_name="job", argv=[b"true"], env={}, grace=1.0))
        return runs


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Many:
    return Many(tmp_path, monkeypatch)


def test_many_begin_in_order_a_few_in_each_turn(many: Many) -> None:
    begun = list[int]()

    def look() -> None:
        begun.append(len(many.begun))
        if begun[-1] < len(runs):
            many.clock.callLater(0, look)

    runs = many.tell(3 * FIRST)
    many.clock.callLater(0, look)
    many.clock.advance(0)
    assert begun[:3] == [FIRST - 1, FIRST - 1 + TURN, FIRST - 1 + 2 * TURN], "one runs already"
    assert many.begun == runs


def test_one_that_has_not_begun_is_known_and_can_be_stopped(many: Many) -> None:
    runs = many.tell(3 * FIRST)
    assert set(runs) < set(many.executor.runs())
    many.executor.heard(Stop(run_id=runs[-1], why=Why(state="cancelled", reason="a caller said so")))
    many.clock.pump([0] * len(runs))
    assert many.begun == runs[:-1]
    (ended,) = [frame for frame in many.told if isinstance(frame, Ended)]
    assert (ended.run_id, present(ended.stopped).state) == (runs[-1], "cancelled")


def test_none_begins_when_the_node_may_be_taken_for_dead(many: Many) -> None:
    many.executor.heard(Ping(until=many.clock.seconds() + 1))
    runs = many.tell(3 * FIRST)
    many.clock.advance(0)
    before = list(many.begun)
    many.clock.advance(1)
    many.clock.pump([0] * len(runs))
    assert many.begun == before
    assert {frame.run_id for frame in many.told if isinstance(frame, Ended)} == set(runs) - set(before)
