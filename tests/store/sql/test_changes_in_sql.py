"""A change that is committed late is not passed over: its number is higher than all that were seen before."""

from __future__ import annotations

import pytest

from jobsched.store.sql import changes
from jobsched.store.sql.engine import connect, writing
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
