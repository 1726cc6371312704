"""The life of a run, as its screen tells it."""

from __future__ import annotations

from jobsched.ui.run import life
from tests.store.samples import at, run


def test_term_and_kill_stand_between_its_start_and_its_end() -> None:
    ended = run(60, state="cancelled", stop="cancelled by a caller", started=at(60), ended=at(70))
    told = [("due", at(60)), ("started", at(60)), ("told to end: cancelled by a caller", None)]
    assert [(step.text, step.at) for step in life(ended)] == [*told, ("cancelled", at(70))]
    killed = run(60, state="stopping", stop="cancelled by a caller", started=at(60), term_at=at(64), kill_at=at(69))
    assert [(step.text, step.at) for step in life(killed)] == [*told, ("TERM", at(64)), ("KILL", at(69))]
