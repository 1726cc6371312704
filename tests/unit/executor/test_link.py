"""What an executor's link tells a daemon of the lines of runs."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from twisted.internet.task import Clock

from jobsched.executor.frames import Frame, Lines
from jobsched.executor.link import Connection, Link
from jobsched.reactor_types import TimeAndThreads


class Reactor(Clock):
    """Its own thread is the only one."""

    def callFromThread(self, function: Callable[..., object], *args: object) -> None:
        function(*args)


class Nothing:
    """An executor without runs."""

    def runs(self) -> list[str]:
        return []

    def news(self) -> Iterator[Frame]:
        return iter(())

    def last_lines(self, _runs: object) -> dict[str, str]:
        return {}

    def heard(self, _frame: object) -> None:
        pass


class Daemon(Connection):
    """Keeps what it is told."""

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.told: list[Lines] = []

    def write(self, frames: Sequence[Frame]) -> None:
        self.told += [frame for frame in frames if isinstance(frame, Lines)]

    def drop(self) -> None:
        pass


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def link(reactor: Reactor, tmp_path: Path) -> Link:
    made = Link(cast(TimeAndThreads, reactor), tmp_path, "", lambda: None)
    made.serve(Nothing())
    return made


@pytest.mark.parametrize("gone", [False, True])
def test_lines_told_to_a_daemon_that_went_are_counted(reactor: Reactor, link: Link, gone: bool) -> None:
    first, second = Daemon(link), Daemon(link)
    link.greeted(first)
    link.line("one", "run")
    link.line("two", "run")
    if gone:
        link.lost(first)
        reactor.advance(0)
    link.greeted(second)
    reactor.advance(0)
    assert first.told == []
    assert [(each.lines, each.dropped) for each in second.told] == [([], 2)]
