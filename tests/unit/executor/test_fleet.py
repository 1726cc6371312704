"""A fleet: which executor is told what, and what becomes of runs when executors or the daemon go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from jobsched.executor.frames import (
    Ended,
    Lasting,
    Lines,
    Moment,
    Other,
    Ping,
    Start,
    Started,
    Stop,
    Stored,
    Welcome,
)
from jobsched.executor.hand import EVERY
from jobsched.executor.lasting import SOON
from jobsched.executor.node_life import NodeLife
from jobsched.executor.pool import LATER
from jobsched.model.redaction import USUAL
from jobsched.model.success import PLAIN
from jobsched.runner.elsewhere import ExecutorCall
from jobsched.runner.outcome import ProcessExit
from jobsched.runner.scripts import Script
from jobsched.task import Info
from tests.present import present
from tests.unit.scheduler.world import done

SETTINGS = ["1000", "22"]
USUAL_WAY = {"release": __version__, "settings": " ".join(SETTINGS)}
AT = Moment(elapsed=1.0, wall=2.0)


class FakeHand:
    """An executor that does what a test says, and remembers what it was told."""

    def __init__(self, _reactor: object, _folder: Path, name: str, _words: list[str], told: Fleet) -> None:
        self.name = name
        self.pid = 1
        self.there = False
        self.frames: list[Any] = []
        self.gone = ""
        self._told = told
        self.begun = False
        self.ours = False

    def begin(self) -> None:
        self.begun = True

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

    def comes(self, *runs: str, told: tuple[str, ...] = (), other_way: Mapping[str, str] = USUAL_WAY) -> None:
        self.there = True
        welcome = Welcome(oldest=1, newest=1, pid=1, boot="", runs=list(runs), **{**USUAL_WAY, **other_way})
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
        self.fleet = Fleet(self.clock, self.folder, 2, SETTINGS, 1.0, USUAL, life)  # type: ignore[arg-type]  # time is enough
        self.fleet.startService()
        self.clock.advance(0)

    async def hand_over(self) -> None:
        self.handed_over += 1

    @property
    def executors(self) -> list[FakeHand]:
        return list(self.fleet._executors)  # type: ignore[arg-type]  # fakes

    def has_all(self) -> None:
        """It has been there for long enough to have all its executors."""
        self.clock.advance(LATER)

    def begin(self, run_id: str) -> ExecutorCall:
        info = Info("job", None, run_id, "a job", datetime(2024, 1, 1, tzinfo=UTC))
        script = Script(run_id=run_id, argv=["true"], env={}, grace=1.0)
        return self.fleet.begin(script, info, PLAIN, Heard())  # type: ignore[arg-type]  # a fake

    def end(self) -> None:
        done(self.fleet.stopService())


class Heard:
    """An output of which nothing is asked here."""

    def came(self, _printed: object) -> None: ...

    def heard(self, _last_line: str) -> None: ...


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
    assert (one.kinds(), two.kinds()) == (["Start", "Start"], []), "there is none yet: they wait for the first"
    one.frames.clear()
    assert (one.begun, two.begun) == (True, False)
    world.has_all()
    assert two.begun
    for number in range(2):
        world.begin(f"later {number}")
    assert (one.kinds(), two.kinds()) == (["Start"], ["Start"]), "they wait for both"
    two.comes()
    for number in range(3):
        world.begin(str(number))
    assert (len(one.frames), len(two.frames)) == (1, 4)
    one.comes()
    for number in range(4):
        world.begin(f"late {number}")
    assert (len(one.frames), len(two.frames)) == (3, 6)


def test_that_none_comes_is_a_problem(world: World) -> None:
    world.clock.pump([1.0] * 30)
    assert world.fleet.problem == ""
    world.clock.pump([1.0] * 5)
    assert world.fleet.problem == "no executor has been there for 35 s, so scripts wait"
    world.executors[1].comes()
    world.clock.advance(1)
    assert world.fleet.problem == ""


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
    assert two.frames == [Ping(until=world.until, others=[])], "what an earlier daemon told it is true no more"
    one.says(Ended(run_id="taken", at=AT, exit_code=0))
    assert outcome(call).exit_code == 0
    two.comes("stray")
    assert two.kinds() == ["Ping", "Ping", "Stop"]


def told_of(ping: Ping, executor: FakeHand) -> set[str]:
    """The runs that another is told of as this one's."""
    others = present(ping.others)
    return {run.id for each in others if (each.name, each.pid) == (executor.name, executor.pid) for run in each.runs}


def adopted(world: World, *run_ids: str) -> list[ExecutorCall]:
    """The runs of an earlier daemon that last in the first executor, once they are this daemon's."""
    one, two = world.executors
    world.until = 100.0
    one.comes(*run_ids)
    two.comes()
    for run_id in run_ids:
        one.says(Started(run_id=run_id, pid=6, pid_started=1.5, at=AT))
    done(world.fleet.known())
    calls = [world.fleet.take(run_id) for run_id in run_ids]
    world.fleet.settle()
    return calls


