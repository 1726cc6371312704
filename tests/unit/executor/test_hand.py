"""An executor that does not answer, the time until which its node lives, and outcomes on a disk that is full."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import attrs
import pytest
from twisted.internet.error import ConnectError
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from jobsched.executor.connection import Connection
from jobsched.executor.frames import (
    Ended,
    Greeting,
    Moment,
    Ping,
    Pong,
    Start,
    Welcome,
    executors_inbox,
    packed,
)
from jobsched.executor.hand import AGAIN, Hand
from jobsched.executor.journal import Journal, outcomes
from jobsched.executor.link import CREDENTIALS
from jobsched.executor.node_life import Fence
from jobsched.runner import procfs

PATIENCE = 5.0
WELCOME = Welcome(oldest=1, newest=1, release="", pid=1, boot="", runs=[])
AT = Moment(elapsed=1.0, wall=2.0)


@attrs.define
class World:
    """A hand whose executor is a process that says nothing by itself."""

    folder: Path
    process: subprocess.Popen[bytes]
    clock: Clock = attrs.field(factory=Clock)
    dead: list[set[str]] = attrs.field(factory=list)
    absences: int = 0
    written: list[Any] = attrs.field(factory=list)
    hand: Hand = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.hand = Hand(self.clock, self.folder, "1", [], self)  # type: ignore[arg-type]  # time is all it needs here
        self.hand.connected(self, self.process.pid)  # type: ignore[arg-type]  # a fake

    def welcome(self, *runs: str) -> None:
        frame = Welcome(oldest=1, newest=1, release="", pid=self.process.pid, boot="", runs=list(runs))
        self.hand.welcomed(self, frame)  # type: ignore[arg-type]  # a fake

    def pings(self, count: int, every: float = 1.0) -> None:
        for _ in range(count):
            self.clock.advance(every)
            self.hand.ping(Ping(until=9.0), PATIENCE)

    # As a connection, and as a fleet.

    def write(self, frames: list[Any]) -> None:
        self.written += frames

    def welcomed(self, *_: object) -> None: ...

    def heard(self, *_: object) -> None: ...

    def absent(self, _hand: Hand) -> None:
        self.absences += 1

    def died(self, _hand: Hand, told: set[str]) -> None:
        self.dead.append(told)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield World(tmp_path, process)
        process.kill()


def test_an_executor_that_is_silent_is_killed(world: World) -> None:
    world.welcome("r")
    world.pings(5)
    assert world.written[1:] == [Ping(until=9.0)] * 5
    assert world.process.poll() is None
    world.pings(1)
    assert world.process.wait(10) == -signal.SIGKILL
    world.hand.lost(world)  # type: ignore[arg-type]  # a fake
    assert world.dead == [{"r"}]
    assert not world.hand.there


def test_one_that_never_welcomes_is_killed_too(world: World) -> None:
    world.pings(6)
    assert world.written == []
    assert world.process.wait(10) == -signal.SIGKILL


def test_one_that_answers_lives(world: World) -> None:
    world.welcome()
    for _ in range(4):
        world.pings(4)
        world.hand.heard(Pong())
    assert world.process.poll() is None


def test_nobody_is_silent_while_the_daemon_itself_sleeps(world: World) -> None:
    world.welcome()
    world.pings(2, every=1000)
    assert world.process.poll() is None


class Looks(Clock):
    """A reactor that remembers where was looked, and what was started."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = 0
        self.started: list[Any] = []
        self.signals: list[Any] = []
        self.pid = 7

    def connectUNIX(self, _path: str, _factory: object, timeout: float) -> None:
        self.looked += 1

    def spawnProcess(self, protocol: Any, *_: object, **__: object) -> Looks:
        self.started.append(protocol)
        return self

    def signalProcess(self, number: object) -> None:
        self.signals.append(number)


class Line:
    """The transport of a connection to this process itself."""

    def __init__(self, ours: socket.socket) -> None:
        self.getHandle = lambda: ours
        self.written: list[Any] = []
        self.open = True

    def write(self, data: bytes) -> None:
        self.written += executors_inbox().take(data)

    def loseConnection(self) -> None:
        self.open = False


@pytest.fixture
def looks(world: World) -> Looks:
    world.hand = Hand(looks := Looks(), world.folder, "1", ["state", "1000"], world)  # type: ignore[arg-type]  # fakes
    world.hand.begin()
    return looks


@pytest.fixture
def line(world: World) -> Iterator[Line]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Line(ours)


def meet(world: World, line: Line, *frames: Any) -> Any:
    connection: Any = world.hand.buildProtocol(None)
    connection.makeConnection(line)
    connection.dataReceived(packed(frames))
    return connection


def test_an_executor_that_does_not_stay_is_started_each_second(world: World, looks: Looks) -> None:
    world.hand.clientConnectionFailed(None, Failure(OSError()))  # type: ignore[arg-type]  # it is not asked
    assert (looks.looked, len(looks.started)) == (1, 1)
    looks.advance(0.06)
    assert looks.looked == 2, "it may be there soon"
    world.hand.exited("exit code 75")
    for _ in range(19):
        world.hand.clientConnectionFailed(None, Failure(OSError()))  # type: ignore[arg-type]  # it is not asked
        looks.advance(0.05)
    assert (looks.looked, len(looks.started)) == (21, 1)
    world.hand.clientConnectionFailed(None, Failure(OSError()))  # type: ignore[arg-type]  # it is not asked
    assert len(looks.started) == 2
    ended = world.hand.end(1.0)
    assert (looks.signals, ended.called) == ([signal.SIGTERM], False)
    looks.started[-1].processEnded(Failure(OSError()))
    assert ended.called
    looks.advance(60)
    assert looks.looked == 21


