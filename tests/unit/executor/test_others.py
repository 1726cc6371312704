"""What the other executors of a node have left: which of it is ended, and when it is looked at."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock

from jobsched.executor import others as module
from jobsched.executor.frames import Ended, Lasting, Moment, Other
from jobsched.executor.journal import ENDED, FOLDER, LOG, Journal
from jobsched.executor.others import AGAIN, Others, end_left
from jobsched.runner.recovery import Orphans

AT = Moment(elapsed=1.0, wall=2.0)


class World:
    """A state folder, and the runs that were ended there."""

    def __init__(self, folder: Path) -> None:
        self.state = folder
        self.folder = folder / FOLDER
        self.folder.mkdir()
        self.ended: list[str] = []
        self.own = ""

    def end_marked(self, runs: Sequence[Any], _grace: float, own: str) -> dict[str, Orphans]:
        self.ended += [run.id for run in runs]
        self.own = own
        return {run.id: Orphans(run) for run in runs}

    @contextmanager
    def alive(self, name: str) -> Iterator[None]:
        """Meanwhile some executor of this name lives."""
        file = os.open(self.folder / f"{name}{LOG}", os.O_WRONLY | os.O_CREAT)
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(file)

    def outcomes(self, name: str, *run_ids: str) -> None:
        """An executor of this name has left these."""
        journal = Journal(self.folder, name)
        journal.begin()
        for run_id in run_ids:
            journal.add(Ended(run_id=run_id, at=AT))
        journal.close()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    monkeypatch.setattr(module, "end_marked", world.end_marked)
    return world


def gone() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def other(name: str, pid: int, *run_ids: str) -> Other:
    return Other(name=name, pid=pid, runs=[Lasting(run_id) for run_id in run_ids])


def test_what_a_dead_one_ran_is_ended_but_what_had_ended(world: World) -> None:
    world.outcomes("1", "over")
    with world.alive("2"):
        there = [other("1", gone(), "over", "left"), other("2", os.getpid(), "its own")]
        assert end_left(world.state, there, {}) == there[1:]
    assert (world.ended, world.own) == (["left"], str(world.state.resolve()))


def test_one_that_has_taken_a_dead_ones_name_is_another(world: World) -> None:
    with world.alive("1"):
        assert end_left(world.state, [other("1", gone(), "left")], {}) == []
    assert world.ended == ["left"]


def test_of_one_that_lives_only_what_it_has_not_ended_is_left(world: World) -> None:
    world.outcomes("1", "over")
    with world.alive("1"):
        (left,) = end_left(world.state, [other("1", os.getpid(), "over", "stays")], {})
        assert left == other("1", os.getpid(), "stays")
        assert end_left(world.state, [other("1", os.getpid(), "over")], {}) == []


def test_a_file_that_cannot_be_read_is_one_executors_trouble(world: World) -> None:
    (world.folder / f"1{ENDED}").symlink_to(world.state)
    assert end_left(world.state, [other("1", gone(), "unknown"), other("2", gone(), "left")], {}) == []
    assert world.ended == ["left"], "what may have been let go stays"


class Looked:
    """Others, whose looks are made at once; `alive` are those that live then."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self.is_over = False
        self.changes = 0
        self.looks: list[list[str]] = []
        self.alive: list[Other] = []
        monkeypatch.setattr(module, "waited_for", self.now)
        monkeypatch.setattr(module, "end_left", self.end_left)
        self.others = Others(self.clock, folder, lambda: self.is_over, self.change)  # type: ignore[arg-type]  # time is enough

    def change(self) -> None:
        self.changes += 1

    def now(self, _reactor: object, wait: Callable[[], object], _name: str) -> Deferred[Any]:
        return maybeDeferred(wait)

    def end_left(self, _state: Path, others: Sequence[Other], _found: object) -> list[Other]:
        self.looks.append([each.name for each in others])
        return self.alive


@pytest.fixture
def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Looked:
    return Looked(tmp_path, monkeypatch)


def test_one_that_lives_still_is_looked_at_again(looked: Looked) -> None:
    dead, alive = other("1", 1, "a"), other("2", 2, "b")
    looked.others.know([dead, alive])
    assert looked.others.wanted
    looked.is_over, looked.alive = True, [alive]
    for _ in range(2):
        looked.others.end()
    assert (looked.looks, looked.changes, looked.others.wanted) == ([["1", "2"]], 1, False)
    looked.clock.advance(AGAIN)
    assert looked.looks.pop() == ["1", "2"], "it was said twice that the fence is over"
    looked.alive = []
    looked.clock.advance(AGAIN)
    assert looked.looks.pop() == ["2"]
    assert looked.clock.getDelayedCalls() == []


def test_none_is_looked_at_once_a_daemon_is_back(looked: Looked) -> None:
    looked.others.know([other("1", 1, "a")])
    looked.is_over, looked.alive = True, [other("1", 1, "a")]
    looked.others.end()
    looked.is_over = False
    looked.clock.advance(AGAIN)
    looked.clock.advance(AGAIN)
    assert len(looked.looks) == 1


def test_what_one_daemon_told_is_true_until_the_next_tells(looked: Looked) -> None:
    looked.others.know([other("1", 1, "a")])
    looked.others.know(None)
    looked.others.meet()
    assert looked.others.wanted
    looked.others.know(None)
    assert not looked.others.wanted, "that daemon is of a release that does not tell"
    looked.others.know([other("1", 1, "b")])
    looked.others.know(None)
    assert looked.others.wanted
    looked.others.know([])
    assert not looked.others.wanted
