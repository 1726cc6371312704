"""What orders ask of a transaction in MongoDB, and write in it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from ...model.audit import Entry
from ...model.caller import is_among
from ...model.hold import Hold
from ...model.ids import BACK
from ...model.job import Job, JobView
from ...model.job_key import JobKey
from ...model.node import Node
from ...model.order import IdempotencyKey
from ...model.run import Run, State
from .. import ordering
from ..ordering import Known
from ..placement import LivingNodes
from . import audit, holds, job_keys, jobs, nodes, outcomes, runs, settling, views, wrong_clock
from .documents import Document, from_document, instant_of, instant_to_number, plain, up_to
from .transaction import Transaction
from .wrong_clock import OF_A_DUE


def begun(
    transaction: Transaction, dues: Collection[tuple[str, datetime]], besides: Sequence[Run]
) -> set[tuple[str, datetime]]:
    """As `start_counts.Records.begun`."""
    which = OF_A_DUE | {
        "job_id": {"$in": sorted({job_id for job_id, _ in dues})},
        "due": {"$in": sorted({instant_to_number(due) for _, due in dues})},
        "_id": {"$nin": [run.id for run in besides]},
        "$or": [{"state": "waiting"}, {"started": {"$ne": None}}],
    }
    found = transaction.find("runs", which, fields={"job_id": 1, "due": 1})
    return {(each["job_id"], instant_of(each["due"])) for each in found}


def former(job: Job, now: datetime) -> Document:
    """What is kept of a job that is deleted now."""
    kept = {"task": job.task, "version": job.version, "created": plain(job.created), "deleted": plain(now)}
    return {"_id": job.id, **kept}


class Records(settling.Settling, ordering.Records):
    """Asks and writes in one transaction."""

    def now(self, local: datetime) -> datetime:
        return self._in.now(local)

    def wake(self, asker: str) -> None:
        self._in.wake(asker)

    def begun(self, dues: Collection[tuple[str, datetime]], besides: Sequence[Run]) -> set[tuple[str, datetime]]:
        return begun(self._in, dues, besides)

    def get_job(self, job_id: str) -> Job | None:
        return jobs.get(self._in, job_id)

    def hold_job(self, job_id: str) -> Job | None:
        self._in.hold_all("jobs", [job_id])
        return jobs.get(self._in, job_id)

    def hold_job_of(self, run_id: str) -> None:
        run = self.get_run(run_id)
        self._in.hold_all("jobs", [] if run is None else [run.job_id])

    def add_jobs(self, new: Sequence[Job], new_ids: set[str]) -> None:
        jobs.add(self._in, new)

    def remove_job(self, job_id: str) -> None:
        self._in.delete("jobs", {"_id": job_id})
        job_keys.forget(self._in, [job_id])

    def keys_of(self, job: Job) -> list[JobKey]:
        return job_keys.of(self._in, job)

    def add_key(self, job: Job, key: JobKey) -> None:
        job_keys.add(self._in, job, key)

    def remove_key(self, key_id: str) -> None:
        self._in.delete(job_keys.KEYS, {"_id": key_id})

    def count(self, job: Job, starts: int, next_due: datetime | None) -> None:
        self._in.update("jobs", {"_id": job.id}, {"starts": starts, "next_due": plain(next_due)})

    def last_due(self, job_id: str) -> datetime | None:
        return wrong_clock.last_due(self._in, {"job_id": job_id} | OF_A_DUE)

    def decided(self, job_id: str, instant: datetime) -> tuple[datetime | None, datetime | None]:
        its = {"job_id": job_id}
        return wrong_clock.last_due(self._in, its | {"created": up_to(instant + BACK)}), wrong_clock.last_due(
            self._in, its
        )

    def insert_runs(self, new: Sequence[Run]) -> None:
        outcomes.insert(self._in, new)

    def older_nodes(self) -> list[str]:
        return sorted(node.name for node in nodes.living(self._in) if node.schema is None)

    def has_job(self, job_id: str) -> bool:
        return jobs.get(self._in, job_id) is not None

    def has_runs(self, job_id: str, tasks: tuple[str, ...] | None) -> bool:
        if tasks is None:
            return self._in.first("runs", {"job_id": job_id}) is not None
        found = self._in.find("runs", {"job_id": job_id}, fields={"task": 1})
        return any(is_among(task, tasks) for task in {each["task"] for each in found})

    def former_task(self, job_id: str) -> str | None:
        found = self._in.first("former_jobs", {"_id": job_id})
        return None if found is None else str(found["task"])

    def take_former(self, job_id: str) -> int | None:
        found = self._in.first("former_jobs", {"_id": job_id})
        self._in.delete("former_jobs", {"_id": job_id})
        return None if found is None else int(found["version"])

    def keep_former(self, job: Job, now: datetime) -> None:
        self._in.delete("former_jobs", {"_id": job.id})
        self._in.insert("former_jobs", [former(job, now)])

    def hold_hold(self) -> Hold | None:
        return holds.held(self._in)

    def tell_hold_end(self, instant: datetime) -> None:
        holds.tell_end(self._in, instant)

    def write_hold(self, new: Hold, *, told: bool) -> None:
        holds.write(self._in, new, told=told)

    def standing_hold(self) -> Hold | None:
        """What an order does that saw no hold is as if it had come before the one that is made meanwhile."""
        return holds.last(self._in)

    def view(self, job_id: str, now: datetime) -> JobView:
        return views.job(self._in, job_id, now)

    def get_run(self, run_id: str) -> Run | None:
        found = self._in.first("runs", {"_id": run_id})
        return None if found is None else from_document(Run, found)

    def hold_run(self, run_id: str) -> Run | None:
        self._in.hold_all("runs", [run_id])
        return self.get_run(run_id)

    def active_of(self, job_ids: Sequence[str]) -> list[Run]:
        return runs.active_of(self._in, job_ids)

    def ripe_of(self, job_ids: Sequence[str], now: datetime) -> list[Run]:
        return runs.ripe_of(self._in, job_ids, now)

    def end_waiting(self, active: list[Run], state: State, reason: str, now: datetime) -> tuple[list[Run], list[Run]]:
        return outcomes.end_waiting(self._in, active, state, reason, now)

    def ask_to_end(self, wanted: Iterable[Run], reason: str, asker: str) -> list[Run]:
        return runs.ask_to_end(self._in, wanted, reason, asker)

    def has_run_at(self, job_id: str, due: datetime) -> bool:
        return self._in.first("runs", {"job_id": job_id, "due": instant_to_number(due)}) is not None

    def living_nodes(self, last_heard: Sequence[Node], own: str, local: datetime) -> LivingNodes:
        return LivingNodes(lambda: nodes.every(self._in), lambda: self._in.now(local), last_heard, own)

    def recall(self, asked: Sequence[IdempotencyKey]) -> Known:
        found = self._in.find("keys", {"_id": {"$in": [_key(key) for key in asked]}}) if asked else []
        return Known({(each["scope"], each["key"]): (each["digest"], each["target"]) for each in found})

    def remember(self, made: Sequence[tuple[IdempotencyKey, str, datetime]]) -> None:
        self._in.insert(
            "keys",
            (
                {"_id": _key(key), "scope": key.scope, "key": key.key, "digest": key.digest, "target": target,
                 "created": plain(now)}
                for key, target, now in made
            ),
        )  # fmt: skip

    def enter(self, entries: Sequence[Entry]) -> list[Entry]:
        return audit.write_all(self._in, entries)

    def task_of_job(self, job_id: str) -> str | None:
        job = self.hold_job(job_id)
        return None if job is None else job.task

    def task_of_run(self, run_id: str) -> str | None:
        run = self.get_run(run_id)
        return None if run is None else run.task


def _key(key: IdempotencyKey) -> str:
    return json.dumps([key.scope, key.key])
