"""TERM, grace, KILL, by elapsed time."""

from signal import SIGKILL, SIGTERM

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from jobsched.runner.deadline import ABANDONED, AGAIN, HOPELESS, Deadline, Doomed, Stop

HOUR = 3600
ASKED = Stop("cancelled", "by a caller")


class World:
    """A clock, and a deadline that goes by it."""

    def __init__(self, grace: float = 5) -> None:
        self.clock = Clock()
        self.sent: list[tuple[float, int]] = []
        self.heard: list[Stop] = []
        self.deadline = Deadline(self.clock, self.send, grace)
        self.deadline.stopping.subscribe(self.heard.append)

    def send(self, number: int) -> None:
        self.sent.append((self.clock.seconds(), number))

    def go(self, seconds: float, step: float = 0.5) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)

    def signals(self) -> list[int]:
        return [number for _, number in self.sent]


@pytest.fixture
def world() -> World:
    return World()


def test_deadline_sends_term_then_kill(world):
    world.deadline.arm(10)
    world.go(9.5)
    assert world.sent == []
    world.go(5.5)

    assert world.sent == [(10, SIGTERM), (15, SIGKILL)]
    assert world.deadline.killed


def test_it_tells_of_the_term_and_of_the_first_kill(world):
    told = []
    world.deadline.signalled.subscribe(lambda sent: told.append((world.clock.seconds(), sent)))
    world.deadline.arm(10)
    world.go(15 + 3 * AGAIN)
    assert told == [(10, "TERM"), (15, "KILL")]


def test_what_does_not_die_is_killed_again_until_it_is_dead(world):
    world.deadline.stop(ASKED)
    world.go(5 + 2 * AGAIN)
    assert world.signals() == [SIGTERM, SIGKILL, SIGKILL, SIGKILL]
    world.deadline.disarm()
    world.go(10)

    assert len(world.sent) == 4


def test_the_deadline_names_itself(world):
    world.deadline.arm(0.25)
    world.go(1)

    assert world.heard == [Stop("timed_out", "ran longer than its 0.25 s")]
    assert world.deadline.stopped == world.heard[0]


def test_a_long_deadline_is_named_in_whole_numbers(world):
    world.deadline.arm(1_234_567)
    world.clock.advance(1_234_567)

    assert world.heard[0].reason == "ran longer than its 1234567 s"


def test_the_first_reason_stays_and_is_sent_once(world):
    world.deadline.arm(10)
    world.deadline.stop(ASKED)
    world.deadline.stop(Stop("cancelled", "again"))
    world.go(4.5)

    assert (world.heard, world.signals()) == ([ASKED], [SIGTERM])
    assert world.deadline.stopped == ASKED
    assert not world.deadline.killed


def test_a_stop_goes_before_the_deadline_which_is_forgotten(world):
    world.deadline.arm(10)
    world.go(9)
    world.deadline.stop(ASKED)
    world.go(5)

    assert world.sent == [(9, SIGTERM), (14, SIGKILL)]


def test_a_later_stop_may_give_up_on_what_does_not_end(world):
    world.deadline.stop(ASKED)
    assert not world.deadline.abandoned
    world.deadline.stop(Stop("cancelled", "shutdown", abandon=True))

    assert world.deadline.abandoned
    assert world.deadline.stopped == ASKED


def test_the_end_is_told_of_before_the_signal_that_may_bring_it(world):
    order = []
    world.deadline._send = lambda number: order.append("sent")
    world.deadline.stopping.subscribe(lambda stop: order.append("told"))
    world.deadline.stop(ASKED)

    assert order == ["told", "sent"]


def test_a_run_that_ends_when_it_is_told_to_is_not_killed(world):
    """As a coroutine does: it ends within the call that ends it."""
    world.deadline._send = lambda number: (world.send(number), world.deadline.disarm())
    world.deadline.stop(ASKED)
    world.go(20)

    assert world.signals() == [SIGTERM]
    assert world.clock.getDelayedCalls() == []


@pytest.mark.parametrize("stopped", [False, True])
def test_after_the_end_it_sends_nothing(world, stopped):
    world.deadline.arm(10)
    if stopped:
        world.deadline.stop(ASKED)
    before = list(world.sent)
    world.deadline.end()
    world.deadline.stop(Stop("cancelled", "again", grace=1))
    world.deadline.sweep()
    world.go(20)

    assert world.sent == before
    assert world.heard == ([ASKED] if stopped else [])
    assert world.clock.getDelayedCalls() == []


def test_what_fails_once_the_run_has_ended_is_not_tried_again(world):
    def send(number: int) -> None:
        if number == SIGKILL:
            world.deadline.end()
            raise RuntimeError("a fault of ours")

    world.deadline = Deadline(world.clock, send, 5)
    world.deadline.stop(ASKED)
    with capturedLogs() as log:
        world.go(5)

    assert [each["log_failure"].type for each in log] == [RuntimeError]
    assert world.clock.getDelayedCalls() == []


def test_disarmed_it_leaves_no_timer(world):
    world.deadline.arm(10)
    world.deadline.disarm()
    world.deadline.disarm()

    assert world.clock.getDelayedCalls() == []
    world.go(20)
    assert world.sent == []


