"""A store in which all is as it should be, for tests that then put a fault into it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs
from sqlalchemy import delete, insert, update

from jobsched import verify
from jobsched.model.ids import EPOCH
from jobsched.model.job import Job, Policy
from jobsched.model.node import Node
from jobsched.model.run import Run
from jobsched.model.trigger import Interval
from jobsched.store.sql.clock import now as database_now
from jobsched.store.sql.tables import jobs as job_table
from jobsched.store.sql.tables import nodes as node_table
from jobsched.store.sql.tables import runs as run_table
from tests.store.samples import IDS, T0, job
from tests.store.sql.desk import SqlDesk

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@attrs.define
class Record:
    """A store in which four jobs were due each minute for ten minutes, up to half a minute ago."""

    url: str
    desk: SqlDesk
    now: datetime
    jobs: list[Job]
    runs: list[Run]

    @classmethod
    def at(cls, url: str) -> Record:
        """The first three runs of the second job failed, and will be tried again."""
        desk = SqlDesk.at(url)
        now = desk.read(database_now, EPOCH + timedelta(days=20_000))
        began = now - 10.5 * MINUTE
        jobs = [a_job(f"job{number}", began) for number in range(4)]
        record = cls(url, desk, now, jobs, [a_run(one, began + n * MINUTE) for one in jobs for n in range(1, 11)])
        if desk.store.shared:
            here = Node(id="here", name="node", tasks=["task"], since=began, seen=now)
            record.edit(insert(node_table).values(attrs.asdict(here, recurse=False)))
        desk.add(*jobs)
        desk.insert(*record.runs)
        desk.ended(*record.runs[10:13], state="failed", seconds=(now - T0).total_seconds())
        for run in record.runs:
            if run not in record.runs[10:13]:
                record.set(run, state="succeeded", reason="finished", ended=run.started + SECOND)
        return record

    def edit(self, statement: Any) -> None:
        self.desk.write(lambda connection: connection.execute(statement))

    def set(self, run: Run, **values: Any) -> None:
        self.edit(update(run_table).where(run_table.c.id == run.id).values(**values))

    def set_job(self, **values: Any) -> None:
        self.edit(update(job_table).where(job_table.c.id == self.jobs[0].id).values(**values))

    def forget(self, run: Run) -> None:
        self.edit(delete(run_table).where(run_table.c.id == run.id))

    def found(self, *, whole: bool = True) -> list[str]:
        return [str(fault) for fault in verify.verify(self.url, whole=whole)]


def a_job(name: str, began: datetime) -> Job:
    made = job(name=name, policy=Policy(retries=1))
    schedule = attrs.evolve(made.schedule, trigger=Interval(start=began, every=MINUTE))
    return attrs.evolve(
        made, schedule=schedule, created=began, updated=began, next_due=began + 11 * MINUTE, starts=10
    )  # fmt: skip


def a_run(one: Job, due: datetime) -> Run:
    soon = due + SECOND
    return Run(
        id=IDS.make(soon), job_id=one.id, job_name=one.name, task=one.task, due=due, created=soon, state="running",
        reason="is running", node="node", node_id="here", started=soon,
    )  # fmt: skip
