"""What is worth saying again."""

from __future__ import annotations

from jobsched.model.log_throttle import PAUSE, LogThrottle


def test_the_same_words_are_said_once_in_a_while() -> None:
    throttle = LogThrottle()
    said = [seconds for seconds in range(100) if throttle.should_log("out of reach", seconds)]
    assert said == [0, PAUSE, 2 * PAUSE, 3 * PAUSE]


def test_other_words_are_news() -> None:
    throttle = LogThrottle()
    assert [throttle.should_log(words, 0) for words in ("gone", "gone", "full", "gone")] == [True, False, True, True]


def test_after_it_was_well_the_same_words_are_news_again() -> None:
    throttle = LogThrottle()
    assert throttle.should_log("gone", 0)
    throttle.settled()
    assert throttle.should_log("gone", 1)


def test_a_clock_set_back_does_not_silence_it() -> None:
    throttle = LogThrottle()
    assert throttle.should_log("gone", 1000)
    assert throttle.should_log("gone", 10)
