"""A record of dues that another transaction has in hand."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import pytest_twisted
from sqlalchemy import select

from jobsched.model.job import Policy
from jobsched.store.sql import claims
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql.store import Store
from jobsched.store.sql.tables import runs
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import claimant, job
from tests.store.sql.desk import every_run
from tests.store.test_stretches import said

pytestmark = pytest.mark.usefixtures("told_time")


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_a_record_that_somebody_has_in_hand_is_not_waited_for(open_store: Callable[[], Store]) -> None:
    desk, other = open_store(), open_store()
    one = job(policy=Policy(overlap="skip"))
    await desk.write(job_rows.add, [one])
    await desk.write(claims.claim, claimant(60), [one.id])
    await desk.write(claims.claim, claimant(120), [one.id])
    held, go = threading.Event(), threading.Event()

    def forget_slowly(transaction: Transaction) -> None:
        transaction.execute(select(runs.c.id).where(runs.c.state == "skipped").with_for_update()).all()
        held.set()
        assert go.wait(30)

    forgetting = other.write(forget_slowly)
    assert held.wait(30)
    try:
        await desk.write(claims.claim, claimant(180), [one.id])
    finally:
        go.set()
        await forgetting
    await desk.write(claims.claim, claimant(240), [one.id])
    found = await desk.read(every_run)
    assert said(found)[1:] == [(120, 120, 1, "skipped"), (180, 240, 2, "skipped")]
