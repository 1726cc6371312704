"""Rules that the record of a job must never break: our promise, checked on stored data. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Final

import attrs

from .due_coverage import DueCoverage
from .hold import Hold
from .job import Job
from .lease import FIXED
from .node import Node
from .run import ACTIVE, ENDED, NEVER_RAN, RETRIED, STARTED, Run

SKEW = timedelta(seconds=2)  # the clocks of two nodes may differ by so much
# A living node decides a due within this time, which begins after the job's misfire_grace at the latest.
PROMPT = timedelta(seconds=60)
# Within this time after the end of its lease a node is found dead, and its runs are recorded as lost.
DECLARED_DEAD = timedelta(seconds=10)
REMEMBERED = timedelta(days=6)  # a node that started a run since then is still known: nodes are kept for 7 days

NOT_BEGUN: Final = ("waiting", *NEVER_RAN)
BEGUN: Final = ("running", "stopping", "succeeded", "failed", "timed_out", "lost")  # cancelled: begun or not


@attrs.frozen(kw_only=True)
class Facts:
    """What is known beside a job and its runs.

    `now` is None where the store has neither nodes nor a clock of its own (SQLite, which has one daemon): rules about
    nodes and the clock are left out then. `whole`: no run was pruned yet, so each job's record begins with its first
    due.
    """

    now: datetime | None = None
    nodes: Mapping[str, Node] = attrs.field(factory=dict)
    hold: Hold | None = None  # the last one
    whole: bool = False

    @property
    def first_node(self) -> datetime:
        """When the first node began: daemons of an older schema were not recorded as nodes."""
        return min((node.since for node in self.nodes.values()), default=datetime.max.replace(tzinfo=UTC))

    def lives(self, node: Node) -> bool:
        """Whether a run may be recorded as running there."""
        return self.now is not None and node.state == "alive" and node.seen >= self.now - node.lease - DECLARED_DEAD


@attrs.frozen(kw_only=True)
class Fault:
    """One broken promise, in words."""

    words: str
    job_id: str
    run_id: str | None = None

    def __str__(self) -> str:
        where = f"job {self.job_id}" + (f", run {self.run_id}" if self.run_id else "")
        return f"{where}: {self.words}"


def faults(job_id: str, job: Job | None, runs: Iterable[Run], facts: Facts) -> Iterator[Fault]:
    """All that is wrong with a job (None: it is deleted) and its `runs`, sorted by due, attempt and place.

    Only the runs of one due at a time are held in memory.
    """
    coverage, counted, past = DueCoverage(job, facts.whole), 0, 0  # past: of a job that had the id before
    for due, group in groupby(runs, key=attrgetter("due")):
        rows = list(group)
        for run in rows:
            yield from (Fault(words=words, job_id=job_id, run_id=run.id) for words in _row(run, facts))
        rows.sort(key=attrgetter("place", "attempt"))
        for _, chain in groupby(rows, key=attrgetter("place")):
            yield from (
                Fault(words=words, job_id=job_id, run_id=run.id)
                for run, words in _attempts(job, list(chain), facts.whole)
            )
        scheduled = [run for run in rows if run.attempt == 1 and run.cause == "schedule"]
        counts = any(run.started is not None or run.state == "waiting" for run in scheduled)
        counted += counts
        past += counts and job is not None and due < job.created
        if scheduled:
            yield from (Fault(words=words, job_id=job_id) for words in coverage.take(due, scheduled))
    yield from (Fault(words=words, job_id=job_id) for words in coverage.end())
    if job is not None:
        yield from (Fault(words=words, job_id=job_id) for words in _starts(job, counted, past, facts.whole))
        yield from (Fault(words=words, job_id=job_id) for words in _overdue(job, facts))


def _row(run: Run, facts: Facts) -> Iterator[str]:
    yield from _shape(run)
    yield from _begun(run)
    yield from _order(run, facts)
    if facts.now is not None and run.node_id and run.state not in NOT_BEGUN:
        yield from _node(run, run.node_id, facts, facts.now)


def _shape(run: Run) -> Iterator[str]:
    """A state that exists, a reason, a stretch only of dues that did not start."""
    if run.state not in ACTIVE + ENDED:
        yield f"there is no state {run.state}"
    if not run.reason.strip():
        yield f"{run.state}, and no reason is given"
    if (run.count != 1) != (run.until is not None) or run.count < 1 or (run.until is not None and run.until <= run.due):
        yield f"stands for {run.count} dues from {_at(run.due)} to {_at(run.until)}"
    if run.until is not None and (run.state not in NEVER_RAN or run.attempt != 1):
        yield f"stands for several dues, and is attempt {run.attempt}, {run.state}"
    if (run.cause == "retry") != (run.attempt > 1) or run.attempt < 1:
        yield f"is attempt {run.attempt}, of cause {run.cause}"


def _begun(run: Run) -> Iterator[str]:
    """The start, the node and the end of a run fit its state."""
    if (run.state in ENDED) != (run.ended is not None):
        yield f"{run.state}, and its end is {_at(run.ended)}"
    if run.state in BEGUN and (run.started is None or not run.node_id or not run.node):
        yield f"{run.state}, but its start is {_at(run.started)}, its node {run.node or 'unknown'}"
    if run.state in NOT_BEGUN and run.started is not None:
        yield f"{run.state}, but it started at {_at(run.started)}"


def _order(run: Run, facts: Facts) -> Iterator[str]:
    """Nothing is recorded before its time. Start and end are not checked on a single host, whose clock may be set back
    while a run waits or runs.
    """
    last = run.until or run.due
    if run.cause == "schedule" and run.created < last - SKEW:
        yield f"was decided at {_at(run.created)}, before its due {_at(last)}"
    if facts.now is None or run.started is None:
        return
    if run.started < run.due - SKEW:
        yield f"started at {_at(run.started)}, before its due {_at(run.due)}"
    if run.ended is not None and run.ended < run.started - SKEW:
        yield f"ended at {_at(run.ended)}, before it started at {_at(run.started)}"


def _node(run: Run, node_id: str, facts: Facts, now: datetime) -> Iterator[str]:
    """A run in progress is on a living node; a run that started did so on a node that existed then."""
    node = facts.nodes.get(node_id)
    name = f"node {run.node} ({node_id})"
    if run.state in STARTED and (node is None or not facts.lives(node)):
        how = "which is not known" if node is None else f"which is {node.state} and was last seen at {_at(node.seen)}"
        yield f"{run.state} on {name}, {how}"
    if run.started is None or not max(now - REMEMBERED, facts.first_node) <= run.started <= now + SKEW:
        return  # a start in the future was written by a wrong clock
    if node is None:
        yield f"{run.state}, executed by {name}, which never existed"
    elif run.node != node.name:
        yield f"{run.state}, executed by {name}, whose name is {node.name}"
    elif not _there(node, run.started) and not any(
        each.name == node.name and each.since < node.since and _there(each, run.started)
        for each in facts.nodes.values()  # an earlier daemon may have begun it, and this one has gone on with it
    ):
        yield f"started at {_at(run.started)} on {name}, a node from {_at(node.since)} to {_at(node.seen)} only"


def _there(node: Node, instant: datetime) -> bool:
    """Whether the node was there then."""
    return node.since - SKEW <= instant <= node.seen + node.lease + SKEW


def _attempts(job: Job | None, runs: list[Run], whole: bool) -> Iterator[tuple[Run, str]]:
    """The attempts at one due in one place: each once, counted from 1, each after the one before it failed."""
    if runs[0].attempt != 1 and whole:
        yield runs[0], f"attempt {runs[0].attempt} at {_at(runs[0].due)} without the one before it"
    for before, run in pairwise(runs):
        if run.attempt == before.attempt:
            started = " and was started twice" if before.started and run.started else ""
            yield run, f"attempt {run.attempt} at {_at(run.due)} is there twice, also as {before.id},{started}"
        elif run.attempt != before.attempt + 1:
            yield run, f"attempt {run.attempt} at {_at(run.due)} follows attempt {before.attempt}"
        elif before.state not in RETRIED:
            yield run, f"attempt {run.attempt} at {_at(run.due)}, though the one before it is {before.state}"
        elif before.ended is not None and run.created < before.ended - SKEW:
            yield run, f"attempt {run.attempt} at {_at(run.due)} is from before the end of the one before it"
    yield from _carried(runs)
    last = runs[-1]
    if job is None or job.version != 1:
        return  # a changed or deleted job: the retries asked for then are not known
    if last.attempt > job.policy.retries + 1:
        yield last, f"attempt {last.attempt} at {_at(last.due)}, but {job.policy.retries} retries were asked for"
    if last.state in RETRIED and last.attempt <= job.policy.retries and not last.goes_on:
        yield last, f"attempt {last.attempt} at {_at(last.due)} {last.state} and was not followed by another"


def _starts(job: Job, counted: int, past: int, whole: bool) -> Iterator[str]:
    """Each due that has started, or waits to start, counts once against max_runs; no other due counts."""
    if counted - past > job.starts or (whole and job.max_runs is not None and counted < job.starts):
        yield f"counts {job.starts} starts, and {counted} of its dues have started or wait to"


def _carried(runs: list[Run]) -> Iterator[tuple[Run, str]]:
    """Each attempt that started has the task and parameters of the one before: secrets are given for one task."""
    for before, run in pairwise(runs):
        if run.started is not None and run.task != before.task:
            yield run, f"attempt {run.attempt} at {_at(run.due)} is of task {run.task}, though {before.task} failed"
        elif run.started is not None and run.parameters != before.parameters:
            yield run, f"attempt {run.attempt} at {_at(run.due)} has other parameters than the one before it"


def _overdue(job: Job, facts: Facts) -> Iterator[str]:
    """A due that a living node should have decided long ago.

    If misfire_grace has no limit (None), a due may wait as long as no living node can run it.
    """
    if facts.now is None or job.next_due is None or job.paused or _left_undecided(job, facts.hold, facts.now):
        return
    grace = job.policy.misfire_grace
    settled = [node for node in facts.nodes.values() if facts.lives(node) and node.since <= facts.now - PROMPT]
    if grace is None:
        settled = [node for node in settled if node.can(job.task, job.policy.require)]
    # With longer leases the database may be away for so much longer.
    away = max((node.lease for node in settled), default=FIXED) - FIXED
    if settled and job.next_due < facts.now - PROMPT - away - (grace or timedelta(0)):
        yield f"is due since {_at(job.next_due)}, and nobody decides it"


def _left_undecided(job: Job, hold: Hold | None, now: datetime) -> bool:
    """Whether a hold leaves its dues alone, or has done so until just now."""
    return hold is not None and hold.missed == "catch_up" and hold.stops(job) and not hold.is_over(now - PROMPT)


def _at(instant: datetime | None) -> str:
    return "unknown" if instant is None else instant.isoformat()
