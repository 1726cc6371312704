"""What it costs that somebody may be told: the outcomes of runs, written with and without, and how fast it is told.

    python bench/notifications.py [STORE_URL]

An empty database. Outcomes are written 50 together, as under load; a line for each case, in microseconds a run.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta

import attrs
from sqlalchemy import insert

from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Notify, Watch
from jobsched.model.run import Run, State
from jobsched.store.sql import deliveries as rows
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.engine import connect, writing
from jobsched.store.sql.schema import migrate
from jobsched.store.sql.tables import deliveries
from jobsched.store.sql.transaction import Transaction

RUNS, TOGETHER, WAITING = 2000, 50, 10_000
IDS = Ids()


def now() -> datetime:
    return datetime.now(UTC)


def outcomes(url: str, state: State, notify: Notify | None, everyone: str | None = None) -> float:
    """Microseconds for each outcome."""
    engine = writing(connect(url))
    draft = Draft(task="task", name="job", every=timedelta(days=1), watch=Watch(notify=notify))
    jobs = [draft.job(IDS.make(now()), now()) for _ in range(TOGETHER)]
    made = [
        Run(id=IDS.make(now()), job_id=jobs[n % TOGETHER].id, job_name="job", task="task", due=now(), created=now(),
            state="running", node="n", node_id="n", started=now())
        for n in range(RUNS)
    ]  # fmt: skip
    with engine.begin() as connection:
        job_rows.add(Transaction(connection, everyone), jobs)
        run_rows.insert_all(Transaction(connection, everyone), made)
    begun = time.perf_counter()
    for first in range(0, RUNS, TOGETHER):
        ended = [attrs.evolve(run, state=state, reason="r", ended=now()) for run in made[first : first + TOGETHER]]
        with engine.begin() as connection:
            run_rows.record(Transaction(connection, everyone), ended, IDS, random.random)
    spent = time.perf_counter() - begun
    engine.dispose()
    return spent / RUNS * 1e6


def looking(url: str) -> tuple[float, float]:
    """Milliseconds to find that of 10,000 for a dead receiver none may be sent, and that one for another may."""
    engine = writing(connect(url))
    with engine.begin() as connection:
        connection.execute(deliveries.delete())
        one = {"job_id": "j", "task": "t", "event": "failed", "url": "u", "body": {}, "state": "waiting",
               "attempts": 1, "created": now(), "not_before": now() - timedelta(minutes=1)}  # fmt: skip
        connection.execute(insert(deliveries), [one | {"id": f"a{n}", "place": "dead"} for n in range(WAITING)])
    spent = []
    for place in (None, "alive"):
        with engine.begin() as connection:
            if place:
                connection.execute(insert(deliveries), [one | {"id": "b", "place": place, "not_before": now()}])
        with engine.begin() as connection:
            begun = time.perf_counter()
            for _ in range(20):
                rows.soonest(Transaction(connection), ["dead"])
            spent.append((time.perf_counter() - begun) / 20 * 1e3)
    with engine.begin() as connection:
        assert [each.place for each in rows.take(Transaction(connection), now(), 8, 2, {"dead": 2})] == ["alive"]
    engine.dispose()
    return spent[0], spent[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{folder}/bench.sqlite"
        migrate(url)
        mine = Notify(url="https://hooks.example/")
        cases: tuple[tuple[str, State, Notify | None, str | None], ...] = (
            ("succeeded, nobody is told", "succeeded", None, None),
            ("succeeded, the job has a receiver", "succeeded", mine, None),
            ("failed, nobody is told", "failed", None, None),
            ("failed, somebody else's jobs are", "failed", Notify(on=()), "all.example:443"),
            ("failed, the job has a receiver", "failed", mine, None),
            ("failed, all jobs have one", "failed", None, "all.example:443"),
        )
        for name, state, notify, everyone in cases:
            print(f"{name:40} {outcomes(url, state, notify, everyone):8.0f} us a run")
        none, one = looking(url)
        print(f"a look past {WAITING} at a dead receiver   {none:8.2f} ms, {one:.2f} ms when another waits")


if __name__ == "__main__":
    main()
