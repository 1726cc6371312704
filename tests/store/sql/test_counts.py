"""What counting the whole store costs."""

from __future__ import annotations

from typing import Any

import pytest

from jobsched.store.sql.queries import counts
from jobsched.store.sql.transaction import Transaction
from tests.store.sql.desk import SqlDesk


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_no_table_is_read_for_it(desk: SqlDesk) -> None:
    def plans(transaction: Transaction) -> list[str]:
        raw: Any = transaction.connection.connection.driver_connection
        asked: list[str] = []
        raw.set_trace_callback(asked.append)
        counts(transaction)
        raw.set_trace_callback(None)
        return [row[3] for statement in asked for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}")]

    found = [plan for plan in desk.read(plans) if "TEMP B-TREE" not in plan]
    assert len(found) == 4
    assert all("USING COVERING INDEX" in plan for plan in found), found
