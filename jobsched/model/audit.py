"""Audit log: who changed what. Entries are added, never changed, and deleted when they are old."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import attrs

from .definition import definition
from .hold import Hold
from .ids import parts_of
from .job import Job
from .job_key import JobKey
from .redaction import Redaction
from .run import Run
from .times import utc_text

Action = Literal[
    "job.create",
    "job.change",
    "job.pause",
    "job.resume",
    "job.delete",
    "run.start",
    "run.cancel",
    "catalog.reload",
    "hold.put",
    "hold.delete",
    "key.create",
    "key.delete",
    "jobs.batch",
    "jobs.put",
]

Facts = dict[str, Any]  # what JSON knows

_ABSENT: Final = object()


@attrs.frozen(kw_only=True)
class Entry:
    """One change. `before` and `after` hold the values that changed, without secrets; None: there were none."""

    id: str
    at: datetime
    who: str | None  # the name of a token; None: no token was needed, or a signal was sent
    address: str
    node: str
    action: Action
    target: str | None = None  # the id of a job or of a run
    job_id: str | None = None  # the job of that run
    name: str | None = None  # of the job
    task: str | None = None
    before: Facts | None = None
    after: Facts | None = None
    group: str | None = None  # what it has in common with other parts of one order

    def shown(self, redaction: Redaction) -> Entry:
        """The entry as it may be shown now: more names may be secret than when the entry was written."""

        def plain(facts: Facts | None) -> Facts | None:
            if facts is None or "parameters" not in facts:
                return facts
            return {**facts, "parameters": redaction.shown(facts["parameters"])}

        return attrs.evolve(self, before=plain(self.before), after=plain(self.after))


@attrs.frozen(kw_only=True)
class AuditFilter:
    """Which entries are asked for; what is None does not matter. `begin <= at < end`."""

    target: str | None = None  # of a job also what was done to its runs
    action: Action | None = None
    who: str | None = None
    group: str | None = None
    begin: datetime | None = None
    end: datetime | None = None


@attrs.frozen(kw_only=True)
class Signature:
    """Who gave an order, from where, when, and through which node. Makes the entry for the result of the order.

    A signature is made before its order is carried out, since that may be tried more than once.
    """

    id: str
    at: datetime
    who: str | None
    address: str
    node: str
    redaction: Redaction = attrs.field(factory=Redaction)
    group: str | None = None

    def parts(self, count: int) -> Iterator[Signature]:
        """Those of the parts of the order, as `ids.parts_of`."""
        for part_id in parts_of(self.id, count):
            yield Signature(
                id=part_id, at=self.at, who=self.who, address=self.address, node=self.node,
                redaction=self.redaction, group=self.id,
            )  # fmt: skip

    def under(
        self, action: Action, *, before: Facts | None = None, after: Facts | None = None, job: Job | None = None
    ) -> Entry:
        """The entry of an action, on a job if there is one; a run as its target is set afterwards."""
        target, name, task = (None, None, None) if job is None else (job.id, job.name, job.task)
        return Entry(
            id=self.id, at=self.at, who=self.who, address=self.address, node=self.node, action=action, target=target,
            name=name, task=task, before=before, after=after, group=self.group,
        )  # fmt: skip

    def of_job(self, before: Job | None, after: Job | None) -> Entry | None:
        """The entry for a job that was made, changed or deleted. None: nothing differs.

        Of a changed job it holds the fields that differ. They are compared before secrets are hidden, so that a new
        value of a secret counts as a change.
        """
        job = after or before
        assert job is not None
        was, now = differing(before, after, self.redaction)
        if was is None and now is None:
            return None
        return self.under(_action(before, after), before=was, after=now, job=job)

    def of_removal(self, job: Job, ended: Sequence[Run]) -> Entry | None:
        """The entry for a deleted job; `ended` are the runs of the job that were ended with it."""
        entry = self.of_job(job, None)
        return entry and attrs.evolve(entry, after=_runs("cancelled", ended) or None)

    def of_start(self, run: Run, replaced: Sequence[Run] = ()) -> Entry:
        """The entry for a run that was asked for; `replaced` are the runs whose place it takes."""
        again = {} if run.rerun_of is None else {"rerun_of": run.rerun_of}
        after = {"due": utc_text(run.due), "state": run.state, **again, **_runs("replaced", replaced)}
        return self._of_run("run.start", run, after=after)

    def of_end(self, before: Run, after: Run) -> Entry | None:
        """The entry for a run that was asked to end. None: the run had been asked before, and nothing changed."""
        if (before.state, before.stop) == (after.state, after.stop):
            return None
        now = after.state if after.ended else "stopping"
        return self._of_run("run.cancel", after, before={"state": before.state}, after={"state": now})

    def of_hold(self, action: Action, before: Hold | None, after: Hold | None) -> Entry:
        """The entry for a hold that was made, changed or ended."""
        was, now = ({} if hold is None else hold.fields for hold in (before, after))
        return self.under(action, before=_plain(was, self.redaction), after=_plain(now, self.redaction))

    def of_key(self, job: Job, before: JobKey | None, after: JobKey | None) -> Entry:
        """The entry for a key of a job that was made or revoked."""
        was, now = (None if key is None else {"key": key.id, "last": key.last} for key in (before, after))
        return self.under("key.delete" if after is None else "key.create", before=was, after=now, job=job)

    def _of_run(self, action: Action, run: Run, *, before: Facts | None = None, after: Facts | None = None) -> Entry:
        entry = self.under(action, before=before, after=after)
        return attrs.evolve(entry, target=run.id, job_id=run.job_id, name=run.job_name, task=run.task)


def differing(before: Job | None, after: Job | None, redaction: Redaction) -> tuple[Facts | None, Facts | None]:
    """What a job was and is, as far as it differs, without secrets. They are compared before these are hidden."""
    was, now = _facts(before), _facts(after)
    if was and now:
        names = [name for name, value in was.items() if now.get(name, _ABSENT) != value]
        names += [name for name in now if name not in was]
        was, now = _only(names, was), _only(names, now)
    return _plain(was, redaction), _plain(now, redaction)


def _plain(facts: Facts, redaction: Redaction) -> Facts | None:
    """`facts` as they may be kept and shown: without secrets; None: there are none."""
    kept = {name: utc_text(value) if type(value) is datetime else value for name, value in facts.items()}
    if "parameters" in facts:
        kept["parameters"] = redaction.shown(facts["parameters"])
    return kept or None


def _action(before: Job | None, after: Job | None) -> Action:
    if before is None:
        return "job.create"
    if after is None:
        return "job.delete"
    if (before.paused, before.pause) != (after.paused, after.pause):
        return "job.pause" if after.paused else "job.resume"
    return "job.change"


def _facts(job: Job | None) -> Facts:
    if job is None:
        return {}
    pause = {} if job.pause is None else {"paused_until": job.pause.until, "pause_reason": job.pause.reason or None}
    said = {name: value for name, value in pause.items() if value is not None}
    return {**definition(job), "paused": job.paused, **said}


def _runs(what: str, runs: Sequence[Run]) -> Facts:
    return {what: [run.id for run in runs]} if runs else {}


def _only(names: list[str], facts: Facts) -> Facts:
    return {name: facts[name] for name in names if name in facts}
