"""Outcomes are told once they are stored: each of them, wherever it came from, and none that was undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import attrs
import pytest

from jobsched.model.errors import NotFound
from jobsched.model.job import Policy
from jobsched.model.run import Run
from jobsched.store.sql import commands, start_counts
from jobsched.store.sql import nodes as node_rows
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import IDS, T0, asks, at, job, node, run
from tests.store.sql.desk import SqlDesk

pytestmark = pytest.mark.usefixtures("told_time")

Told = list[tuple[str, str]]


@pytest.fixture
def told(desk: SqlDesk) -> Told:
    """What was told: runs and their states."""
    heard: Told = []
    desk.events.runs_ended.subscribe(lambda runs: heard.extend((run.id, run.state) for run in runs))
    return heard


def stored(desk: SqlDesk) -> Told:
    """The same from the record."""
    return sorted((run.id, run.state) for run in desk.runs() if not run.active)


def runs_end(desk: SqlDesk) -> None:
    many = [run(number) for number in range(1, 5)]
    desk.insert(*many)
    desk.ended(*many[:2])
    desk.ended(many[2], state="failed")
    desk.ended(attrs.evolve(many[3], state="stopping"), state="cancelled")


def notes_come_before_the_end(desk: SqlDesk) -> None:
    one, other = run(1), run(2)
    desk.insert(one, other)
    desk.write(run_rows.record, [attrs.evolve(one, pid=7), attrs.evolve(other, pid=8)], IDS, lambda: 0.0)
    desk.ended(one)


def dues_are_missed_and_skipped(desk: SqlDesk) -> None:
    late, busy = job(policy=Policy(misfire_grace=timedelta(seconds=1))), job()
    desk.add(late, busy)
    desk.claim(60, busy)
    desk.claim(125, late, busy)


def dues_pass_a_paused_job(desk: SqlDesk) -> None:
    one = job()
    desk.add(one)
    desk.write(commands.pause, one.id, at(1))
    desk.write(commands.resume, one.id, IDS, at(200))


def a_caller_runs_what_is_active(desk: SqlDesk) -> None:
    one = job()
    desk.add(one)
    desk.claim(60, one)
    desk.write(commands.run_now, one.id, None, IDS, at(61))


def a_later_run_takes_the_place_of_one_that_waits(desk: SqlDesk) -> None:
    one = job(policy=Policy(overlap="replace"))
    desk.add(one)
    desk.claim(60, one)
    desk.claim(120, one, slots=0)
    desk.claim(180, one, slots=0)


def a_caller_cancels_what_waits(desk: SqlDesk) -> None:
    waits, runs = run(1, state="waiting", node_id=None), run(2)
    desk.insert(waits, runs)
    desk.write(commands.cancel, waits.id, "why", at(3))
    desk.write(commands.cancel, runs.id, "why", at(3))


def a_job_goes_and_takes_what_waits_along(desk: SqlDesk) -> None:
    one = job()
    desk.add(one)
    desk.insert(run(1, job_id=one.id, state="waiting", node_id=None), run(2, job_id=one.id))
    desk.write(commands.remove, one.id, IDS, at(130))


def a_node_dies(desk: SqlDesk) -> None:
    desk.know(node("node", id="here", state="dead"))
    desk.insert(run(1), run(2, stop="cancelled by a caller"))
    desk.insert(run(3, state="waiting", node_id=None, place="elsewhere"))
    desk.write(node_rows.declare_dead, [], "its node is gone", IDS, lambda: 0.0, at(1000))


def a_retry_comes_after_its_job_was_deleted(desk: SqlDesk) -> None:
    one, here = job(), node("node", id="here", seen=at(60))
    desk.add(one)
    desk.insert(run(1, state="waiting", node_id=None), run(2, job_id=one.id, state="waiting", node_id=None))
    desk.know(here)
    desk.claim(61, one, **asks(here))


@pytest.mark.parametrize(
    ("happens", "states"),
    [
        (runs_end, {"succeeded", "failed", "cancelled"}),
        (notes_come_before_the_end, {"succeeded"}),
        (dues_are_missed_and_skipped, {"missed", "skipped"}),
        (dues_pass_a_paused_job, {"skipped"}),
        (a_caller_runs_what_is_active, {"skipped"}),
        (a_later_run_takes_the_place_of_one_that_waits, {"skipped"}),
        (a_caller_cancels_what_waits, {"cancelled"}),
        (a_job_goes_and_takes_what_waits_along, {"cancelled", "skipped"}),
        (a_node_dies, {"lost", "cancelled", "missed"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_in_the_record_was_told(
    desk: SqlDesk, told: Told, happens: Callable[[SqlDesk], None], states: set[str]
) -> None:
    happens(desk)
    assert sorted(told) == stored(desk)
    assert {state for _, state in told} == states


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
def test_so_was_what_is_cancelled_because_its_job_is_gone(desk: SqlDesk, told: Told) -> None:
    a_retry_comes_after_its_job_was_deleted(desk)
    assert sorted(told) == stored(desk)
    assert {state for _, state in told} == {"cancelled", "skipped"}


def test_an_outcome_that_came_too_late_is_not_told(desk: SqlDesk, told: Told) -> None:
    mine, lost = run(1), run(2)
    desk.insert(mine, lost)
    desk.ended(lost, state="lost", seconds=500)
    told.clear()
    desk.ended(mine, lost)  # this node thought that both went well
    assert told == [(mine.id, "succeeded")]


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
def test_of_two_that_end_what_waits_one_tells_it(
    desk: SqlDesk, told: Told, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, waits = job(next_due=None), run(1, state="waiting")
    desk.add(one)
    desk.insert(waits := attrs.evolve(waits, job_id=one.id))
    there = SqlDesk.at(store_url)
    active_of = run_rows.active_of

    monkeypatch.setattr(commands, "hold_job_of", lambda *_: None)  # the other is a node of the release before: it holds
    monkeypatch.setattr(start_counts, "give_back", lambda *_: None)  # no job for that, and gives nothing back

    def read_and_then_it_is_cancelled(transaction: Transaction, job_ids: list[str]) -> list[Run]:
        found = active_of(transaction, job_ids)
        there.write(commands.cancel, waits.id, "a caller", at(2))
        return found

    monkeypatch.setattr(run_rows, "active_of", read_and_then_it_is_cancelled)
    desk.write(commands.remove, one.id, IDS, at(3))
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
    from sqlalchemy.exc import OperationalError

    from jobsched.store.sql import db_errors

    tries: list[Run] = []
    monkeypatch.setattr(db_errors, "kind", lambda url, why: "again")

    def twice(transaction: Transaction) -> None:
        tries.append(run(len(tries) + 1, state="skipped", ended=T0))
        run_rows.insert_all(transaction, tries[-1:])
        if len(tries) == 1:
            raise OperationalError("", None, Exception("deadlock"))

    desk.write(twice)
    assert told == [(tries[1].id, "skipped")]
