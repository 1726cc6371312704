"""Looks at a screen that is open: gathered, made once for all that may see the same, and never older than the look."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from jobsched.model.caller import Caller
from jobsched.ui.looks import MOST, STAND_IN, Look, Looks, gathered, look_of

ALICE, BOB = (Caller(name=name, scopes=frozenset({"read"})) for name in ("alice", "bob"))


class Request:
    """As much of one as is looked at."""

    def __init__(self, uri: bytes = b"/ui/", method: bytes = b"GET", header: bytes | None = None) -> None:
        self.uri, self.method = uri, method
        self._header = header
        self._over: list[Deferred[None]] = []

    def notifyFinish(self) -> Deferred[None]:
        self._over.append(Deferred())
        return self._over[-1]

    def getHeader(self, _: bytes) -> bytes | None:
        return self._header

    def end(self, why: Exception | None = None) -> None:
        over, self._over = self._over, []
        for each in over:
            each.callback(None) if why is None else each.errback(Failure(why))


class Screens:
    """Makes them when told, and notes who got which."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.made: list[Any] = []
        self.shared: list[tuple[Any, str]] = []
        self.looks = Looks(self.clock, self.made.append, self.share)

    def share(self, request: Any, look: Look, _first: Any) -> None:
        self.shared.append((request, look.data("").decode()))
        request.end()

    def look(self, who: Caller = ALICE, uri: bytes = b"/ui/", differs: str = "", wait: float = 0.5) -> Any:
        request: Any = Request(uri)
        self.looks.add(request, who, (differs,), wait)
        return request

    def finish(self, text: str | None = "a screen") -> None:
        """The one that is being made is done; None: with an error."""
        found = look_of(self.made[-1])
        assert found is not None
        found.text = text
        self.made[-1].end()


@pytest.fixture
def screens() -> Screens:
    return Screens()


def test_the_first_look_waits_for_nothing(screens: Screens) -> None:
    first = screens.look()
    screens.clock.advance(0)
    assert screens.made == [first]


def test_looks_after_it_are_gathered_and_answered_alike(screens: Screens) -> None:
    screens.look()
    screens.clock.advance(0)
    screens.finish()
    later = [screens.look() for _ in range(3)]
    screens.clock.advance(0.4)
    assert len(screens.made) == 1
    screens.clock.advance(0.1)
    assert screens.made[1:] == later[:1]
    screens.finish("the next")
    assert screens.shared == [(each, "the next") for each in later[1:]]


def test_a_look_while_a_screen_is_made_gets_a_newer_one(screens: Screens) -> None:
    screens.look()
    screens.clock.advance(0)
    late = screens.look()
    screens.finish()
    assert screens.shared == []
    screens.clock.advance(0.5)
    assert screens.made[1:] == [late]


@pytest.mark.parametrize("other", [{"who": BOB}, {"uri": b"/ui/jobs"}, {"differs": "dark"}])
def test_what_differs_is_not_shared(screens: Screens, other: dict[str, Any]) -> None:
    screens.look()
    screens.look(**other)
    screens.clock.advance(0)
    assert len(screens.made) == 2


def test_an_error_is_nobody_elses(screens: Screens) -> None:
    looks = [screens.look() for _ in range(3)]
    screens.clock.advance(0)
    screens.finish(None)
    screens.clock.advance(0)
    assert screens.made == looks[:2]
    screens.finish()
    assert [each for each, _ in screens.shared] == looks[2:]


def test_a_viewer_that_goes_keeps_no_other_waiting(screens: Screens) -> None:
    first, gone, last = (screens.look() for _ in range(3))
    screens.clock.advance(0)
    gone.end(ConnectionError())
    first.end(ConnectionError())
    screens.clock.advance(0)
    assert screens.made == [first, last]
    assert screens.shared == []


def test_a_screen_that_takes_long_is_made_less_often(screens: Screens) -> None:
    screens.look()
    screens.clock.advance(0)
    screens.clock.advance(0.2)
    screens.finish()
    screens.look()
    screens.clock.advance(1.7)
    assert len(screens.made) == 1
    screens.clock.advance(0.2)
    assert len(screens.made) == 2


def test_what_nobody_looks_at_is_forgotten(screens: Screens) -> None:
    for number in range(20):
        screens.look(uri=b"/ui/runs?%d" % number)
        screens.clock.advance(0)
        screens.finish()
        screens.clock.advance(MOST + 1)
    assert len(vars(screens.looks)["_groups"]) == 1


@pytest.mark.parametrize(
    ("method", "header", "seconds"),
    [
        (b"GET", b"500", 0.5), (b"GET", b"0", 0), (b"GET", b"999999", MOST), (b"GET", None, None), (b"GET", b"", None),
        (b"GET", b"-1", None), (b"GET", b"1e3", None), (b"GET", b"9999999", None), (b"POST", b"500", None),
    ],
)  # fmt: skip
def test_a_look_says_how_long_it_may_wait(method: bytes, header: bytes | None, seconds: float | None) -> None:
    request: Any = Request(method=method, header=header)
    assert gathered(request) == seconds


def test_how_long_ago_a_screen_was_begun_is_known(screens: Screens) -> None:
    screens.look()
    screens.clock.advance(0)
    found = look_of(screens.made[0])
    assert found is not None
    assert found.age() == 0
    screens.clock.advance(0.25)
    assert found.age() == 0.25


def test_each_viewer_gets_a_token_of_its_own() -> None:
    look = Look()
    look.give(f"é <{STAND_IN}>")
    found = [look.data(csrf).decode() for csrf in ("a", "a", "", "b")]
    assert found == ["é <a>", "é <a>", "é <>", "é <b>"]
