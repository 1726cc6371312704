"""Pauses beside a daemon of schema 0004, which knows `paused` and nothing else of them."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from jobsched.model.order import PauseJob
from jobsched.store.sql.tables import jobs
from tests.store.samples import IDS, at, job
from tests.store.sql.desk import SqlDesk

pytestmark = pytest.mark.usefixtures("told_time")


def test_what_an_older_daemon_pauses_has_no_end(desk: SqlDesk) -> None:
    one, other = job(made=1), job(made=2)
    desk.add(one, other)
    for each in (one, other):
        desk.order(PauseJob(job_id=each.id, until=at(300), reason="why"), 90)

    def older(paused: bool) -> None:
        desk.write(lambda asked: asked.execute(update(jobs).where(jobs.c.id == one.id).values(paused=paused)))

    older(False)
    assert desk.job(one.id).pause is None
    assert desk.ask(desk.store.jobs.next_pause_end(at(100))) == at(100)
    assert desk.ask(desk.store.jobs.end_pauses(at(100), 10, IDS, "")) == 1
    assert desk.ask(desk.store.jobs.next_pause_end(at(100))) == at(300)
    older(True)
    assert desk.ask(desk.store.jobs.end_pauses(at(300), 10, IDS, "")) == 1
    assert (desk.job(one.id).paused, desk.job(one.id).why_paused) == (True, "paused")
    assert not desk.job(other.id).paused
    assert desk.perform(PauseJob(job_id=one.id), 310).entry is None
