"""What is owed to a job whose due has come: which dues run, which are missed, what overlap says; and its record.

The one rule that decides outcomes. Pure: the same facts give the same answer, on any node, at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import attrs

from .downtime import Downtime
from .job import CATCH_UP_MOST, Job, Policy
from .run import NEVER_RAN, Run
from .trigger import TICK, Schedule

FIRST = datetime.min.replace(tzinfo=UTC)
MOST = 2**31 - 1  # dues of one stretch: the largest number that the column of every database holds
Fate = Literal["run", "queue", "replace", "skipped", "missed"]
STARTS: Final = ("run", "queue", "replace")


@attrs.frozen(kw_only=True)
class Stretch:
    """`count` dues of one job from `due` to `until`, and their common fate.

    `run` starts, `queue` waits for the active run to end, `replace` waits for it to be ended; each is one due.
    """

    due: datetime
    until: datetime
    count: int
    fate: Fate
    reason: str = ""


@attrs.frozen(kw_only=True)
class Owed:
    """The fate of every due up to now, oldest first, and the next due (None: no due is left)."""

    stretches: tuple[Stretch, ...]
    next_due: datetime | None

    @property
    def starts(self) -> int:
        """How many runs this answer makes."""
        return sum(stretch.fate in STARTS for stretch in self.stretches)


@attrs.frozen(kw_only=True)
class Situation:
    """The facts about a job at one instant."""

    next_due: datetime | None
    now: datetime
    able_since: datetime  # dues before this instant passed while no node could run them
    active: bool = False  # a run of the job is waiting to start, running or stopping
    queued: bool = False  # a run of the job waits behind the active one
    paused: bool = False
    starts_left: int | None = None  # None: no max_runs
    downtimes: Sequence[Downtime] = ()  # in which nothing of this job could be run


def owed(schedule: Schedule, policy: Policy, facts: Situation) -> Owed:
    """Decide every due in `next_due .. now`; rules 1 to 6 of the design's section 4.

    Only dues that may start are looked at one by one, others are counted: the cost does not grow with their number.
    """
    if facts.starts_left is not None and facts.starts_left <= 0:
        return Owed(stretches=(), next_due=None)
    if facts.next_due is None or facts.next_due > facts.now:
        return Owed(stretches=(), next_due=facts.next_due)
    next_due = schedule.next_after(facts.next_due)
    if next_due is not None and next_due <= facts.now:
        next_due = schedule.next_after(facts.now)
        passed = _Passed(schedule, facts.next_due, facts.now)
    else:  # most often: nothing has to be counted
        passed = _Passed(schedule, facts.next_due, facts.next_due)
    if facts.paused:
        return Owed(stretches=tuple(passed.stretches([], "skipped", lambda _: "paused")), next_due=next_due)
    chosen = passed.newest(_fresh_from(policy, facts), CATCH_UP_MOST if policy.catch_up == "all" else 1)
    missed = passed.stretches(
        _edges(policy, facts), "missed", lambda due: _why_missed(due, policy, facts), chosen[0] if chosen else None
    )
    stretches = [*missed, *_affordable(_overlap(chosen, policy, facts), facts.starts_left)]
    answer = Owed(stretches=tuple(shared(stretches)), next_due=next_due)
    if facts.starts_left is not None and answer.starts >= facts.starts_left:
        return attrs.evolve(answer, next_due=None)
    return answer


def shared(stretches: Iterable[Stretch]) -> Iterator[Stretch]:
    """The same, with neighbours merged that start nothing and have the same fate and reason."""
    last: Stretch | None = None
    for stretch in stretches:
        alike = last is not None and (last.fate, last.reason) == (stretch.fate, stretch.reason)
        if last is not None and alike and stretch.fate not in STARTS and last.count + stretch.count <= MOST:
            last = attrs.evolve(last, until=stretch.until, count=last.count + stretch.count)
            continue
        if last is not None:
            yield last
        last = stretch
    if last is not None:
        yield last


@attrs.frozen
class _Passed:
    """The dues from `first` up to `now`, both included; only one if the two are equal."""

    schedule: Schedule
    first: datetime
    now: datetime

    def newest(self, since: datetime | None, most: int) -> list[datetime]:
        """The last dues that are not before `since`, up to `most` of them, oldest first."""
        if since is not None and since > self.first:
            return self.schedule.newest(since - TICK, self.now, most)
        found = self.schedule.newest(self.first, self.now, most)
        return found if len(found) == most else [self.first, *found]

    def stretches(
        self, edges: Iterable[datetime], fate: Fate, why: Callable[[datetime], str], before: datetime | None = None
    ) -> Iterator[Stretch]:
        """All dues, or those before `before`, as stretches. `why` gives the reason, which changes at `edges` only."""
        last = self.now if before is None else before - TICK
        due: datetime | None = self.first
        ahead = [last + TICK, *sorted((edge for edge in edges if self.first < edge <= last), reverse=True)]
        while ahead and due is not None:
            edge = ahead.pop()
            if due >= edge:
                continue
            count = 1 + self.schedule.count(due, edge - TICK)
            if count > MOST:
                ahead += [edge, due + (edge - due) / 2]
                continue
            until = due if count == 1 else self.schedule.newest(due, edge - TICK, 1)[0]
            yield Stretch(due=due, until=until, count=count, fate=fate, reason=why(due))
            due = self.schedule.next_after(until)


def passed(job: Job, stretch: Stretch, run_id: str, now: datetime) -> Run:
    """The record of dues that started nothing; or the bare record of a due that will start a run."""
    return Run(
        id=run_id,
        job_id=job.id,
        job_name=job.name,
        task=job.task,
        due=stretch.due,
        until=stretch.until if stretch.count > 1 else None,
        count=stretch.count,
        created=now,
        state=stretch.fate if stretch.fate in NEVER_RAN else "waiting",
        reason=stretch.reason,
        ended=now if stretch.fate in NEVER_RAN else None,
        overlaps=job.policy.overlap == "allow",
        parameters=job.parameters,
        timeout=job.timeout,
        require=job.policy.require,
        on_isolation=job.policy.on_isolation,
    )


def _fresh_from(policy: Policy, facts: Situation) -> datetime | None:
    """Dues before that instant are not acted on; None: the grace has no limit."""
    able = facts.able_since if policy.catch_up == "none" else None
    if policy.misfire_grace is None:
        return able
    grace = _before(facts.now, policy.misfire_grace)
    return grace if able is None else max(able, grace)


def _edges(policy: Policy, facts: Situation) -> list[datetime]:
    """The instants at which the reason why dues are missed may change."""
    edges = [facts.able_since]
    if policy.misfire_grace is not None:
        edges.append(_before(facts.now, policy.misfire_grace))
    return edges + [edge for gap in facts.downtimes for edge in (gap.begin, gap.end)]


def _why_missed(due: datetime, policy: Policy, facts: Situation) -> str:
    down = next((str(gap) for gap in facts.downtimes if gap.holds(due)), None)
    if policy.catch_up == "none" and due < facts.able_since:
        return f"{down or 'nobody could run it at its due'}, and catch_up is none"
    if policy.misfire_grace is not None and facts.now - due > policy.misfire_grace:
        return down or f"found later than misfire_grace ({_seconds(policy.misfire_grace)} s) allows"
    if policy.catch_up == "all":
        return f"older than the {CATCH_UP_MOST} dues that catch_up runs at most"
    return f"a later due was waiting too, and catch_up is {policy.catch_up}"


def _overlap(chosen: list[datetime], policy: Policy, facts: Situation) -> Iterator[Stretch]:
    """The fate of dues that are in time. Dues that are caught up on together never overlap one another."""
    for position, due in enumerate(chosen):
        fate, reason = overlap(policy, active=facts.active, queued=facts.queued)
        if position > 0 and policy.overlap != "allow" and fate != "skipped":
            fate, reason = "queue", "catching up: waits for the run before it"
        yield Stretch(due=due, until=due, count=1, fate=fate, reason=reason)


def overlap(policy: Policy, *, active: bool, queued: bool) -> tuple[Fate, str]:
    """The fate of a new run, and why. `active`: the job has an active run; `queued`: another waits behind that."""
    if not active or policy.overlap == "allow":
        return "run", ""
    if policy.overlap == "skip":
        return "skipped", "the run before it was still active"
    if policy.overlap == "replace":
        return "replace", "waits for the run it replaces to be dead"
    if queued:
        return "skipped", "a run was already waiting for the active one to end"
    return "queue", "waits for the active run to end"


def _affordable(stretches: Iterable[Stretch], starts_left: int | None) -> Iterator[Stretch]:
    """`stretches` up to the run with which max_runs is reached: dues after it are not owed."""
    for stretch in stretches:
        yield stretch
        if starts_left is not None and stretch.fate in STARTS:
            starts_left -= 1
            if not starts_left:
                return


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():g}"


def _before(now: datetime, span: timedelta) -> datetime:
    return now - min(span, now - FIRST)
