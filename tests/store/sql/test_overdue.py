"""Two that settle the same job in the middle of a transaction."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from jobsched.store.sql.overdue import settle
from jobsched.store.sql.tables import jobs
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import at
from tests.store.sql.desk import SqlDesk
from tests.store.test_overdue import watched

pytestmark = pytest.mark.usefixtures("told_time")


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
def test_of_two_nodes_in_the_middle_of_it_one_wins(desk: SqlDesk, store_url: str) -> None:
    one = watched(late=60)
    desk.add(one)
    there = SqlDesk.at(store_url)

    def both(transaction: Transaction) -> tuple[int, int]:
        before = transaction.execute(select(jobs.c.overdue).where(jobs.c.id == one.id)).scalar_one()
        theirs = len(there.ask(there.store.overdue.settle([one.id], at(3700))))
        assert before is None
        return len(settle(transaction, [one.id], at(3701))), theirs

    assert desk.write(both) == (0, 1)
    there.close()
