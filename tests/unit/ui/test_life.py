"""The life of a run, as its screen tells it."""

from __future__ import annotations

from typing import Any

import pytest

from jobsched.model.claim import NO_SLOT
from jobsched.ui.run import life
from tests.store.samples import at, run


def test_term_and_kill_stand_between_its_start_and_its_end() -> None:
    ended = run(60, state="cancelled", stop="cancelled by a caller", started=at(60), ended=at(70))
    told = [("due", at(60)), ("started", at(60)), ("told to end: cancelled by a caller", None)]
    assert [(step.text, step.at) for step in life(ended)] == [*told, ("cancelled", at(70))]
    killed = run(60, state="stopping", stop="cancelled by a caller", started=at(60), term_at=at(64), kill_at=at(69))
    assert [(step.text, step.at) for step in life(killed)] == [*told, ("TERM", at(64)), ("KILL", at(69))]


def told(**fields: Any) -> list[str]:
    return [step.text for step in life(run(60, **fields))][1:]


WAITED = {"started": at(62), "ended": at(63), "state": "succeeded"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"waited_for": NO_SLOT}, "waited 2 s (for a slot)"),
        ({"waited_for": "waits for the active run to end"}, "waited 2 s (for the active run to end)"),
        ({"waited_for": "catching up: waits for the run before it"}, "waited 2 s (for the run before it)"),
        ({"waited_for": "waits to be started", "cause": "manual"}, "waited 2 s (to be started)"),
        ({"waited_for": "waits for node beta to start it"}, "waited 2 s (for node beta to start it)"),
        ({}, "waited 2 s (for what is not known)"),  # an older release has started it
        ({"created": at(62)}, "found 2 s late"),
        ({"created": at(61.5), "waited_for": NO_SLOT}, "waited 0.5 s (for a slot)"),
    ],
)
def test_a_wait_says_for_what(fields: dict[str, Any], expected: str) -> None:
    assert expected in told(**WAITED | fields)


def test_a_run_that_started_at_once_has_not_waited() -> None:
    assert told(started=at(60.01), ended=at(61), state="succeeded") == ["started", "succeeded"]


def test_a_retry_says_when_it_was_to_be_tried_again() -> None:
    again: dict[str, Any] = {"cause": "retry", "attempt": 2, "created": at(61), "not_before": at(62)}
    steps = life(run(60, **again, state="waiting", reason="attempt 1 failed"))
    told_now = [(step.text, step.at) for step in steps[1:]]
    assert told_now == [("to be tried again", at(62)), ("waits to be started", None)]
    begun = again | {"started": at(62.5), "waited_for": "attempt 1 failed"}
    assert told(**begun) == ["to be tried again", "waited 0.5 s (to be started)", "started", "runs"]


@pytest.mark.parametrize(
    ("reason", "full", "expected"),
    [
        (NO_SLOT, True, "waits for a slot"),
        ("waits to be started", True, "waits to be started; no node has a free slot now"),
        ("waits to be started", False, "waits to be started"),
        ("no living node has its task", False, "waits: no living node has its task"),
    ],
)
def test_what_waits_now_says_for_what(reason: str, full: bool, expected: str) -> None:
    assert life(run(60, state="waiting", reason=reason), full)[-1].text == expected


def test_a_run_that_went_on_at_a_node_cut_off_says_since_when() -> None:
    gone_on = run(60, state="lost", started=at(60), isolated=at(70), ended=at(70))
    cut_off = ("its node was cut off, and it went on", at(70))
    assert [(step.text, step.at) for step in life(gone_on)][2:] == [cut_off, ("lost", at(70))]
    heard = run(60, state="running", started=at(60), isolated=at(70))
    assert [(step.text, step.at) for step in life(heard)][2:] == [cut_off, ("runs", None)]