@pytest.mark.parametrize(
    ("why", "absences"), [(errno.ENOENT, 1), (errno.ECONNREFUSED, 1), (errno.EAGAIN, 0), (None, 0)]
)
def test_one_that_is_too_busy_to_be_reached_is_not_absent(
    world: World, looks: Looks, why: int | None, absences: int
) -> None:
    world.hand.clientConnectionFailed(None, Failure(ConnectError(why)))  # type: ignore[arg-type]  # it is not asked
    assert (world.absences, len(looks.started)) == (absences, 1)


def test_one_that_does_not_end_is_killed(world: World, looks: Looks) -> None:
    world.hand.clientConnectionFailed(None, Failure(OSError()))  # type: ignore[arg-type]  # it is not asked
    ended = world.hand.end(1.0)
    looks.advance(6)
    assert (looks.signals, ended.called) == ([signal.SIGTERM, signal.SIGKILL], True)


def test_what_waited_is_told_once_the_executor_is_there(world: World, looks: Looks, line: Line) -> None:
    start = Start(run_id="r", job_name="j", argv=[b"true"], env={}, grace=1.0)
    world.hand.tell(start)
    assert world.hand.waits("r")
    connection = meet(world, line, WELCOME, Pong())
    assert [type(each) for each in line.written] == [Greeting, Start]
    assert not world.hand.waits("r")
    left = world.hand.leave()
    assert not line.open
    connection.connectionLost()
    assert left.called
    looks.advance(60)
    assert looks.looked == 1


def test_one_of_an_earlier_daemon_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs up before it is gone, and the next daemon would find it still there."""
    there = ["S"]
    monkeypatch.setattr(procfs, "state", lambda _pid: there[0])
    world.welcome()
    ended = world.hand.end(1.0)
    world.hand.lost(world)  # type: ignore[arg-type]  # a fake
    world.clock.advance(AGAIN)
    assert not ended.called
    there[0] = ""
    world.clock.advance(AGAIN)
    assert ended.called
    assert not world.clock.getDelayedCalls()


def test_a_start_that_waits_can_be_withdrawn(world: World, looks: Looks, line: Line) -> None:
    world.hand.tell(Start(run_id="r", job_name="j", argv=[b"true"], env={}, grace=1.0))
    assert world.hand.withdraw("r")
    assert not world.hand.withdraw("r")
    meet(world, line, WELCOME)
    assert [type(each) for each in line.written] == [Greeting]


@pytest.mark.parametrize("said", [Pong(), Welcome(oldest=8, newest=9, release="", pid=1, boot="", runs=[])])
def test_one_that_is_not_understood_is_looked_for_later(world: World, looks: Looks, line: Line, said: Any) -> None:
    connection = meet(world, line, said)
    assert not line.open
    connection.connectionLost()
    looks.advance(0.9)
    assert looks.looked == 1
    looks.advance(0.2)
    assert looks.looked == 2


def test_a_fence_ends_what_runs_when_its_time_is_over() -> None:
    clock, ends = Clock(), []
    fence = Fence(clock, lambda: ends.append(clock.seconds()))
    assert not fence.over
    fence.move(10.0)
    clock.advance(6)
    fence.move(14.0)
    clock.advance(7)
    assert (ends, fence.over) == ([], False)
    clock.advance(1)
    assert (ends, fence.over) == ([14.0], True)
    fence.move(20.0)
    assert not fence.over
    fence.move(None)
    clock.advance(1000)
    assert (ends, fence.over) == ([14.0], False)
    fence.move(1.0)
    clock.advance(0)
    assert (ends, fence.over) == ([14.0, 1014.0], True)


def test_a_full_disk_keeps_no_executor_from_its_start(tmp_path: Path, monkeypatch: Any) -> None:
    told, later = Ended(run_id="a", at=AT), Ended(run_id="b", at=AT)
    (tmp_path / "1.ended").write_bytes(packed([told]) + packed([later])[:-3])
    (tmp_path / "1.ended").chmod(0o600)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    journal = Journal(tmp_path, "1")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        assert journal.begin() == [told]
        with pytest.raises(OSError, match="No space"):
            journal.add(later)
    assert outcomes(tmp_path, "1.ended") == [told]
    journal.add(later)
    assert outcomes(tmp_path, "1.ended") == [told, later]
    journal.taken({})
    journal.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kept", ["1.log", "1.ended"])
def test_an_executor_whose_file_is_none_is_not_started(tmp_path: Path, kept: str) -> None:
    (tmp_path / kept).symlink_to("elsewhere")
    looks = Looks()
    hand = Hand(looks, tmp_path, "1", [str(tmp_path), "9"], Mock())  # type: ignore[arg-type]  # time is enough
    with capturedLogs() as logs:
        hand.begin()
        for _ in range(100):
            hand.clientConnectionFailed(Mock(), Mock())
            looks.advance(0.1)
    assert looks.started == []
    assert [formatEvent(each) for each in logs] == [
        f"executor 1 could not be started: [Errno 1] is not a plain file: '{tmp_path / kept}'"
    ]
    hand.leave()


@pytest.mark.parametrize(("user", "is_heard"), [(os.geteuid(), True), (0, True), (os.geteuid() + 1, False)])
def test_a_socket_of_another_user_is_told_nothing(user: int, is_heard: bool) -> None:
    hand, transport = Mock(), Mock()
    transport.getHandle().getsockopt.return_value = CREDENTIALS.pack(7, user, user)
    connection = Connection(hand)
    connection.makeConnection(transport)
    assert (hand.connected.called, transport.abortConnection.called) == (is_heard, not is_heard)
