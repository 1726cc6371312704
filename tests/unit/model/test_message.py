"""Notifications for people."""

from __future__ import annotations

import pytest

from jobsched.model.definition import AboutFields
from jobsched.model.job import EVENTS, Event
from jobsched.model.message import Told, details, formatted, title

BODY: Told = {
    "id": "d",
    "event": "missed",
    "at": "2026-11-23T12:06:14Z",
    "job": {"id": "j", "name": "night\u202ely <b> & *x*", "task": "runfoo", "overdue": None},
    "run": {"id": "r", "due": "2026-11-23T12:00:00Z", "until": "2026-11-23T12:05:00Z", "count": 6, "attempt": 1},
    "reason": "no daemon\nran",
    "node": "alpha",
}


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_words_and_every_shape(event: Event) -> None:
    for run in (None, BODY["run"]):
        body: Told = {**BODY, "event": event, "run": run}
        assert title(body).startswith("night\\u202ely <b> & *x* ")
        assert formatted(body, None) is body
        assert formatted(body, "json") is body
        assert set(formatted(body, "slack")) == {"text"}
        assert formatted(body, "teams")["type"] == "message"


def test_a_stretch_is_told_with_its_count_and_each_line_is_one() -> None:
    assert details(BODY) == [
        "no daemon ran",
        "6 dues from 2026-11-23T12:00:00Z to 2026-11-23T12:05:00Z",
        "task runfoo, job j, run r",
        "told by alpha of 2026-11-23T12:06:14Z",
    ]


def test_nothing_in_a_message_for_slack_is_a_link_or_a_mention() -> None:
    text = formatted(BODY, "slack")["text"]
    assert isinstance(text, str)
    assert text.startswith("*night\\u202ely &lt;b&gt; &amp; *x* was missed*\n")
    assert not {"<", ">"} & set(text)


def test_what_is_said_of_the_job_has_a_line_each() -> None:
    about = AboutFields(
        labels={"team": "data", "env": ""}, description="Copies\nthe base", owner="Zoe", runbook=None
    )  # fmt: skip
    lines = details({**BODY, "job": {**BODY["job"], **about}})
    assert lines[2:5] == ["owner: Zoe", "description: Copies the base", "labels: env=, team=data"]
