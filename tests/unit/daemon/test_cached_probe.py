"""One question for all who watch: how often it is asked, how long anybody waits, and what is known meanwhile."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from jobsched.daemon.cached_probe import CachedProbe
from jobsched.model.errors import Unavailable


@attrs.define
class Watched:
    """A store that answers when the test says so."""

    clock: Clock = attrs.field(factory=Clock)
    asked: list[Deferred[str]] = attrs.field(factory=list)
    probe: CachedProbe[str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.probe = CachedProbe(self.clock, self._ask, fresh=15, patience=2, elapsed=self.clock.seconds)

    def _ask(self) -> Deferred[str]:
        self.asked.append(Deferred())
        return self.asked[-1]

    def look(self) -> list[None]:
        """Filled when somebody who looks now has waited long enough."""
        waited: list[None] = []
        self.probe.look().addCallback(waited.append)
        return waited


def test_whoever_looks_while_it_is_asked_waits_for_that_answer() -> None:
    watched = Watched()
    one, two = watched.look(), watched.look()
    assert (one, two, len(watched.asked)) == ([], [], 1)

    watched.asked[0].callback("well")
    assert (len(one), len(two)) == (1, 1)
    assert (watched.probe.answer, watched.probe.trouble) == ("well", None)
    assert not watched.clock.getDelayedCalls()


def test_it_is_asked_again_when_the_answer_is_old() -> None:
    watched = Watched()
    watched.look()
    watched.asked[0].callback("well")
    watched.clock.advance(14.9)
    assert watched.look() == [None]
    assert len(watched.asked) == 1
    watched.clock.advance(0.1)
    assert watched.look() == []
    assert len(watched.asked) == 2


def test_nobody_waits_beyond_patience_and_the_known_stays_known() -> None:
    watched = Watched()
    watched.look()
    watched.asked[0].callback("well")
    watched.clock.advance(20)
    first = watched.look()
    watched.clock.advance(1.5)
    second = watched.look()
    watched.clock.advance(0.4)
    assert (first, second, watched.probe.trouble) == ([], [], None)

    watched.clock.advance(0.1)
    assert (first, second) == ([None], [None])  # the second one too: it is the question that is late
    assert watched.probe.trouble == "no answer came in 2 s"
    assert watched.probe.answer == "well"


def test_a_store_that_hangs_is_asked_once_however_long() -> None:
    watched = Watched()
    for _ in range(100):
        watched.look()
        watched.clock.advance(10)
    assert len(watched.asked) == 1
    watched.asked[0].callback("well, at last")
    assert (watched.probe.answer, watched.probe.trouble) == ("well, at last", None)
    watched.look()
    assert len(watched.asked) == 2


def test_a_store_that_is_away_is_told_in_its_words() -> None:
    watched = Watched()
    assert watched.probe.trouble is not None  # nothing is known yet
    waited = watched.look()
    watched.asked[0].errback(Unavailable("the store cannot be used now: it is gone"))
    assert (waited, watched.probe.answer) == ([None], None)
    assert watched.probe.trouble == "the store cannot be used now: it is gone"


def test_a_fault_of_ours_is_told_to_the_log_alone() -> None:
    watched = Watched()
    waited = watched.look()
    with capturedLogs() as logs:
        watched.asked[0].errback(ZeroDivisionError("a fault"))
    assert waited == [None]
    assert watched.probe.trouble == "a fault"
    assert [formatEvent(event) for event in logs] == ["the state of the store could not be found out"]


def test_who_goes_while_he_waits_takes_nobody_along() -> None:
    watched = Watched()
    gone, stays = watched.probe.look(), watched.look()
    gone.addErrback(lambda _: None).cancel()
    watched.asked[0].callback("well")
    assert stays == [None]
