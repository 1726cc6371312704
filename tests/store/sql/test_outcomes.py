"""Outcomes of transactions that were undone, or that met another."""

from __future__ import annotations

import attrs
import pytest
from sqlalchemy.exc import OperationalError

from jobsched.model.errors import NotFound
from jobsched.model.order import CancelRun, DeleteJob
from jobsched.model.run import Run
from jobsched.store import start_counts
from jobsched.store.sql import db_errors
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import IDS, T0, job, run
from tests.store.sql.desk import SqlDesk

pytestmark = pytest.mark.usefixtures("told_time")

Told = list[tuple[str, str]]


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
def test_of_two_that_end_what_waits_one_tells_it(
    desk: SqlDesk, told: Told, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, waits = job(next_due=None), run(1, state="waiting")
    desk.add(one)
    desk.insert(waits := attrs.evolve(waits, job_id=one.id))
    there = SqlDesk.at(store_url)
    active_of = run_rows.active_of

    monkeypatch.setattr(run_rows, "hold_job_of", lambda *_: None)  # the other is a node of the release before: it holds
    monkeypatch.setattr(start_counts, "give_back", lambda *_: None)  # no job for that, and gives nothing back

    def read_and_then_it_is_cancelled(transaction: Transaction, job_ids: list[str]) -> list[Run]:
        found = active_of(transaction, job_ids)
        there.order(CancelRun(run_id=waits.id, reason="a caller"), 2)
        return found

    monkeypatch.setattr(run_rows, "active_of", read_and_then_it_is_cancelled)
    desk.order(DeleteJob(job_id=one.id), 3)
    there.close()
    assert [each.reason for each in desk.runs()] == ["a caller"]
    assert told == [], "the other has told it"


def test_what_is_undone_is_not_told(desk: SqlDesk, told: Told) -> None:
    one = run(1)
    desk.insert(one)

    def undone(transaction: Transaction) -> None:
        run_rows.record(transaction, [attrs.evolve(one, state="succeeded", ended=T0)], IDS, lambda: 0.0)
        raise NotFound("something else")

    with pytest.raises(NotFound):
        desk.write(undone)
    assert told == []
    desk.insert(run(2, state="skipped", ended=T0))
    assert [state for _, state in told] == ["skipped"]  # and nothing of what was undone


def test_what_is_done_again_after_it_was_undone_is_told_once(
    desk: SqlDesk, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a deadlock."""
    tries: list[Run] = []
    monkeypatch.setattr(db_errors, "kind", lambda url, why: "again")

    def twice(transaction: Transaction) -> None:
        tries.append(run(len(tries) + 1, state="skipped", ended=T0))
        run_rows.insert_all(transaction, tries[-1:])
        if len(tries) == 1:
            raise OperationalError("", None, Exception("deadlock"))

    desk.write(twice)
    assert told == [(tries[1].id, "skipped")]
