"""Notifications of which another transaction has some in hand."""

from __future__ import annotations

import pytest

from jobsched.store.sql import deliveries as rows
from jobsched.store.sql.engine import connect, writing
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import at
from tests.store.sql.desk import SqlDesk
from tests.store.telling import told
from tests.store.test_deliveries import outside, take, urls

pytestmark = pytest.mark.usefixtures("told_time")


def test_two_nodes_do_not_take_the_same(store_url: str, kind: str) -> None:
    if kind == "sqlite":
        pytest.skip("an SQLite file has one daemon, and one that writes")
    desk = SqlDesk.at(store_url)
    outside(desk, *urls("a", "b", "c"))
    engine = writing(connect(store_url))
    with engine.connect() as one, one.begin():
        assert len(rows.take(Transaction(one), at(1), 2, 2, {})) == 2
        taken = take(desk, 1)  # without waiting for what the other has in hand
    taken += take(desk, 1)
    assert len(taken) == 1
    assert [each.attempts for each in told(desk)] == [1, 1, 1]
    engine.dispose()
    desk.close()
