"""The index of labels beside a daemon of the schema before it, and where nothing differs."""

from __future__ import annotations

import attrs
from sqlalchemy import Connection, delete, event, select

from jobsched.model.job import JobFilter
from jobsched.model.labels import About, Label
from jobsched.model.run import RunFilter
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql.tables import job_labels, jobs
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import T0, job, run
from tests.store.sql.desk import SqlDesk

DATA = Label("team", "data")


def lines(transaction: Transaction) -> list[tuple[str, ...]]:
    return [tuple(row) for row in transaction.execute(select(job_labels).order_by(job_labels.c.job_id))]


def deleted_by_0004(transaction: Transaction, job_id: str) -> None:
    transaction.execute(delete(jobs).where(jobs.c.id == job_id))


def test_what_an_older_daemon_leaves_of_a_job_does_not_count(desk: SqlDesk) -> None:
    one = job(about=About(labels={"team": "data"}))
    desk.add(one)
    desk.insert(run(job_id=one.id))
    desk.write(deleted_by_0004, one.id)
    assert desk.read(lines) == [(one.id, "team", "data")]
    assert desk.ask(desk.store.runs.page(9, None, RunFilter(labels=(DATA,)))) == []
    assert desk.ask(desk.store.jobs.page(9, "", JobFilter(labels=(DATA,)), 1 << 20, T0)).values == []
    assert desk.ask(desk.store.job_infos(["team"], 9)) == []
    desk.add(attrs.evolve(one, about=About(labels={"env": "prod"})))
    assert desk.read(lines) == [(one.id, "env", "prod")]


def test_labels_that_stay_are_not_written_again(desk: SqlDesk) -> None:
    one = job(about=About(labels={"team": "data"}))
    desk.add(one)
    said: list[str] = []

    def pause(transaction: Transaction) -> None:
        connection: Connection = transaction.connection
        event.listen(connection, "before_cursor_execute", lambda _c, _r, statement, *_: said.append(statement))
        job_rows.put(transaction, attrs.evolve(one, paused=True))

    desk.write(pause)
    assert len(said) == 2
    assert [each for each in said if "job_labels" in each and not each.startswith("SELECT")] == []
    assert desk.read(lines) == [(one.id, "team", "data")]
