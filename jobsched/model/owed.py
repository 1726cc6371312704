"""What is owed to a job whose due has come: which dues run, which are missed, what overlap says.

The one rule that decides outcomes. Pure: the same facts give the same answer, on any node, at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, Literal

import attrs

from .policy import CATCH_UP_MOST, Policy
from .trigger import TICK, Interval, Schedule

MOST_DUES = 10_000  # looked at in one answer; the rest is owed at once afterwards

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
    able_since: datetime  # dues before it passed while nobody could run them
    active: bool = False  # a run of the job is waiting to start, running or stopping
    queued: bool = False  # a run of the job waits behind the active one
    paused: bool = False
    starts_left: int | None = None  # None: no max_runs


def owed(schedule: Schedule, policy: Policy, facts: Situation) -> Owed:
    """Decide every due in `next_due .. now`; rules 1 to 6 of the design's section 4."""
    if facts.starts_left is not None and facts.starts_left <= 0:
        return Owed(stretches=(), next_due=None)
    waiting, next_due = _passed(schedule, facts)
    if not waiting:
        return Owed(stretches=(), next_due=next_due)
    if facts.paused:
        return Owed(stretches=tuple(_stretch(waiting, "skipped", "paused")), next_due=next_due)
    late, chosen = _choose(waiting, policy, facts)
    if next_due is not None and next_due <= facts.now:
        late, chosen = waiting, []  # so many wait that these are none of the newest
    stretches = list(_missed(late, policy, facts))
    stretches += _affordable(_overlap(chosen, policy, facts), facts.starts_left)
    answer = Owed(stretches=tuple(stretches), next_due=next_due)
    if facts.starts_left is not None and answer.starts >= facts.starts_left:
        return attrs.evolve(answer, next_due=None)
    return answer


def _passed(schedule: Schedule, facts: Situation) -> tuple[list[_Due], datetime | None]:
    """The dues up to now, in order, a long regular stretch folded into one, and the first due after them.

    When they are too many for one answer, the first due left is not after now, and more than catch_up runs are left.
    """
    passed: list[_Due] = []
    due = facts.next_due
    while due is not None and due <= facts.now and len(passed) < MOST_DUES:
        folded = _fold(schedule, due, facts.now)
        passed.append(folded)
        due = schedule.next_after(folded.until)
    if due is not None and due <= facts.now:
        due = passed[-CATCH_UP_MOST].due
        del passed[-CATCH_UP_MOST:]
    return passed, due


@attrs.frozen
class _Due:
    """One due, or a regular stretch of them."""

    due: datetime
    until: datetime
    count: int = 1


def _fold(schedule: Schedule, due: datetime, now: datetime) -> _Due:
    """A long stretch of an interval is counted, not walked; its last dues are left to be looked at singly."""
    trigger = schedule.trigger
    if isinstance(trigger, Interval):
        last = now if schedule.end is None else min(now, schedule.end)
        count = (last - due) // trigger.every - CATCH_UP_MOST
        if count > 1:
            beat = trigger.start + ((due - trigger.start) // trigger.every + count - 1) * trigger.every
            until = schedule.next_after(beat - TICK)  # the due of `beat`: jitter never puts one off past the next
            assert until is not None
            return _Due(due, until, count)
    return _Due(due, due)


def _choose(waiting: list[_Due], policy: Policy, facts: Situation) -> tuple[list[_Due], list[_Due]]:
    """Split into dues that are missed and dues that may run, by grace and catch-up."""
    late = [due for due in waiting if not _may_run(due, policy, facts)]
    fresh = [due for due in waiting if _may_run(due, policy, facts)]
    keep = CATCH_UP_MOST if policy.catch_up == "all" else 1
    return late + fresh[:-keep], fresh[-keep:]


def _may_run(due: _Due, policy: Policy, facts: Situation) -> bool:
    if due.count > 1 or (policy.catch_up == "none" and due.due < facts.able_since):
        return False
    return policy.misfire_grace is None or facts.now - due.due <= policy.misfire_grace


def _missed(late: list[_Due], policy: Policy, facts: Situation) -> Iterator[Stretch]:
    """Neighbours that were missed for one reason become one stretch."""
    reasons = [_why_missed(due, policy, facts) for due in late]
    begin = 0
    for end in range(1, len(late) + 1):
        if end == len(late) or reasons[end] != reasons[begin]:
            yield from _stretch(late[begin:end], "missed", reasons[begin])
            begin = end


def _why_missed(due: _Due, policy: Policy, facts: Situation) -> str:
    if policy.catch_up == "none" and due.until < facts.able_since:
        return "nobody could run it at its due, and catch_up is none"
    if policy.misfire_grace is not None and facts.now - due.until > policy.misfire_grace:
        return f"found later than misfire_grace ({_seconds(policy.misfire_grace)} s) allows"
    if policy.catch_up == "all":
        return f"older than the {CATCH_UP_MOST} dues that catch_up runs at most"
    return f"a later due was waiting too, and catch_up is {policy.catch_up}"


def _overlap(chosen: list[_Due], policy: Policy, facts: Situation) -> Iterator[Stretch]:
    """The fate of dues that are in time. Dues caught up on together never make each other overlap."""
    for position, due in enumerate(chosen):
        fate, reason = overlap(policy, active=facts.active, queued=facts.queued)
        if position > 0 and policy.overlap != "allow" and fate != "skipped":
            fate, reason = "queue", "catching up: waits for the run before it"
        yield from _stretch([due], fate, reason)


def overlap(policy: Policy, *, active: bool, queued: bool) -> tuple[Fate, str]:
    """What a run does whose job has an active run already, and one that is queued behind that, and why."""
    if not active or policy.overlap == "allow":
        return "run", ""
    if policy.overlap == "skip":
        return "skipped", "the run before it was still active"
    if policy.overlap == "replace":
        return "replace", "waits for the run it replaces to be dead"
    if queued:
        return "skipped", "a run was already waiting for the active one to end"
    return "queue", "waits for the active run to end"


def _stretch(dues: list[_Due], fate: Fate, reason: str) -> Iterator[Stretch]:
    if dues:
        count = sum(due.count for due in dues)
        yield Stretch(due=dues[0].due, until=dues[-1].until, count=count, fate=fate, reason=reason)


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
