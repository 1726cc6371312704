"""What it costs to watch many jobs: one look when all is well, one when all are overdue, and when they recover."""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from daemon import machine, spread
from fill import put
from sqlalchemy import Engine, update

from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Job, Notify, Watch
from jobsched.model.run import Run, State
from jobsched.scheduler.overdue import MOST
from jobsched.store.sql import overdue, overdue_queries, tables, transaction
from jobsched.store.sql.engine import connect, reading, writing
from jobsched.store.sql.transaction import Transaction

HOUR = timedelta(hours=1)
WATCH = Watch(max_late=HOUR, must_succeed_every=2 * HOUR, notify=Notify(url="http://localhost/"))
MANY = 1_000_000
STATES: tuple[State, ...] = ("succeeded", "succeeded", "failed", "missed", "succeeded", "skipped")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", help="URL of an empty database (default: SQLite, in a folder of its own)")
    parser.add_argument("--jobs", type=int, default=10_000, help="watched ones (default: 10000)")
    parser.add_argument("--runs", type=int, default=20, help="of each (default: 20)")
    parser.add_argument("--looks", type=int, default=20, help="to be timed (default: 20)")
    options = parser.parse_args()
    machine()
    with tempfile.TemporaryDirectory() as folder:
        url = options.store or f"sqlite:///{Path(folder) / 'jobsched.sqlite'}"
        now = datetime.now(UTC)
        jobs, runs = record(options.jobs, options.runs, now)
        put(url, jobs, runs)
        measure(url, options.looks, now)


def record(jobs: int, runs: int, now: datetime) -> tuple[list[Job], list[Run]]:
    """Jobs that run each minute and are due within the next, and the last runs of each."""
    ids, minute = Ids(), timedelta(minutes=1)
    made = now - timedelta(days=20)
    drafts = (Draft(task="true", name=f"job {number}", every=minute, watch=WATCH) for number in range(jobs))
    found = [draft.job(ids.make(made), now) for draft in drafts]
    return found, [
        _run(ids, job, now - beat * minute, STATES[(beat + number) % len(STATES)])
        for beat in range(runs, 0, -1)
        for number, job in enumerate(found)
    ]


def _run(ids: Ids, job: Job, due: datetime, state: State) -> Run:
    started = None if state in {"missed", "skipped"} else due
    return Run(
        id=ids.make(due), job_id=job.id, job_name=job.name, task=job.task, due=due, created=due, state=state,
        reason=state, node="bench", node_id="bench", started=started, ended=due + timedelta(seconds=1),
    )  # fmt: skip


def measure(url: str, looks: int, now: datetime) -> None:
    """Time the looks: nothing to find; everything, and what it takes to store it; the same, found already."""
    transaction._ASK_TIME.clear()  # it is as late as we say, on every database
    engine = connect(url)
    with writing(engine).connect() as connection, connection.begin():
        connection.execute(update(tables.jobs).values(failing=None))  # it is not that which is measured
    well, broken = now + timedelta(minutes=30), now + timedelta(days=1)
    assert look(engine, well)[0] == []
    print("a look when all is well:", spread([look(engine, well)[1] for _ in range(looks)]))
    found, seconds = look(engine, broken)
    print(f"one that finds all {len(found)} overdue: {seconds * 1000:.0f} ms; ", end="")
    begun = time.perf_counter()
    for begin in range(0, len(found), MOST):
        with writing(engine).connect() as connection, connection.begin():
            overdue.settle(Transaction(connection), found[begin : begin + MOST], broken)
    print(f"to store and tell it: {time.perf_counter() - begun:.1f} s")
    print("a look while all are:   ", spread([look(engine, broken)[1] for _ in range(looks)]))


def look(engine: Engine, now: datetime) -> tuple[list[str], float]:
    """What one look finds, and how many seconds it takes."""
    begun = time.perf_counter()
    with reading(engine).connect() as connection, connection.begin():
        found = overdue_queries.watched(Transaction(connection), MANY, now)
        overdue_queries.recovered(Transaction(connection), MANY, now)
    return found, time.perf_counter() - begun


if __name__ == "__main__":
    main()
