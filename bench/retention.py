"""What retention costs each minute: when nothing is new, and when jobs have another run and an old one may go."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import attrs
from daemon import machine, spread
from fill import SHARE, put
from sqlalchemy import insert
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock, react

from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Job
from jobsched.model.run import Run
from jobsched.runner.retention import EVERY, Retention
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql import tables, transaction
from jobsched.store.sql.engine import connect, writing
from jobsched.store.sql.store import Store
from tests.servers import started

MINUTE = timedelta(minutes=1)
KEEP = 1_000
SETTLE = {"sqlite": "PRAGMA wal_checkpoint(TRUNCATE)", "postgresql": "ANALYZE", "mysql": "ANALYZE TABLE runs"}

P = ParamSpec("P")
T = TypeVar("T")


def at_once(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
    """Call `function` here, in place of a thread."""
    return maybeDeferred(function, *args, **kwargs)


def main(reactor: Any) -> Deferred[None]:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql", "mysql"], default="sqlite")
    parser.add_argument("--jobs", type=int, default=100_000, help="how many (default: 100000)")
    parser.add_argument("--runs", type=int, default=1_000_000, help="of all of them (default: 1000000)")
    parser.add_argument("--new", type=int, default=600, help="runs, each of another job, in a minute (default: 600)")
    parser.add_argument("--minutes", type=int, default=10, help="of each kind (default: 10)")
    options = parser.parse_args(sys.argv[1:])
    machine()
    transaction._ASK_TIME.clear()  # it is as late as we say
    return Deferred.fromCoroutine(measure(reactor, options))


@contextlib.contextmanager
def database(kind: str) -> Iterator[str]:
    """The URL of an empty one."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "sqlite":
            yield f"sqlite:///{Path(folder) / 'jobsched.sqlite'}"
            return
        server = started(kind)
        try:
            yield server.create_database("bench")
        finally:
            server.close()


async def measure(reactor: Any, options: argparse.Namespace) -> None:
    """Rounds of retention, a minute apart, and what each took."""
    ids, now = Ids(), datetime.now(UTC)
    jobs = [job(ids, number, now) for number in range(options.jobs)]
    with database(options.database) as url, tempfile.TemporaryDirectory() as folder:
        put(url, jobs)
        count = record(url, jobs, options.runs // options.jobs, now)
        store, clock = Store(reactor, url), Clock()
        clock.rightNow = now.timestamp()
        store.startService()
        made = Retention(clock, store, at_once, Path(folder), KEEP, 30)
        made.startService()
        print(f"{options.jobs} jobs with {count} runs, KEEP_RUNS = {KEEP}, on {options.database}")
        print(f"  the first round:        {await a_round(made):.3f} s")
        for name, new in (("nothing is new:", 0), (f"{options.new} runs are new:", options.new)):
            took = []
            for _ in range(options.minutes):
                clock.rightNow += EVERY
                instant_of = datetime.fromtimestamp(clock.rightNow, UTC)
                fresh = [ran(ids, each, instant_of) for each in jobs[:new]]
                await store.write(run_rows.insert_all, fresh)
                took.append(await a_round(made))
            print(f"  {name:<23} {spread(took)}, mean {sum(took) / len(took) * 1000:.1f} ms")
        await made.stopService()
        await store.stopService()


async def a_round(retention: Retention) -> float:
    begun = time.perf_counter()
    await retention.prune()
    return time.perf_counter() - begun


def job(ids: Ids, number: int, now: datetime) -> Job:
    """One that is due some day."""
    return Draft(task="true", name=f"job {number}", every=timedelta(days=9)).job(ids.make(now), now)


def record(url: str, jobs: list[Job], each: int, now: datetime) -> int:
    """Store so many runs of each job, made in turn within the last day; how many they are."""
    ids, step, opened = Ids(), timedelta(days=1) / each, connect(url)
    pattern = attrs.asdict(ran(Ids(), jobs[0], now), recurse=False)
    with writing(opened).begin() as connection:
        for beat in range(each):
            due = now - (each - beat) * step
            for begin in range(0, len(jobs), SHARE):
                rows = [pattern | {"id": ids.make(due), "job_id": one.id, "due": due} for one in jobs[begin:][:SHARE]]
                connection.execute(insert(tables.runs), rows)
    # What a database does by itself within a minute of much being put there; or the first rounds would.
    raw = opened.raw_connection()
    raw.cursor().execute(SETTLE[opened.dialect.name])
    raw.commit()
    raw.close()
    opened.dispose()
    return each * len(jobs)


def ran(ids: Ids, job: Job, due: datetime) -> Run:
    """A run that went well."""
    return Run(
        id=ids.make(due), job_id=job.id, job_name=job.name, task=job.task, due=due, created=due, state="succeeded",
        reason="finished", node="bench", node_id="bench", started=due, ended=due + timedelta(milliseconds=3),
    )  # fmt: skip


if __name__ == "__main__":
    react(main)