def test_what_a_run_lets_go_is_at_once_no_run_to_the_others(world: World) -> None:
    one, two = world.executors
    adopted(world, "plain", "lets go")
    assert told_of(two.frames.pop(), one) == {"plain", "lets go"}
    one.says(Ended(run_id="plain", at=AT, exit_code=0))
    assert two.frames == [], "nothing is left that somebody might end"
    one.says(Ended(run_id="lets go", at=AT, exit_code=0, fate="kept"))
    assert told_of(two.frames.pop(), one) == set()


def test_a_run_is_of_a_process_and_not_of_a_name(world: World) -> None:
    one, two = world.executors
    adopted(world, "r")
    one.dies("r")
    one.pid = 2
    one.comes()
    assert [(each.name, each.pid) for each in present(one.frames[-1].others)] == [("1", 1)]
    one.says(Started(run_id="r", pid=9, pid_started=2.5, at=AT))
    world.clock.advance(SOON)
    assert told_of(two.frames[-1], one) == {"r"}, "its program file was busy at first"


def test_each_is_told_soon_what_lasts_in_the_others(world: World) -> None:
    one, two = world.executors
    (call,) = adopted(world, "taken")
    assert (one.frames, two.frames) == (
        [Ping(until=100.0, others=[])],
        [Ping(until=100.0, others=[Other(name="1", pid=1, runs=[Lasting("taken", 6, 1.5)])])],
    )  # fmt: skip
    hand = {"a": one, "b": two}
    for run_id in hand:
        world.begin(run_id)
    hand = {frame.run_id: each for each in (one, two) for frame in each.frames if isinstance(frame, Start)}
    for each in (one, two):
        each.frames.clear()
    hand["a"].says(Started(run_id="a", pid=7, pid_started=1.5, at=AT))
    hand["b"].says(Started(run_id="b", pid=8, pid_started=1.5, at=AT, keep=True))
    world.clock.advance(SOON)
    other = two if hand["a"] is one else one
    ((ping,), (same,)) = other.frames, hand["a"].frames
    assert told_of(ping, hand["a"]) >= {"a"}
    assert all("b" not in told_of(told, each) for told in (ping, same) for each in (one, two)), "it is to be kept"
    world.clock.advance(EVERY)
    assert two.frames[-1] == Ping(until=100.0), "nothing has changed"
    one.says(Ended(run_id="taken", at=AT, exit_code=0))
    assert outcome(call).exit_code == 0
    world.clock.advance(EVERY)
    assert "taken" not in told_of(two.frames[-1], one)
    two.comes("b")
    assert two.frames[-1].others is not None, "one that comes anew knows nothing"


def left_by_an_earlier_one(world: World, **outcomes: str) -> World:
    """A daemon that comes after one that had two executors, of which these left outcomes."""
    for name in ("1", "2"):
        (world.folder / "executors" / f"{name}.sock").touch()
        (world.folder / "executors" / f"{name}.ended").write_text(outcomes.get(f"of_{name}", ""))
    return World(world.folder)


def test_one_that_does_not_come_is_not_waited_for_long(world: World) -> None:
    again = left_by_an_earlier_one(world)
    one, two = again.executors
    assert one.begun
    assert two.begun, "it may have runs"
    one.comes("r")
    known = again.fleet.known()
    assert not known.called
    again.clock.advance(5)
    assert done(known) == {"r"}
    again.end()


def test_only_those_that_may_have_runs_are_waited_for(world: World) -> None:
    assert done(world.fleet.known()) == set(), "no daemon was here before"
    again = left_by_an_earlier_one(world, of_2="an outcome")
    known = again.fleet.known()
    for hand in again.executors:
        again.fleet.absent(hand)  # type: ignore[arg-type]  # a fake
    assert not known.called, "another one will tell what that one left"
    again.executors[1].comes("r")
    assert done(known) == {"r"}
    again.end()


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


@pytest.mark.parametrize("other_way", [{"release": "before"}, {"settings": "1000 77"}])
def test_one_that_was_started_otherwise_gets_nothing_new(world: World, other_way: dict[str, str]) -> None:
    world.has_all()
    old, other = world.executors
    world.fleet.settle()
    call = world.begin("waits for it")
    early = old if "Start" in old.kinds() else other
    early.comes(other_way=other_way)
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


def test_one_started_after_an_upgrade_of_the_files_is_used(world: World) -> None:
    """The daemon itself is of the release before, until it is started anew."""
    fresh = world.executors[0]
    fresh.ours = True
    fresh.comes(other_way={"release": "later"})
    world.fleet.settle()
    world.begin("r")
    assert (len(world.executors), fresh.kinds()[-1]) == (2, "Start")


def test_those_of_a_daemon_that_had_more_go_when_they_are_done(world: World) -> None:
    (world.folder / "executors" / "7.ended").touch()
    (world.folder / "executors" / "5.sock").touch()
    (world.folder / "executors" / "6.log").touch()
    again = World(world.folder)
    assert [each.name for each in again.executors] == ["1", "2", "5", "7"]
    again.has_all()
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
