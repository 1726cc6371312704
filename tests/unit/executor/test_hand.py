"""An executor that does not answer, the time until which its node lives, and outcomes on a disk that is full."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.task import Clock

from jobsched.executor.fence import Fence
from jobsched.executor.frames import Ended, Moment, Ping, Pong, Welcome, packed
from jobsched.executor.hand import Hand
from jobsched.executor.journal import Journal, outcomes

PATIENCE = 5.0
AT = Moment(elapsed=1.0, wall=2.0)


@attrs.define
class World:
    """A hand whose executor is a process that says nothing by itself."""

    folder: Path
    process: subprocess.Popen[bytes]
    clock: Clock = attrs.field(factory=Clock)
    dead: list[set[str]] = attrs.field(factory=list)
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
