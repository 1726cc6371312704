"""What SQLite looks at to forget runs."""

from typing import Any

import pytest
from sqlalchemy import event

from jobsched.store.sql import prune
from jobsched.store.sql.engine import connect, writing
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import run
from tests.store.sql.desk import SqlDesk


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_to_forget_a_run_no_other_is_looked_at(desk: SqlDesk, store_url: str) -> None:
    """SQLite has no notion of how many runs are in a state, and would look through all that have succeeded."""
    desk.insert(*(run(number, state="succeeded") for number in range(3)))
    said: list[tuple[str, Any]] = []
    engine = connect(store_url)
    event.listen(engine, "before_cursor_execute", lambda _c, _r, statement, given, *_: said.append((statement, given)))
    with writing(engine).begin() as connection:
        assert len(prune.beyond(Transaction(connection), "job", 1, 500)) == 2
    with writing(engine).begin() as connection:
        plans = [
            (statement, str(row))
            for statement, given in list(said)
            if statement.startswith(("SELECT", "UPDATE", "DELETE"))
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
        ]
    engine.dispose()
    assert len(plans) > 5
    assert [each for each in plans if "SCAN runs" in each[1] or "runs_of_state" in each[1]] == []
