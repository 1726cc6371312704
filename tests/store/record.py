"""A store in which all is as it should be, for tests that then put a fault into it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs

from jobsched import verify
from jobsched.model.ids import EPOCH
from jobsched.model.job import Job, Policy
from jobsched.model.node import Node
from jobsched.model.run import Run
from jobsched.model.trigger import Interval
from tests.present import present
from tests.store.samples import IDS, T0, Desk, job

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@attrs.define
class Record:
    """A store in which four jobs were due each minute for ten minutes, up to half a minute ago."""

    url: str
    desk: Desk
    now: datetime
    jobs: list[Job]
    runs: list[Run]

    @classmethod
    def of(cls, desk: Desk, url: str) -> Record:
        """The first three runs of the second job failed, and will be tried again."""
        now = desk.bench.now(EPOCH + timedelta(days=20_000))
        began = now - 10.5 * MINUTE
        jobs = [a_job(f"job{number}", began) for number in range(4)]
        record = cls(url, desk, now, jobs, [a_run(one, began + n * MINUTE) for one in jobs for n in range(1, 11)])
        if desk.store.shared:
            desk.know(Node(id="here", name="node", tasks=["task"], since=began, seen=now))
        desk.add(*jobs)
        desk.insert(*record.runs)
        desk.ended(*record.runs[10:13], state="failed", seconds=(now - T0).total_seconds())
        for run in record.runs:
            if run not in record.runs[10:13]:
                record.set(run, state="succeeded", reason="finished", ended=present(run.started) + SECOND)
        return record

    def set(self, run: Run, **values: Any) -> None:
        self.desk.bench.replace_run(attrs.evolve(self.desk.run(run.id), **values))

    def set_job(self, **values: Any) -> None:
        self.desk.bench.replace_job(attrs.evolve(self.desk.job(self.jobs[0].id), **values))

    def set_nodes(self, **values: Any) -> None:
        for each in self.desk.bench.nodes():
            self.desk.bench.replace_node(attrs.evolve(each, **values))

    def forget(self, *runs: Run) -> None:
        self.desk.bench.forget_runs([run.id for run in runs])

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