def test_a_sleep_longer_than_asked_for_ends_the_run_at_once(world):
    world.deadline.arm(100)
    world.clock.advance(HOUR)

    assert world.signals() == [SIGTERM]


def test_no_grace_means_kill_at_once():
    world = World(grace=0)
    world.deadline.stop(ASKED)
    world.clock.advance(0)

    assert world.signals() == [SIGTERM, SIGKILL]


FENCED = Stop("lost", "out of reach", abandon=True, grace=1)


def test_a_stop_may_have_a_shorter_grace_than_usual(world):
    world.deadline.stop(FENCED)
    world.go(3)

    assert world.sent[:2] == [(0, SIGTERM), (1, SIGKILL)]


def test_a_later_stop_shortens_the_grace_and_never_lengthens_it(world):
    world.deadline.stop(ASKED)
    world.go(2)
    world.deadline.stop(FENCED)
    world.go(1.5)
    assert world.sent[:2] == [(0, SIGTERM), (3, SIGKILL)]
    assert world.deadline.stopped == ASKED

    late = World()
    late.deadline.stop(ASKED)
    late.go(4.5)
    late.deadline.stop(FENCED)
    late.go(1)
    assert late.sent[:2] == [(0, SIGTERM), (5, SIGKILL)]


def test_a_usual_grace_shorter_than_that_of_the_stop_is_kept():
    world = World(grace=0.5)
    world.deadline.stop(FENCED)
    world.go(1)

    assert world.sent[1] == (0.5, SIGKILL)


def test_one_ended_by_itself_is_not_stopped_nor_given_more_time(world):
    """It may have ended while nobody was awake to hear of it."""
    world.deadline._over = lambda: True
    world.deadline.stop(FENCED)
    world.go(1.5)

    assert (world.heard, world.deadline.stopped) == ([], None)
    assert world.sent[:2] == [(0, SIGTERM), (1, SIGKILL)]


def test_what_is_left_is_swept_up_as_a_run_and_not_stopped(world):
    world.deadline.sweep()
    world.go(2)
    world.deadline.sweep()
    world.go(3)

    assert world.sent == [(0, SIGTERM), (5, SIGKILL)]
    assert (world.heard, world.deadline.stopped) == ([], None)


def test_a_stop_may_hurry_what_is_swept_up(world):
    world.deadline._over = lambda: True
    world.deadline.sweep()
    world.go(2)
    world.deadline.stop(FENCED)
    world.go(1)

    assert world.sent[:2] == [(0, SIGTERM), (3, SIGKILL)]
    assert world.heard == []


def test_after_some_time_a_kill_is_hopeless(world):
    world.deadline.stop(ASKED)
    world.go(5 + HOPELESS - 0.5)
    assert not world.deadline.hopeless
    world.go(0.5)
    assert world.deadline.hopeless


def test_and_sooner_where_nobody_waits(world):
    world.deadline.stop(ASKED)
    world.go(5 + ABANDONED)
    assert not world.deadline.hopeless
    world.deadline.stop(Stop("cancelled", "shutdown", abandon=True))
    assert world.deadline.hopeless


def test_stops_for_runs_to_come_are_remembered_up_to_a_limit():
    doomed = Doomed()
    for number in range(Doomed.MOST + 1):
        doomed.add(str(number), ASKED)

    assert [doomed.take(run_id) for run_id in ("0", "1", "1", "1000")] == [None, ASKED, None, ASKED]


# Faults of ours


def test_a_run_is_ended_though_that_it_is_cannot_be_noted(world):
    def broken(_):
        raise LookupError("a fault of ours")

    world.deadline.stopping.subscribe(broken)
    world.deadline.arm(10)
    with capturedLogs() as logs:
        world.go(15)
    assert world.signals() == [SIGTERM, SIGKILL]
    (event,) = logs
    assert formatEvent(event) == "that a run is ended, ran longer than its 10 s, could not be noted"


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_signal_that_cannot_be_sent_is_not_the_last(world, fails):
    """The run would outlive its deadline for good."""
    calls = []

    def send(number):
        calls.append(number)
        if len(calls) == fails:
            raise OSError("a fault of ours")

    deadline = Deadline(world.clock, send, 5)
    deadline.arm(10)
    with capturedLogs() as logs:
        world.go(10 + 5 + 3 * AGAIN)
    assert calls[:2] == [SIGTERM, SIGKILL] if fails > 1 else calls[0] == SIGTERM
    assert calls.count(SIGKILL) >= 2
    assert len(logs) == 1
    deadline.disarm()
    assert not world.clock.getDelayedCalls()


def test_a_look_whether_it_has_ended_that_fails_is_made_again(world):
    answers = [LookupError("a fault of ours"), False]

    def over():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    deadline = Deadline(world.clock, world.send, 5, over)
    deadline.arm(10)
    with capturedLogs():
        world.go(10 + AGAIN)
    assert world.signals() == [SIGTERM]
    assert deadline.stopped is not None
    deadline.disarm()
