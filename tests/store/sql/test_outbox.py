"""What is to be told, in the transaction of its outcome; and what that costs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs
import pytest
from sqlalchemy import event

from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import IDS, at, job, run
from tests.store.sql.desk import SqlDesk
from tests.store.telling import telling, told

pytestmark = pytest.mark.usefixtures("told_time")


def test_without_the_outcome_it_is_not_there(desk: SqlDesk) -> None:
    one = telling()
    desk.add(one)
    began = run(999, job_id=one.id)
    desk.insert(began)

    def half_way(transaction: Transaction) -> None:
        ended = attrs.evolve(began, state="failed", reason="r", ended=at(1000))
        run_rows.record(transaction, [ended], IDS, lambda: 0.0)
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        desk.write(half_way)
    assert told(desk) == []
    assert desk.bench.failing(one.id) is None
    assert desk.states() == ["running"]


@pytest.fixture
def count(store_url: str, desk: SqlDesk) -> Callable[[Callable[[], object]], int]:
    """How many statements something takes."""
    seen: list[str] = []
    engine = desk.store._engine
    event.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))

    def counted(call: Callable[[], object]) -> int:
        seen.clear()
        call()
        return len(seen)

    return counted


def test_what_goes_well_costs_no_statement(desk: SqlDesk, count: Callable[[Callable[[], object]], int]) -> None:
    quiet, one = job(), telling()
    desk.add(quiet, one)
    costs = []
    for each in (quiet, one):
        began = [run(number, job_id=each.id) for number in range(900, 910)]
        desk.insert(*began)
        costs.append(count(partial(desk.ended, *began)))
    assert costs[0] == costs[1]


def test_a_failure_that_nobody_asked_for_costs_no_statement(
    desk: SqlDesk, count: Callable[[Callable[[], object]], int]
) -> None:
    quiet, one = job(), telling()
    desk.add(quiet, one)
    costs = {}
    for each in (quiet, one):
        began = run(900, job_id=each.id)
        desk.insert(began)
        costs[each.id] = count(partial(desk.ended, began, state="failed"))
    assert costs[one.id] == costs[quiet.id] + 3, "it holds the job, writes what is told, and that the job fails"
