"""Looks at all processes: one for all that ask at the same time, and a pause between those in the reactor."""

from typing import cast

import pytest
from twisted.internet.defer import Deferred

from jobsched.runner import process_survey, procfs
from jobsched.runner.process_survey import SHARE, ProcessSurvey
from jobsched.threads import InThread


class World:
    """Looks that come back when the test has them come, and take a second each in the reactor."""

    def __init__(self):
        self.looks = []
        self.elapsed = 100.0
        self.members = frozenset({7})
        self.seen = 0
        self.survey = ProcessSurvey(cast(InThread, self.in_thread), lambda: self.elapsed)

    def in_thread(self, function, wanted):
        assert function is procfs.survey
        self.looks.append((wanted, Deferred()))
        return self.looks[-1][1]

    def sessions(self):
        self.seen += 1
        self.elapsed += 1
        return self.members


@pytest.fixture
def world(monkeypatch):
    world = World()
    monkeypatch.setattr(process_survey, "sessions", world.sessions)
    return world


def test_those_who_ask_while_a_look_is_under_way_share_the_next(world):
    heard = []
    for n in range(4):
        world.survey.of(f"run{n}", n).addBoth(lambda found, n=n: heard.append((n, found)))
    assert [wanted for wanted, _ in world.looks] == [{"run0": 0}]
    world.looks[0][1].callback({"run0": ["a"]})
    assert [wanted for wanted, _ in world.looks[1:]] == [{"run1": 1, "run2": 2, "run3": 3}]
    world.looks[1][1].callback({"run1": [], "run2": ["b"], "run3": []})

    assert heard == [(0, ["a"]), (1, []), (2, ["b"]), (3, [])]
    assert len(world.looks) == 2


def test_a_failed_look_is_told_to_all_who_shared_it(world):
    heard = []
    world.survey.of("one", 1).addErrback(lambda why: heard.append(why.type))
    world.survey.of("two", 2).addCallback(heard.append)
    world.looks[0][1].errback(OSError())
    world.looks[1][1].callback({"two": []})

    assert heard == [OSError, []]


def test_one_who_asks_again_when_answered_has_another_look(world):
    world.survey.of("one", 1).addCallback(lambda _: world.survey.of("one", 1))
    world.looks[0][1].callback({"one": []})

    assert len(world.looks) == 2


def test_a_look_at_the_sessions_serves_all_that_ended_before_it(world):
    assert [world.survey.session_is_empty(session, since=99.0) for session in (6, 7, 8)] == [True, False, True]
    assert world.seen == 1


def test_one_that_ended_later_has_to_wait_for_the_next(world):
    world.survey.session_is_empty(7, since=99.0)  # it took a second
    world.members = frozenset()
    since = world.elapsed
    assert world.survey.session_is_empty(7, since) is None
    world.elapsed = since + SHARE - 1.5
    assert world.survey.session_is_empty(7, since) is None
    world.elapsed = since + SHARE - 1
    assert world.survey.session_is_empty(7, since) is True
    assert world.seen == 2
