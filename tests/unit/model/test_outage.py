"""What is said of an outage: soon, seldom, once for everybody, and what only others have is left to them."""

from __future__ import annotations

from jobsched.model.outage import Outage


def lines(outage: Outage, *failures: tuple[float, str]) -> list[float]:
    """When what was worth saying was said."""
    return [seconds for seconds, words in failures if outage.failed(words, seconds)]


def test_it_is_said_now_and_each_ten_s_a_new_reason_after_five() -> None:
    every_two = [(float(seconds), "refused") for seconds in range(0, 31, 2)]
    assert lines(Outage(), *every_two) == [0, 10, 20, 30]
    outage = Outage()
    assert [seconds for seconds, words in every_two if outage.failed(words, seconds, 30)] == [0, 30]
    changing = [(float(seconds), f"reason {seconds}") for seconds in range(0, 21, 2)]
    assert lines(Outage(), *changing) == [0, 6, 12, 18]


def test_that_it_is_over_is_told_if_it_was_said() -> None:
    outage = Outage()
    assert not outage.over()
    outage.failed("refused", 1)
    assert outage.over()
    assert not outage.over()
    assert outage.failed("refused", 2), "it is another"


def test_while_it_is_said_others_need_not() -> None:
    outage = Outage()
    outage.failed("refused", 0)
    assert all(outage.tells(seconds) for seconds in (0.0, 5.0, 100.0))


def test_others_wait_for_a_heartbeat_and_then_say_their_own() -> None:
    outage = Outage()
    assert [outage.tells(seconds) for seconds in (0.0, 1.0, 3.9, 4.0, 9.0, 18.0)] == [True] * 3 + [False] * 3
    assert outage.tells(29.0), "after a calm it is another trouble"
    outage.failed("refused", 30)
    assert outage.tells(40.0)
    outage.over()
    assert not outage.tells(35.0), "theirs did not end with it"
