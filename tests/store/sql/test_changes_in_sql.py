"""A change that is committed late is not passed over: its number is higher than all that were seen before."""

from __future__ import annotations

import pytest
from sqlalchemy import literal, select

from jobsched.store.sql import changes
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql.changes import SHARE
from jobsched.store.sql.engine import connect, writing
from jobsched.store.sql.many import AT_ONCE
from jobsched.store.sql.tables import jobs
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import job
from tests.store.sql.desk import SqlDesk

MANY = 1000


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
def test_a_change_committed_late_is_not_passed_over(desk: SqlDesk, store_url: str) -> None:
    early, late = job(), job()
    engine = writing(connect(store_url))
    with engine.connect() as connection, connection.begin() as begun:
        transaction = Transaction(connection)
        transaction.have_done(late, "early to begin, late to commit")
        changes.write(transaction)
        desk.write(Transaction.have_done, early, "late to begin, early to commit")
        assert desk.ask(desk.store.changes.number(MANY)) == 1
        seen, _ = desk.ask(desk.store.changes.after(0, MANY))
        assert [(change.number, change.job_id) for change in seen] == [(1, early.id)]
        begun.commit()
    engine.dispose()
    assert desk.ask(desk.store.changes.after(1, MANY)) == ([], True)
    assert desk.ask(desk.store.changes.number(MANY)) == 1
    seen, _ = desk.ask(desk.store.changes.after(1, MANY))
    assert [(change.number, change.job_id) for change in seen] == [(2, late.id)]


def test_what_is_undone_is_told_to_nobody(desk: SqlDesk) -> None:
    def fails(transaction: Transaction) -> None:
        transaction.have_done(job(), "undone")
        changes.write(transaction)
        raise ValueError("not this time")

    with pytest.raises(ValueError, match="not this time"):
        desk.write(fails)
    assert desk.ask(desk.store.changes.number(MANY)) == 0


@pytest.mark.parametrize("kind", ["mysql"], indirect=True)
def test_many_changes_are_one_insert(desk: SqlDesk) -> None:
    """By itself, the driver sends each row alone: the database computes the instant."""
    made = [job() for _ in range(AT_ONCE + 1)]

    def change(transaction: Transaction) -> int:
        for each in made:
            transaction.have_done(each, "100 % and 'quoted'")
        before = counted(transaction, "Com_insert")
        changes.write(transaction)
        written = counted(transaction, "Com_insert") - before
        transaction.changes.clear()
        return written

    assert desk.write(change) == 2
    assert desk.ask(desk.store.changes.number(MANY)) == len(made)
    seen, _ = desk.ask(desk.store.changes.after(0, MANY))
    assert [(change.job_id, change.what) for change in seen] == [(each.id, "100 % and 'quoted'") for each in made]


@pytest.mark.parametrize("kind", ["mysql"], indirect=True)
def test_nobody_waits_long_for_the_changes_of_a_set(desk: SqlDesk) -> None:
    """Others cannot write a change while such a statement runs."""
    made = [job() for _ in range(SHARE + 1)]
    desk.write(lambda transaction: job_rows.add(transaction, made))
    found = select(jobs.c.id, jobs.c.task, literal("put")).order_by(jobs.c.id)

    def change(transaction: Transaction) -> int:
        before = counted(transaction, "Com_insert_select")
        changes.of_all(transaction, found)
        return counted(transaction, "Com_insert_select") - before

    assert desk.write(change) == 2
    assert desk.ask(desk.store.changes.number(MANY)) == len(made)
    seen, _ = desk.ask(desk.store.changes.after(0, MANY))
    assert [(change.job_id, change.what) for change in seen] == [
        (each, "put") for each in sorted(one.id for one in made)
    ]


def counted(transaction: Transaction, name: str) -> int:
    """How many statements of that kind this connection has sent."""
    (_, count), *_ = transaction.connection.exec_driver_sql(f"SHOW SESSION STATUS LIKE '{name}'")
    return int(count)
