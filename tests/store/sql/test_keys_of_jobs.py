"""Keys beside a daemon of schema 0004, which knows none: it deletes a job and leaves them."""

from __future__ import annotations

from sqlalchemy import delete, func, select

from jobsched.model.key_orders import MakeKey
from jobsched.store.sql.job_keys import keys_of_jobs
from jobsched.store.sql.tables import jobs
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import at, job
from tests.store.sql.desk import SqlDesk


def deleted_by_0004(transaction: Transaction, job_id: str) -> None:
    transaction.execute(delete(jobs).where(jobs.c.id == job_id))


def rows(transaction: Transaction) -> int:
    return transaction.execute(select(func.count()).select_from(keys_of_jobs)).scalar_one()


def test_what_is_left_of_a_deleted_job_opens_no_later_one(desk: SqlDesk) -> None:
    order = MakeKey(job_id="one", hash="d" * 64, last="wxyz")
    desk.add(job(id="one"))
    desk.order(order, 1)
    desk.write(deleted_by_0004, "one")
    desk.add(job(id="one", created=at(5)))
    assert desk.ask(desk.store.for_callers.job_keys.of_job("one")) == []
    assert desk.read(rows) == 1
    key = desk.order(order, 6)
    assert desk.ask(desk.store.for_callers.job_keys.of_job("one")) == [key]
    assert desk.read(rows) == 1, "what was left is gone"
