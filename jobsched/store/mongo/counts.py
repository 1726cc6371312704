"""How much there is of what, for health and metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ...model.health import DELIVERY_STATES, JOB_STATES, Counts, JobInfo
from . import jobs
from .transaction import Transaction


def answers(transaction: Transaction) -> None:
    """As `Store.answers`."""
    transaction.first("jobs", {})


def counts(transaction: Transaction) -> Counts:
    """As `Store.counts`."""
    states = Counter(job.state for job in jobs.every(transaction))
    told = Counter(each["state"] for each in transaction.find("deliveries", {}, fields={"state": 1}))
    return Counts(
        jobs={state: states[state] for state in JOB_STATES},
        overdue=len(transaction.find("jobs", {"overdue": {"$ne": None}}, fields={"_id": 1})),
        waiting=len(transaction.find("runs", {"state": "waiting"}, fields={"_id": 1})),
        deliveries={state: told[state] for state in DELIVERY_STATES},
    )


def job_infos(transaction: Transaction, names: Sequence[str], most: int) -> list[JobInfo]:
    """As `Store.job_infos`."""
    found = sorted(jobs.every(transaction), key=lambda job: job.id)
    each = ((job, {name: job.about.labels[name] for name in names if name in job.about.labels}) for job in found)
    return [JobInfo(id=job.id, task=job.task, labels=labels) for job, labels in each if labels][:most]
