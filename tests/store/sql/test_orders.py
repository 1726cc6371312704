"""Orders in SQL: each record has its function, and an order and its entry are written in one transaction."""

import pytest

from jobsched.model.errors import Conflict
from jobsched.model.order import Order, PauseJob
from jobsched.model.run import ENDED
from jobsched.store import commands, performing
from jobsched.store.sql import orders
from jobsched.store.sql import runs as run_rows
from tests.store.samples import job, run, signature
from tests.store.sql.desk import SqlDesk


def test_every_order_can_be_performed():
    assert {*performing.HOW, *orders.ON_MANY} == set(Order.__subclasses__())


@pytest.mark.usefixtures("told_time")
def test_neither_is_there_without_the_other(desk, monkeypatch):
    one = job()
    desk.add(one)
    pause = commands.pause

    def fails_late(*given):
        pause(*given)
        raise Conflict("after all")

    with monkeypatch.context() as late:
        late.setattr(commands, "pause", fails_late)
        with pytest.raises(Conflict):
            desk.perform(PauseJob(job_id=one.id), 1)
    assert (desk.bench.entries(), desk.job(one.id)) == ([], one)

    taken = signature(1)
    desk.bench.add_entries([taken.under("catalog.reload")])[0]
    with pytest.raises(Exception, match=r"(?i)unique|duplicate"):  # an entry that cannot be written undoes its change
        desk.perform(PauseJob(job_id=one.id), by=taken)
    assert desk.job(one.id) == one


@pytest.mark.parametrize("state", ["waiting", *sorted(ENDED)])
def test_only_a_run_that_is_being_executed_can_be_asked_to_end(desk: SqlDesk, state: str) -> None:
    one = run(1, node_id="id of a", state=state)
    desk.insert(one)
    desk.write(run_rows.ask_to_end, [one], "why", "id of b")
    assert desk.runs() == [one]
