"""A whole set of jobs: what is to be done so that the jobs that are there become those that are wanted.

The set may have a scope, a label: then jobs that have it and are not in the set may be deleted (`prune`); no other job
ever is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

import attrs

from .audit import Entry, Facts, Signature, differing
from .errors import Invalid, JobschedError, NotFound, within
from .ids import MILLISECOND, least
from .job import Job
from .labels import Label
from .redaction import Redaction
from .set_rules import SetFaults

What = Literal["create", "change", "keep", "delete"]

OFTEN: Final = 50  # jobs between two looks at whether the plan is still wanted


@attrs.frozen(kw_only=True)
class Wanted:
    """A job of the set, at the place `pointer` of the request: such as `/jobs/3`, or `line 12` of a crontab.

    `revise(job, instant)` is the job as it is to be; `job` is None where there is none. That function is pure, and
    raises Invalid, or NotFound for a task.
    """

    job_id: str
    pointer: str
    revise: Callable[[Job | None, datetime], Job]

    def revised(self, job: Job | None, instant: datetime) -> Job:
        """The job as it is to be. Raises Invalid, which points into the request."""
        try:
            return self.revise(job, instant)
        except (Invalid, NotFound) as why:
            raise self.pointing(why) from why

    def pointing(self, why: JobschedError) -> Invalid:
        """What is wrong with it, pointing into the request."""
        if not isinstance(why, Invalid):
            return Invalid(str(why), within(self.pointer, "/task"))
        first, *more = (Invalid(each.detail, within(self.pointer, each.pointer)) for each in why.all)
        return Invalid(first.detail, first.pointer, more)


@attrs.frozen(kw_only=True)
class Step:
    """What is done to one job. `before` is None where it is made, `after` where it is deleted; `entry` is that in the
    audit log, once there is one."""

    what: What
    before: Job | None
    after: Job | None
    entry: Entry | None = None

    @property
    def job(self) -> Job:
        """The job, as it is after it if it is there."""
        job = self.after or self.before
        assert job is not None
        return job


@attrs.frozen(kw_only=True)
class SetPart:
    """What became of one job, or would; `before` and `after` hold the values that differ, as the audit log has them."""

    job_id: str
    name: str
    what: What
    version: int | None  # after it; None: it is gone
    due_before: datetime | None = None
    due_after: datetime | None = None
    before: Facts | None = None
    after: Facts | None = None

    @classmethod
    def of(cls, step: Step) -> SetPart:
        """The part that a step is; its entry says how the job differs."""
        entry = step.entry
        return cls._of(step, (None, None) if entry is None else (entry.before, entry.after))

    @classmethod
    def planned(cls, step: Step, redaction: Redaction) -> SetPart:
        """The part that a step would be, which needs no entry."""
        return cls._of(step, (None, None) if step.what == "keep" else differing(step.before, step.after, redaction))

    @classmethod
    def _of(cls, step: Step, differs: tuple[Facts | None, Facts | None]) -> SetPart:
        before, after = step.before, step.after
        return cls(
            job_id=step.job.id,
            name=step.job.name,
            what=step.what,
            version=None if after is None else after.version,
            due_before=None if before is None else before.next_due,
            due_after=None if after is None else after.next_due,
            before=differs[0],
            after=differs[1],
        )


@attrs.frozen(kw_only=True)
class SetDone:
    """What became of all, by id. `tag` stands for the set as it is now; `group` is what its `entries` in the audit log
    have in common."""

    parts: Sequence[SetPart]
    tag: str
    group: str | None = None
    entries: Sequence[Entry] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs were made, changed, kept and deleted."""
        found: dict[str, int] = {"create": 0, "change": 0, "keep": 0, "delete": 0}
        for part in self.parts:
            found[part.what] += 1
        return found


@attrs.frozen(kw_only=True)
class Standing:
    """What there is, as far as it matters for a set: seen by one caller, at one moment.

    - `jobs`: those of the ids in the set, and those of the scope
    - `inside`, `outside`: the versions of the jobs of the scope, or of all jobs, and of others that the set names
    - `first`: the version with which a job of an id begins, where that is not 1
    - `late`: ids of which some due lies ahead and was decided, by a clock that was wrong
    """

    now: datetime
    jobs: Mapping[str, Job]
    inside: Mapping[str, int]
    outside: Mapping[str, int]
    first: Mapping[str, int]
    late: Collection[str] = frozenset()


