"""Questions that a screen asks at once: they are all there, or the first failure is told."""

from __future__ import annotations

import gc
from datetime import UTC, datetime, timedelta

import attrs
import pytest
from markupsafe import Markup
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from jobsched.model.errors import Unavailable
from jobsched.threads import Bulkhead
from jobsched.ui.overview import Strips, all_of, begun


async def answer(asked: Deferred[int]) -> int:
    return 2 * await asked


def test_what_was_asked_at_once_can_be_awaited_in_turn() -> None:
    asked: list[Deferred[int]] = [Deferred(), Deferred()]

    async def sums() -> list[int]:
        both = [begun(answer(each)) for each in asked]
        await all_of(*both)
        return [await each for each in both]

    found = Deferred.fromCoroutine(sums())
    asked[1].callback(4)
    assert not found.called
    asked[0].callback(3)
    assert found.result == [6, 8]


def test_the_first_failure_is_told_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[Deferred[int]] = [Deferred(), Deferred()]
    found = Deferred.fromCoroutine(all_of(*[begun(answer(each)) for each in asked]))
    told: list[type[BaseException] | None] = []

    def tell(why: Failure) -> None:
        told.append(why.type)

    found.addErrback(tell)
    asked[1].errback(Unavailable("away"))
    asked[0].errback(ValueError("late"))  # nobody hears it: the question was cancelled
    assert told == [Unavailable]
    del asked, found
    gc.collect()
    assert "Unhandled" not in caplog.text


def test_what_still_waits_for_a_thread_is_not_asked_for_nobody() -> None:
    bulkhead, under_way = Bulkhead(1, 2), Deferred[int]()
    begun_late: list[str] = []
    bulkhead.run(lambda: under_way)

    def late() -> Deferred[int]:
        begun_late.append("late")
        return Deferred()

    asked: list[Deferred[int]] = [Deferred(), bulkhead.run(late)]
    found = Deferred.fromCoroutine(all_of(*[begun(answer(each)) for each in asked]))
    asked[0].errback(Unavailable("away"))
    told: list[type[BaseException] | None] = []
    found.addErrback(lambda why: told.append(why.type))
    assert told == [Unavailable]
    under_way.callback(1)
    assert begun_late == []


@attrs.define
class Counting:
    """Counts that take a time, and that are asked for."""

    takes: float = 0.2
    seconds: float = 0
    asked: int = 0

    @property
    def strips(self) -> Strips:
        return Strips(lambda: datetime(2030, 1, 31, tzinfo=UTC) + timedelta(seconds=self.seconds), lambda: self.seconds)

    async def count(self) -> Markup | None:
        self.asked += 1
        self.seconds += self.takes
        return Markup(self.asked)

    def find(self, strips: Strips, key: object = "all", *, script: bool = False) -> Markup | None:
        found = Deferred.fromCoroutine(strips.find(key, script, self.count))
        assert isinstance(found.result, Markup)
        return found.result


def test_what_was_counted_lately_is_not_counted_again() -> None:
    counting = Counting()
    strips = counting.strips
    assert [counting.find(strips), counting.find(strips)] == ["1", "1"]
    counting.seconds += 2  # ten times as long as it took
    assert counting.find(strips, script=True) == "1"
    assert counting.find(strips) == "2"
    counting.seconds += 20
    assert counting.find(strips, script=True) == "3"


def test_who_sees_other_tasks_has_counts_of_their_own() -> None:
    counting = Counting()
    strips = counting.strips
    assert [counting.find(strips, ("UTC", None)), counting.find(strips, ("UTC", ("a",)))] == ["1", "2"]
    assert [counting.find(strips, ("UTC", None)), counting.find(strips, ("UTC", ("a",)))] == ["1", "2"]


def test_a_count_that_takes_long_is_good_for_ten_seconds() -> None:
    counting = Counting(takes=30)
    strips = counting.strips
    counting.find(strips)
    counting.seconds += 9
    assert counting.find(strips) == "1"
    counting.seconds += 1
    assert counting.find(strips) == "2"
    counting.seconds = 0  # the clock was set back
    assert counting.find(strips) == "3"
