"""What is worth saying again."""

from __future__ import annotations

from jobsched.model.log_throttle import PAUSE, Complaint


def test_the_same_words_are_said_once_in_a_while() -> None:
    complaint = Complaint()
    said = [seconds for seconds in range(100) if complaint.worth_saying("out of reach", seconds)]
    assert said == [0, PAUSE, 2 * PAUSE, 3 * PAUSE]


def test_other_words_are_news() -> None:
    complaint = Complaint()
    assert [complaint.worth_saying(words, 0) for words in ("gone", "gone", "full", "gone")] == [True, False, True, True]


def test_after_it_was_well_the_same_words_are_news_again() -> None:
    complaint = Complaint()
    assert complaint.worth_saying("gone", 0)
    complaint.settled()
    assert complaint.worth_saying("gone", 1)


def test_a_clock_set_back_does_not_silence_it() -> None:
    complaint = Complaint()
    assert complaint.worth_saying("gone", 1000)
    assert complaint.worth_saying("gone", 10)