def plan(
    standing: Standing, wanted: Sequence[Wanted], scope: Label | None, prune: bool,
    go_on: Callable[[], None] = lambda: None,
) -> list[Step]:  # fmt: skip
    """The steps from what there is to what is wanted, by id. `go_on` is called now and then. Raises Invalid with all
    that is wrong."""
    faults, steps = SetFaults(), list[Step]()
    for number, each in enumerate(wanted):
        if number % OFTEN == 0:
            go_on()
        with faults.noting():
            steps.append(_step(standing, each))
    faults.check()
    if prune:
        assert scope is not None
        named = {each.job_id for each in wanted}
        steps += (
            Step(what="delete", before=job, after=None)
            for job in standing.jobs.values()
            if job.id not in named and scope.fits(job.about.labels)
        )
    return sorted(steps, key=lambda step: step.job.id)


def _step(standing: Standing, wanted: Wanted) -> Step:
    before = standing.jobs.get(wanted.job_id)
    after = wanted.revised(before, standing.now)
    if before is None:
        if (version := standing.first.get(wanted.job_id, after.version)) != after.version:
            after = attrs.evolve(after, version=version)
        return Step(what="create", before=None, after=after)
    if after is before or after == before:
        return Step(what="keep", before=before, after=before)
    return Step(
        what="change", before=before, after=attrs.evolve(after, version=before.version + 1, updated=standing.now)
    )


def signed(steps: Sequence[Step], signature: Signature, go_on: Callable[[], None] = lambda: None) -> list[Step]:
    """The steps with their entries in the audit log, as parts of one order. The ids of these sort as the steps do, once
    they begin with the millisecond in which the order was carried out."""
    found = list[Step]()
    for number, (step, part) in enumerate(zip(steps, signature.parts(len(steps)), strict=True)):
        if number % OFTEN == 0:
            go_on()
        if step.what == "keep":
            found.append(step)
        else:
            entry = part.of_job(step.before, step.after)
            found.append(Step(what=step.what, before=step.before, after=step.after, entry=entry))
    return found


def moves(step: Step) -> bool:
    """Whether the job gets another rule, another number of runs or another next due."""
    before, after = step.before, step.after
    names = ("schedule", "max_runs", "next_due")
    return before is not None and after is not None and any(getattr(before, n) != getattr(after, n) for n in names)


def anew(step: Step) -> bool:
    """Whether the job is watched from now on for being overdue."""
    before, after = step.before, step.after
    return before is not None and after is not None and not before.watch.same_terms(after.watch)


def former_version(step: Step) -> int | None:
    """The version that the job had when this was planned; of one that is made, that of the last of its id."""
    return (step.job.version - 1 or None) if step.before is None else step.before.version


def is_quiet(step: Step, there: Job | None, last: int | None, now: datetime) -> bool:
    """Whether a step can be carried out as it was planned: the job `there`, or the version of the `last` that had its
    id, is as it was, and none of its dues, nor the end of its pause, has come."""
    if step.before is None:
        return there is None and last == former_version(step) and not _come(step.job.next_due, now)
    if there is None or there.version != step.before.version or _is_awake(there, now):
        return False
    if step.after is None:
        return not _come(there.next_due, now)
    as_it_was = (there.next_due, there.starts) == (step.before.next_due, step.before.starts)
    return not moves(step) or (as_it_was and not _come(there.next_due, now) and not _come(step.after.next_due, now))


def _come(due: datetime | None, now: datetime) -> bool:
    return due is not None and due <= now


def _is_awake(job: Job, now: datetime) -> bool:
    return job.paused and job.pause is not None and job.pause.is_over(now)


def carried_out(entry: Entry, instant: datetime) -> Entry:
    """The entry of a part, as it is written when the set is put: its id begins with that millisecond."""
    return attrs.evolve(entry, at=instant, id=least(instant)[:MILLISECOND] + entry.id[MILLISECOND:])


def once_each(wanted: Iterable[Wanted]) -> None:
    """Raises Invalid where several jobs have one id, with both places."""
    faults, first = SetFaults(), dict[str, str]()
    for each in wanted:
        with faults.noting():
            if each.job_id in first:
                raise Invalid(f"is the id of {first[each.job_id]} too", within(each.pointer, "/id"))
        first.setdefault(each.job_id, each.pointer)
    faults.check()


def let_go(*held: object) -> None:
    """Empty these lists and dictionaries, piece by piece: to free all of a large set at once keeps Python's lock for as
    long as that takes. It is not done for what cannot be emptied."""
    for each in held:
        while isinstance(each, list | dict) and each:
            if isinstance(each, dict):
                each.popitem()
            else:
                each.pop()
