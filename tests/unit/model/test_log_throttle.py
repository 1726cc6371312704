"""What is worth saying again."""

from __future__ import annotations

from jobsched.model.log_throttle import PAUSE, LogThrottle


def test_the_same_words_are_said_once_in_a_while() -> None:
    complaint = LogThrottle()
    said = [seconds for seconds in range(100) if complaint.should_log("out of reach", seconds)]
    assert said == [0, PAUSE, 2 * PAUSE, 3 * PAUSE]


def test_other_words_are_news() -> None:
    complaint = LogThrottle()
    assert [complaint.should_log(words, 0) for words in ("gone", "gone", "full", "gone")] == [True, False, True, True]


def test_after_it_was_well_the_same_words_are_news_again() -> None:
    complaint = LogThrottle()
    assert complaint.should_log("gone", 0)
    complaint.settled()
    assert complaint.should_log("gone", 1)


def test_a_clock_set_back_does_not_silence_it() -> None:
    complaint = LogThrottle()
    assert complaint.should_log("gone", 1000)
    assert complaint.should_log("gone", 10)
