"""Pokes: what other nodes tell is passed on soon, and not more often than is good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from twisted.logger import capturedLogs, formatEvent

from jobsched.cluster.wakeup import EVERY, GATHER, Wakeup
from jobsched.events import Events
from tests.fakes import StillReactor
from tests.unit.scheduler.world import done

HOUR = 3600.0
BEGIN = 1_700_000_000.0


@attrs.define
class Voice:
    """Stands in for the listener: the test says what it hears. It has left when it was stopped and joined."""

    url: str
    who: Callable[[], str]
    heard: Callable[[], None]
    cut: Callable[[str], None]
    left: Callable[[], None]
    started: bool = False
    stopped: bool = False
    joined: bool = False

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.stopped = True

    def join(self, _seconds: float) -> bool:
        self.joined = True
        return True


@attrs.define
class Node:
    """Pokes on one kind of database; `heard` is when it looked, in seconds since the beginning."""

    dialect: str
    clock: StillReactor = attrs.field(factory=lambda: StillReactor(BEGIN))
    heard: list[float] = attrs.field(factory=list)
    broken: bool = False
    outage: bool = False  # the heartbeat tells of it
    voices: list[Voice] = attrs.field(factory=list)
    wakeups: Wakeup = attrs.field(init=False)

    @property
    def notifies(self) -> bool:
        return self.dialect == "postgresql"

    @property
    def shared(self) -> bool:
        return self.dialect != "sqlite"

    def __attrs_post_init__(self) -> None:
        events = Events()
        events.others_changed.subscribe(self._hear)
        self.wakeups = Wakeup(self.clock, self, "the url", lambda: "here", events, lambda: self.outage, self._voice)  # type: ignore[arg-type]  # a fake
        self.wakeups.startService()

    def _hear(self) -> None:
        self.heard.append(round(self.clock.seconds() - BEGIN, 6))
        if self.broken:
            raise LookupError("broken")

    def _voice(self, *given: Any) -> Any:
        self.voices.append(Voice(*given))
        return self.voices[-1]

    @property
    def voice(self) -> Voice:
        return self.voices[0]


@pytest.fixture
def node() -> Node:
    """On PostgreSQL."""
    return Node("postgresql")


@pytest.fixture
def lines() -> Iterator[Callable[[], list[tuple[str, str]]]]:
    """What was logged so far: (level, text)."""
    with capturedLogs() as events:
        yield lambda: [(each["log_level"].name, formatEvent(each)) for each in events]


def test_news_are_passed_on_at_once(node: Node) -> None:
    node.clock.walk(1)
    node.voice.heard()
    node.clock.walk(0)
    assert node.heard == [1.0]
    node.clock.walk(HOUR)
    assert node.heard == [1.0]


def test_news_close_behind_others_are_passed_on_together(node: Node) -> None:
    for _ in range(10):
        node.voice.heard()
        node.clock.walk(GATHER / 10)
    node.clock.walk(1)
    assert node.heard == [0.0, GATHER]


def test_a_storm_of_news_is_passed_on_now_and_then(node: Node) -> None:
    for _ in range(1000):
        node.voice.heard()
        node.clock.walk(0.001)
    node.clock.walk(1)
    gaps = [after - before for before, after in zip(node.heard, node.heard[1:], strict=False)]
    assert min(gaps) > GATHER * 0.99
    assert len(node.heard) == pytest.approx(1 / GATHER, abs=2)


def test_the_last_of_a_storm_is_heard(node: Node) -> None:
    node.voice.heard()
    node.clock.walk(0)
    node.voice.heard()
    node.clock.walk(GATHER / 2)
    assert node.heard == [0.0]
    node.clock.walk(GATHER / 2)
    assert node.heard == [0.0, GATHER]


def test_the_listener_knows_where_and_who(node: Node) -> None:
    assert node.voice.started
    assert (node.voice.url, node.voice.who()) == ("the url", "here")


def test_news_that_are_cut_off_are_told_once_and_when_back(
    node: Node, lines: Callable[[], list[tuple[str, str]]]
) -> None:
    for _ in range(3):
        node.voice.cut("refused")
    warning = ("warn", "no news comes in from other nodes: refused")
    assert lines() == [warning]
    node.voice.heard()
    node.voice.heard()
    back = ("info", "news comes in from other nodes again")
    assert lines() == [warning, back]
    node.voice.cut("refused")
    assert lines() == [warning, back, warning]
    node.clock.walk(1)
    assert node.heard == [0.0], "to be back is news too"


def test_to_stop_is_over_when_the_listener_has_left(node: Node, lines: Callable[[], list[tuple[str, str]]]) -> None:
    node.voice.heard()
    stopped = node.wakeups.stopService()
    assert stopped is not None
    assert node.voice.stopped
    assert not stopped.called
    node.voice.heard()
    node.voice.cut("it ends")
    node.voice.left()
    done(stopped)
    assert node.voice.joined
    node.clock.walk(1)
    assert node.heard == []
    assert not node.clock.getDelayedCalls()
    assert lines() == []


def test_a_clock_set_back_holds_up_no_news(node: Node) -> None:
    node.voice.heard()
    node.clock.walk(0)
    node.clock.step(-HOUR)
    node.voice.heard()
    node.clock.walk(GATHER)
    assert len(node.heard) == 2
    node.voice.heard()
    node.clock.step(-HOUR)
    node.clock.walk(GATHER)
    assert len(node.heard) == 3


def test_where_the_database_cannot_tell_it_looks_often() -> None:
    node = Node("mysql")
    node.clock.walk(2.1)
    assert node.heard == [EVERY, 2 * EVERY, 3 * EVERY, 4 * EVERY]
    assert node.voices == []
    assert node.wakeups.stopService() is None
    node.clock.walk(2)
    assert len(node.heard) == 4
    assert not node.clock.getDelayedCalls()


def test_a_clock_set_back_holds_up_no_look() -> None:
    node = Node("mysql")
    node.clock.walk(0.6)
    node.clock.step(-HOUR)
    node.clock.walk(2.1)
    assert len(node.heard) == 1 + 4
    node.wakeups.stopService()


@pytest.mark.parametrize("dialect", ["mysql", "postgresql"])
def test_a_look_that_fails_is_not_the_last(dialect: str, lines: Callable[[], list[tuple[str, str]]]) -> None:
    node = Node(dialect, broken=True)
    for _ in range(2):
        for voice in node.voices:
            voice.heard()
        node.clock.walk(EVERY)
    assert len(node.heard) == 2
    assert [line for _, line in lines()] == ["news from another node could not be passed on"] * 2
    node.wakeups.stopService()


def test_one_node_alone_does_nothing() -> None:
    node = Node("sqlite")
    node.clock.walk(HOUR)
    assert node.wakeups.stopService() is None
    assert (node.heard, node.voices, node.clock.getDelayedCalls()) == ([], [], [])
