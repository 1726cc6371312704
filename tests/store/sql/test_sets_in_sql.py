"""What a set of jobs that is put holds of the database, and what it leaves to others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.claim import Claimed
from jobsched.model.job import Job
from jobsched.model.job_set import Wanted
from jobsched.model.labels import About
from jobsched.model.order import ChangeJob
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import job, signature
from tests.store.sql.desk import SqlDesk
from tests.store.test_job_sets import LABELS, discard, staged, wanted

pytestmark = pytest.mark.usefixtures("told_time")
servers_only = pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
FEW, MANY = 10, 200


def a_set(count: int, **fields: Any) -> list[Wanted]:
    return [wanted(f"set-{number:03}", number, **fields) for number in range(count)]


def count(transaction: Transaction) -> None:
    """Have the database know how many rows there are, as sooner or later it does."""
    word = "TABLE " if transaction.dialect.name == "mysql" else ""
    transaction.connection.exec_driver_sql(f"ANALYZE {word}jobs, job_labels, former_jobs, staged_jobs").close()


@pytest.fixture
def other(store_url: str) -> Iterator[SqlDesk]:
    """Another node's way to the store."""
    other = SqlDesk.at(store_url)
    yield other
    other.close()


def put(desk: SqlDesk, jobs: Sequence[Wanted], do: Callable[[], None]) -> dict[str, int]:
    """Put a set that is staged, and with it a job that is not: it is looked at last in that transaction, and meanwhile
    `do` is done."""
    order, group = staged(desk, jobs, 1)
    desk.write(count)
    last = wanted("the-last", MANY, labels={})

    def revise(before: Job | None, instant: datetime) -> Job:
        do()
        return last.revise(before, instant)

    order = attrs.evolve(order, wanted=[*jobs, attrs.evolve(last, revise=revise)], most=None)
    counts = desk.order(order, 1, by=signature(1, id=group)).counts
    discard(desk, group)
    return {what: count for what, count in counts.items() if count}


@servers_only
@pytest.mark.parametrize("others", [20, 400])
def test_jobs_beside_a_set_are_free_meanwhile(desk: SqlDesk, other: SqlDesk, others: int) -> None:
    """Whether the set is the greater part of all jobs or not: the database may look for its jobs in either way."""
    beside = [job(name=f"job {number}", every=1) for number in range(others)]
    desk.add(*beside)
    found = list[Claimed]()

    def claim() -> None:
        found.append(other.claim(10 * len(found) + 10, *beside[:20], slots=99))
        other.ended(*found[-1].started)

    every = {"every": timedelta(hours=2)}
    assert put(desk, a_set(FEW), claim) == {"create": FEW + 1}
    assert put(desk, a_set(MANY, timeout=5.0), claim) == {"change": FEW, "create": MANY - FEW, "keep": 1}
    assert put(desk, a_set(MANY, **every), claim) == {"change": MANY, "keep": 1}
    assert put(desk, [], claim) == {"delete": MANY, "keep": 1}
    assert [(len(claimed.started), claimed.held_up) for claimed in found] == [(20, False)] * 4


@servers_only
def test_a_set_waits_for_no_job_beside_it(desk: SqlDesk, other: SqlDesk) -> None:
    """Whoever holds that may wait for a job of the set."""
    beside = job(about=About(labels={"x": "y"}))
    desk.add(beside)
    done = list[dict[str, int]]()

    def put_all(before: Job, instant: datetime) -> Job:
        for jobs in (a_set(FEW), a_set(MANY, timeout=5.0, labels={**LABELS, "more": "1"}), []):
            done.append(put(desk, jobs, lambda: None))
        return attrs.evolve(before, name="another", about=About(labels={"x": "z"}))

    other.order(ChangeJob(job_id=beside.id, versions=None, revise=put_all), 2)
    changed = {"change": FEW, "create": MANY - FEW, "keep": 1}
    assert done == [{"create": FEW + 1}, changed, {"delete": MANY, "keep": 1}]
