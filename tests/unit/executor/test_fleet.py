"""A fleet: which executor is told what, and what becomes of runs when executors or the daemon go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.task import Clock

from jobsched import __version__
from jobsched.clock import elapsed
from jobsched.executor import fleet as fleets
from jobsched.executor.fleet import Fleet
from jobsched.executor.frames import Ended, Lines, Moment, Ping, Start, Started, Stop, Stored, Welcome
from jobsched.executor.node_life import NodeLife
from jobsched.model.redaction import USUAL
from jobsched.model.success import PLAIN
from jobsched.runner.elsewhere import ExecutorCall
from jobsched.runner.outcome import ProcessExit
from jobsched.runner.scripts import Script
from jobsched.task import Info
from tests.unit.scheduler.world import done

AT = Moment(elapsed=1.0, wall=2.0)


class FakeHand:
    """An executor that does what a test says, and remembers what it was told."""

    def __init__(self, _reactor: object, _folder: Path, name: str, _words: list[str], told: Fleet) -> None:
        self.name = name
        self.there = False
        self.frames: list[Any] = []
        self.gone = ""
        self._told = told

    def begin(self) -> None: ...

    def tell(self, frame: Any) -> None:
        self.frames.append(frame)

    def ping(self, ping: Ping, _patience: float) -> None:
        self.frames.append(ping)

    def waits(self, run_id: str) -> bool:
        return not self.there and any(isinstance(each, Start) and each.run_id == run_id for each in self.frames)

    def withdraw(self, run_id: str) -> bool:
        return self.waits(run_id)

    def leave(self) -> Deferred[None]:
        self.gone = "left"
        return succeed(None)

    def end(self, _grace: float) -> Deferred[None]:
        self.gone = "ended"
        return succeed(None)

    def comes(self, *runs: str, told: tuple[str, ...] = (), release: str = __version__) -> None:
        self.there = True
        welcome = Welcome(oldest=1, newest=1, release=release, pid=1, boot="", runs=list(runs))
        self._told.welcomed(self, welcome, set(told))  # type: ignore[arg-type]  # a fake

    def says(self, frame: Any) -> None:
        self._told.heard(self, frame)  # type: ignore[arg-type]  # a fake

    def dies(self, *told: str) -> None:
        self.there = False
        self._told.died(self, set(told))  # type: ignore[arg-type]  # a fake

    def kinds(self) -> list[str]:
        return [type(each).__name__ for each in self.frames]


class InlineThreads:
    """What is to be done in a thread is done at once."""

    def __init__(self, *_: object) -> None: ...

    def startService(self) -> None: ...

    def stopService(self) -> Deferred[None]:
        return succeed(None)

    def run(self, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        return maybeDeferred(function, *args)


@attrs.define
class World:
    """Two executors of a daemon."""

    folder: Path
    until: float | None = None
    leaves: bool = False
    handed_over: int = 0
    clock: Clock = attrs.field(factory=Clock)
    fleet: Fleet = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        life = NodeLife(
            patience=5.0, until=lambda: self.until, leaves=lambda: self.leaves, hand_over=self.hand_over
        )  # fmt: skip
        self.fleet = Fleet(self.clock, self.folder, 2, 1000, 1.0, USUAL, life)  # type: ignore[arg-type]  # time is enough
        self.fleet.startService()
        self.clock.advance(0)

    async def hand_over(self) -> None:
        self.handed_over += 1

    @property
    def executors(self) -> list[FakeHand]:
        return self.fleet._executors  # type: ignore[return-value]  # fakes

    def begin(self, run_id: str) -> ExecutorCall:
        info = Info("job", None, run_id, "a job", datetime(2024, 1, 1, tzinfo=UTC))
        script = Script(run_id=run_id, argv=["true"], env={}, grace=1.0)
        return self.fleet.begin(script, info, PLAIN, Heard())  # type: ignore[arg-type]  # a fake

    def end(self) -> None:
        done(self.fleet.stopService())


class Heard:
    """An output of which nothing is asked here."""

    def came(self, _printed: object) -> None: ...


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    def nothing_lives(runs: list[Any], _grace: float) -> dict[str, str]:
        return {run.id: "nothing lived" for run in runs}

    monkeypatch.setattr(fleets, "Hand", FakeHand)
    monkeypatch.setattr(fleets, "Threads", InlineThreads)
    monkeypatch.setattr(fleets, "end_orphans", nothing_lives)
    world = World(tmp_path)
    yield world
    world.end()
    assert not world.clock.getDelayedCalls(), "a fleet that stopped leaves no timer"


def outcome(call: ExecutorCall) -> ProcessExit:
    found: ProcessExit = done(call.ended)
    return found


def test_they_take_turns_and_one_that_is_not_there_is_passed(world: World) -> None:
    one, two = world.executors
    for number in range(2):
        world.begin(f"early {number}")
    assert (one.kinds(), two.kinds()) == (["Start"], ["Start"]), "there is none yet: they wait for both"
    two.comes()
    for number in range(3):
        world.begin(str(number))
    assert (len(one.frames), len(two.frames)) == (1, 4)
    one.comes()
    for number in range(4):
        world.begin(f"late {number}")
    assert (len(one.frames), len(two.frames)) == (3, 6)


def test_what_an_executor_tells_of_a_run_is_heard_once(world: World) -> None:
    one, two = world.executors
    one.comes()
    two.comes()
    call = world.begin("r")
    hand = one if one.frames else two
    hand.says(Started(run_id="r", pid=7, pid_started=1.5, at=AT))
    hand.says(Lines(lines=["a job r | said"], dropped=1))
    assert call.pid == 7
    for _ in range(2):
        hand.says(Ended(run_id="r", at=AT, exit_code=3, busy=True))
    found = outcome(call)
    assert (found.exit_code, found.busy) == (3, False)
    world.fleet.stored(["r", "unknown"])
    assert hand.frames[-1] == Stored(run_ids=["r"])


def test_no_ping_is_sent_before_what_was_there_is_this_nodes(world: World) -> None:
    one, two = world.executors
    world.until = elapsed() + 100
    one.comes("taken", "nobody's", "over")
    two.comes()
    one.says(Ended(run_id="over", at=AT, exit_code=0))
    world.clock.advance(5)
    assert one.frames == two.frames == []
    assert done(world.fleet.known()) == {"taken", "nobody's", "over"}
    call = world.fleet.take("taken")
    world.fleet.settle()
    assert one.kinds() == ["Ping", "Stop", "Stored"]
    assert isinstance(one.frames[1], Stop)
    assert (one.frames[1].run_id, one.frames[2].run_ids) == ("nobody's", ["over"])
    assert two.frames == [Ping(until=world.until)]
    one.says(Ended(run_id="taken", at=AT, exit_code=0))
    assert outcome(call).exit_code == 0
    two.comes("stray")
    assert two.kinds() == ["Ping", "Ping", "Stop"]


def test_one_that_does_not_come_is_not_waited_for_long(world: World) -> None:
    world.executors[0].comes("r")
    known = world.fleet.known()
    assert not known.called
    world.clock.advance(5)
    assert done(known) == {"r"}


def test_a_node_that_is_back_says_so_before_anything_starts(world: World) -> None:
    one, two = world.executors
    one.comes()
    two.comes()
    world.until = elapsed()  # it is fenced
    world.fleet.settle()
    world.until = elapsed() + 100
    for hand in world.executors:
        hand.frames.clear()
    world.begin("r")
    world.begin("s")
    assert sorted([*one.kinds(), *two.kinds()]) == ["Ping", "Ping", "Start", "Start"]
    assert one.frames[0] == Ping(until=world.until)


def test_runs_of_a_dead_executor_are_lost_or_known_to_the_next(world: World) -> None:
    one, two = world.executors
    one.comes()
    two.comes()
    calls = {run_id: world.begin(run_id) for run_id in ("a", "b", "c", "d")}
    theirs = [each.run_id for each in one.frames]
    one.dies(*theirs)
    assert not any(call.ended.called for call in calls.values())
    one.comes(theirs[0], told=tuple(theirs))
    one.says(Ended(run_id=theirs[0], at=AT, exit_code=0))
    assert outcome(calls[theirs[0]]).exit_code == 0
    stopped = outcome(calls[theirs[1]]).stopped
    assert stopped is not None
    assert (stopped.state, stopped.reason) == ("lost", "the executor that ran it is gone; nothing lived")
    assert [run_id for run_id, call in calls.items() if not call.ended.called] == [each.run_id for each in two.frames]


def test_runs_lost_before_they_are_taken_are_lost_to_the_taker(world: World) -> None:
    one, two = world.executors
    one.comes("taken", "nobody's")
    two.comes()
    one.dies("taken", "nobody's")
    one.comes(told=("taken", "nobody's"))
    assert done(world.fleet.known()) == {"taken", "nobody's"}
    call = world.fleet.take("taken")
    stopped = outcome(call).stopped
    assert stopped is not None
    assert (stopped.state, stopped.reason) == ("lost", "the executor that ran it is gone; nothing lived")
    world.fleet.settle()
    assert "Stop" not in one.kinds(), "nothing is left of it"
    assert world.fleet._calls == {}


def test_a_run_that_waits_is_not_begun_once_it_is_stopped(world: World) -> None:
    call = world.begin("r")
    call.deadline.stop(fleets.STRAY)
    assert outcome(call).stopped == fleets.STRAY
    world.executors[0].comes()
    other = world.begin("s")
    other.deadline.stop(fleets.STRAY)
    assert world.executors[0].kinds()[-1] == "Stop"
    assert not other.ended.called


def test_the_end_ends_all_but_what_is_left(world: World) -> None:
    one, two = world.executors
    one.comes()
    call = world.begin("r")
    world.leaves = True
    assert world.fleet.leave("r")
    one.says(Ended(run_id="r", at=AT, exit_code=0))
    assert not call.ended.called, "the next daemon is told"
    world.end()
    assert (one.gone, two.gone, world.handed_over) == ("left", "ended", 1)
    assert "Stored" not in one.kinds()


def test_what_no_executor_was_told_yet_cannot_be_left(world: World) -> None:
    world.begin("r")
    assert not world.fleet.leave("r")


@pytest.mark.parametrize(("leaves", "gone"), [(True, "left"), (False, "ended")])
def test_a_stop_before_all_is_taken_over_leaves_it_too(world: World, leaves: bool, gone: str) -> None:
    world.executors[0].comes("r")
    world.leaves = leaves
    world.end()
    assert ([hand.gone for hand in world.executors], world.handed_over) == ([gone] * 2, 0)


def test_one_of_another_release_gets_nothing_new_and_goes(world: World) -> None:
    old, other = world.executors
    world.fleet.settle()
    call = world.begin("waits for it")
    early = old if "Start" in old.kinds() else other
    early.comes(release="before")
    assert len(world.executors) == 3
    fresh = world.executors[-1]
    assert (early.gone, fresh.name) == ("", "3")
    fresh.comes()
    for number in range(4):
        world.begin(str(number))
    assert [each for each in early.kinds() if each != "Ping"] == ["Start"]
    assert fresh.kinds().count("Start") == 4, "the other one is not there"
    early.says(Ended(run_id="waits for it", at=AT, exit_code=0))
    assert outcome(call).exit_code == 0
    assert early.gone == ""
    world.fleet.stored(["waits for it"])
    assert early.gone == "ended"
    assert early not in world.executors


def test_those_of_a_daemon_that_had_more_go_when_they_are_done(world: World) -> None:
    (world.folder / "executors" / "7.ended").touch()
    (world.folder / "executors" / "5.sock").touch()
    (world.folder / "executors" / "6.log").touch()
    again = World(world.folder)
    assert [each.name for each in again.executors] == ["1", "2", "5", "7"]
    one, two, five, seven = again.executors
    for each in (one, two, seven):
        each.comes()
    five.comes("r")
    assert (five.gone, seven.gone) == ("", "")
    call = again.fleet.take("r")
    again.fleet.settle()
    assert (one.gone, two.gone, five.gone, seven.gone) == ("", "", "", "ended")
    again.begin("s")
    again.begin("t")
    assert "Start" not in five.kinds()
    five.says(Ended(run_id="r", at=AT, exit_code=0))
    again.fleet.stored(["r"])
    assert (outcome(call).exit_code, five.gone) == (0, "ended")
    again.end()
