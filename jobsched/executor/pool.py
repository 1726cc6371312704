"""Which executors a daemon has: those that are there, those that are to come, and which of them gets the next run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterator
from pathlib import Path

from twisted.internet.interfaces import IReactorTime

from ..loops import Alarm
from .hand import Hand
from .journal import is_empty, numbers_in

LATER = 5.0  # seconds after the start until there are all


class Pool:
    """`count` executors, and those that an earlier daemon had. `make` makes one by its number."""

    def __init__(self, reactor: IReactorTime, folder: Path, count: int, make: Callable[[int], Hand]) -> None:
        self._folder = folder
        self._make = make
        there = set(numbers_in(folder))
        numbers = sorted({*range(1, count + 1), *there})
        self._newest = numbers[-1]
        self._all = [make(number) for number in numbers]
        wanted = self._all[:count]
        self._awaited = {hand for hand, number in zip(self._all, numbers, strict=True) if number in there}
        self._later = [hand for hand in wanted[1:] if hand not in self._awaited]
        self._turns = deque(hand for hand in wanted if hand not in self._later)
        self._retired = set(self._all[count:])  # they get no new runs, and go when they have none
        self._others = Alarm(reactor, self._begin_others)

    def __iter__(self) -> Iterator[Hand]:
        return iter(self._all)

    def begin(self) -> None:
        """Look for those of an earlier daemon, and begin with one. The others are for many runs, and are started when
        this daemon serves: each takes as long as all else of its start."""
        for hand in self._all:
            if hand not in self._later:
                hand.begin()
        self._others.within(LATER)

    def _begin_others(self) -> None:
        for hand in self._later:
            hand.begin()
        self._turns.extend(self._later)
        self._later.clear()

    def stop(self) -> None:
        """Begin no more of them."""
        self._others.cancel()

    @property
    def complete(self) -> bool:
        """Whether all that may know of runs of an earlier daemon have told."""
        return not self._awaited

    def welcomed(self, hand: Hand) -> None:
        """It has told."""
        self._awaited.discard(hand)

    def absent(self, hand: Hand) -> None:
        """It is not there, so nothing is to be heard from it but outcomes that one before it has left."""
        if hand in self._awaited and is_empty(self._folder, hand.name):
            self._awaited.remove(hand)

    @property
    def usable(self) -> bool:
        """Whether one that gets runs is there."""
        return any(hand.there for hand in self._turns)

    def next(self) -> Hand:
        """The next in turn that is there; if none is, the next."""
        for _ in range(len(self._turns)):
            self._turns.rotate(-1)
            if self._turns[-1].there:
                return self._turns[-1]
        self._turns.rotate(-1)
        return self._turns[-1]

    def retire(self, hand: Hand) -> None:
        """It is not as this daemon would start it: another takes its place."""
        if hand in self._turns:
            self._newest += 1
            fresh = self._make(self._newest)
            self._retired.add(hand)
            self._turns[self._turns.index(hand)] = fresh
            self._all.append(fresh)
            fresh.begin()

    def dismiss(self, busy: Container[Hand]) -> list[Hand]:
        """The retired ones that are there and not `busy`: they are none of these any more."""
        idle = [hand for hand in self._retired if hand.there and hand not in busy]
        for hand in idle:
            self._retired.remove(hand)
            self._all.remove(hand)
        return idle
