"""Outcomes that are refused for what the implementation does with them."""

from __future__ import annotations

import attrs
import pytest
from twisted.logger import capturedLogs, formatEvent

from jobsched.model.run import Run
from jobsched.store.sql import outbox
from jobsched.store.sql import runs as run_rows
from tests.store.samples import run
from tests.store.sql.desk import SqlDesk
from tests.store.test_refused import REASON, Node, refused

pytestmark = pytest.mark.usefixtures("told_time")


def test_a_run_fails_without_the_notification_that_is_refused(desk: SqlDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("cannot be told")

    monkeypatch.setattr(outbox, "tell_failed", broken)
    bad = refused(desk)
    node = Node(desk)
    node.ends(bad, state="failed")
    with capturedLogs():
        node.clock.walk(1)
    state, reason = node.state(bad)
    assert (state, reason[: len(REASON)]) == ("failed", REASON)


def test_a_note_that_is_refused_does_not_end_its_run(desk: SqlDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = run(60), run(70, job_id="other")
    desk.insert(one, other)
    node = Node(desk)
    write = run_rows._note

    def picky(noted: Run) -> tuple[object, ...]:
        if noted.pid == 99:
            raise ValueError("not that one")
        return write(noted)

    monkeypatch.setattr(run_rows, "_note", picky)
    node.records.add(attrs.evolve(one, pid=99))
    node.records.add(attrs.evolve(other, pid=98))
    with capturedLogs() as logs:
        node.clock.walk(1)
        assert node.state(one)[0] == "running"
        assert [each.pid for each in desk.runs()] == [None, 98]
        node.ends(one)
        node.clock.walk(1)
    assert node.state(one) == ("succeeded", "succeeded")
    assert f"run {one.id} of job is running, but the store refused to record that" in map(formatEvent, logs)
