"""Claiming: the one transaction in which dues become runs. What it holds is all the coordination there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import attrs

from ..model.claim import IS_RUNNING, NO_SLOT, TOOK_PLACE, Claimant, Claimed
from ..model.downtime import Downtime, without_nodes
from ..model.hold import Hold
from ..model.ids import MICROSECOND
from ..model.job import Job
from ..model.node import Node
from ..model.order import REPLACED
from ..model.owed import Situation, Stretch, owed, passed, shared
from ..model.run import ANYWHERE, Run
from . import start_counts
from .claim_records import Records, WithWaiting
from .placement import LivingNodes, Placement, in_place, placement_of

LATE = timedelta(seconds=2)  # after this time, it is asked which nodes lived at the due


def claim(records: Records, who: Claimant, job_ids: Sequence[str]) -> Claimed:
    """Decide the dues of `job_ids`. Then start what may start, oldest due first, as long as there are slots."""
    instant, hold = records.standing_now(who.now)
    who = attrs.evolve(who, now=instant)
    if not who.alone and records.declared_dead(who.node_id, who.now):
        return Claimed(now=who.now)  # this node was frozen meanwhile, and others have declared it dead
    due_jobs = records.lock_due(job_ids, who.now) if job_ids else []
    decided = _decide(records, who, due_jobs, hold)
    held_up, some_wait = False, records.any_waiting()
    schedules = {job.id: job.schedule for job in due_jobs}
    if some_wait:  # waiting runs go first
        later = [_waits(run) if run.state == "running" else run for run in decided.runs]
        records.add(later, schedules, who.now)
        new = {run.id for run in later}
        ready, held_up = _startable(records, who, hold)
        who = attrs.evolve(who, now=records.now(who.now))  # the claim may have waited for a lock
        started = _start(records, who, ready, new)
    else:
        records.add(decided.runs, schedules, who.now)
        started = [run for run in decided.runs if run.state == "running"]
    if started:
        records.tell_started(started, due_jobs)
    records.move_on(decided.moved)
    replaced = records.ask_to_end(decided.replaced, REPLACED, who.node_id) if decided.replaced else []
    begun = {run.id for run in started}
    if any(run.active and run.id not in begun for run in decided.runs):
        records.wake(who.node_id)
    dues, left_out = _dues(records, who, job_ids, due_jobs, decided)
    return Claimed(
        started=tuple(started),
        replaced=tuple(replaced),
        dues=dues,
        waiting=records.any_waiting() if some_wait else any(run.state == "waiting" for run in decided.runs),
        held_up=held_up or left_out,
        won=len(decided.moved),
        now=who.now,
    )


def _dues(
    records: Records, who: Claimant, job_ids: Sequence[str], due_jobs: list[Job], decided: _Decided
) -> tuple[tuple[tuple[str, datetime | None], ...], bool]:
    """The next dues as they are now, also of jobs that were asked for in vain, because another node decided them or
    because it is too early.

    And whether some jobs are still due, and were left out because another transaction held them.
    """
    moved = [(job.id, next_due) for job, next_due, _ in decided.moved]
    others = set(job_ids) - {job_id for job_id, _ in moved}
    if not others:
        return tuple(moved), False
    seen = {job.id for job in due_jobs}
    found = records.dues_of(others)
    later = [(due.id, due.next_due) for due in found if due.next_due > who.now]
    return (*moved, *later), any(due.next_due <= who.now and due.id not in seen for due in found)


@attrs.define
class _Decided:
    runs: list[Run] = attrs.field(factory=list)
    replaced: list[Run] = attrs.field(factory=list)
    moved: list[tuple[Job, datetime | None, int]] = attrs.field(factory=list)


def _decide(records: Records, who: Claimant, due_jobs: list[Job], hold: Hold | None) -> _Decided:
    decided = _Decided()
    if not due_jobs:
        return decided
    active: dict[str, list[Run]] = defaultdict(list)
    for run in records.ripe_of([job.id for job in due_jobs], who.now):
        active[run.job_id].append(run)
    owing: list[tuple[Job, Stretch, str]] = []
    living = LivingNodes(records.every_node, lambda: records.now(who.now), who.peers, who.node_id)
    for job in _still_due(records, who, due_jobs, decided, owing):
        if hold is not None and hold.stops(job) and _on_hold(job, who, hold, decided, owing):
            continue
        where = placement_of(job, living) if who.peers else Placement()
        if not _is_for(who, job, where):
            continue
        if where.nobody and not where.down and not (who.alone and who.peers[0].matches(job.policy.require)):
            owing += _nobody(job, who, where.nobody, decided)
            continue
        late = not who.alone and job.next_due is not None and who.now - job.next_due > LATE
        gap = hold.gap if hold is not None and hold.stops(job) else ()
        owing += _owing(records, job, who, where, active[job.id], decided, living.known if late else (), gap)
    slots = who.slots
    for job, stretch, place in sorted(owing, key=lambda each: each[1].due):  # so ids and slots go by due
        run = _run(job, stretch, who, slots > 0, place)
        slots -= run.state == "running"
        decided.runs.append(run)
        if stretch.fate == "replace":
            decided.replaced += drop_waiting(records, in_place(active[job.id], place), who.now)[1]
    return decided


def _still_due(
    records: Records,
    who: Claimant,
    due_jobs: list[Job],
    decided: _Decided,
    owing: list[tuple[Job, Stretch, str]],
) -> Iterator[Job]:
    """The jobs that are really due. The others are left out: a clock that was set back has come to dues that had their
    outcome before."""
    for job in due_jobs:
        moved, left = records.settled(job, who.now)
        if left is not None:
            owing.append((moved, left, ANYWHERE))
        if moved.next_due is None or moved.next_due > who.now:
            decided.moved.append((moved, moved.next_due, 0))
        else:
            yield moved


def _on_hold(job: Job, who: Claimant, hold: Hold, decided: _Decided, owing: list[tuple[Job, Stretch, str]]) -> bool:
    """Whether nothing else may be decided of a job now. Dues that a hold skips are decided by themselves, also when it
    is over: what is due since then is claimed next."""
    if hold.missed == "catch_up":
        return not hold.is_over(who.now)
    last = hold.until - MICROSECOND if hold.until is not None and hold.is_over(who.now) else who.now
    if job.next_due is None or job.next_due > last:
        return False
    facts = Situation(next_due=job.next_due, now=last, able_since=last, paused=True)
    answer = owed(job.schedule, job.policy, facts)
    owing += [(job, attrs.evolve(stretch, reason=hold.words), ANYWHERE) for stretch in answer.stretches]
    decided.moved.append((job, answer.next_due, 0))
    return True


def _owing(
    records: Records,
    job: Job,
    who: Claimant,
    where: Placement,
    active: list[Run],
    decided: _Decided,
    known: Sequence[Node],
    gap: Sequence[Downtime],
) -> list[tuple[Job, Stretch, str]]:
    """What is owed in each place. A due counts once against max_runs, wherever it starts. A due that waits and is
    replaced does not count any more."""
    back = _replaceable(records, job, where, active)
    facts = {
        place: _situation(job, who, in_place(active, place), back, known, gap) for place in (*where.names, *where.down)
    }
    if not where.names:  # nothing starts, so nothing counts
        facts = {place: attrs.evolve(each, starts_left=None) for place, each in facts.items()}
    answers = {place: owed(job.schedule, job.policy, each) for place, each in facts.items()}
    made = max((answers[place].starts for place in where.names), default=0)
    if any(stretch.fate == "replace" for place in where.names for stretch in answers[place].stretches):
        made -= back
    dues = [answers[place].next_due for place in where.names or where.down]
    decided.moved.append((job, None if None in dues else dues[0], made))
    return [
        (job, stretch, place)
        for place, answer in answers.items()
        for stretch in shared(_missed(each, where.down.get(place)) for each in answer.stretches)
    ]


def _replaceable(records: Records, job: Job, where: Placement, active: list[Run]) -> int:
    """How many dues of the job stop counting against max_runs when the runs that wait are replaced."""
    if job.policy.overlap != "replace":
        return 0
    there = {run.id: run for place in where.names for run in in_place(active, place) if run.state == "waiting"}
    return start_counts.not_started(records, list(there.values()))[job.id] if there else 0


def _is_for(who: Claimant, job: Job, where: Placement) -> bool:
    """Whether a due may be decided here. If other nodes can run it and this node cannot, it is left to them."""
    if not who.peers or who.alone or where.nobody or job.policy.placement == "every":
        return True
    return any(node.id == who.node_id and node.can(job.task, job.policy.require) for node in who.peers)


def _nobody(job: Job, who: Claimant, why: str, decided: _Decided) -> list[tuple[Job, Stretch, str]]:
    """Dues that no living node can run are left, as long as their grace allows, to a node that may come."""
    instant = who.now
    if not who.alone:
        if job.policy.misfire_grace is None:
            return []
        instant -= job.policy.misfire_grace
    if job.next_due is None or job.next_due > instant:
        return []
    answer = owed(job.schedule, job.policy, attrs.evolve(_situation(job, who, []), now=instant, starts_left=None))
    decided.moved.append((job, answer.next_due, 0))
    return [(job, stretch, ANYWHERE) for stretch in shared(_missed(each, why) for each in answer.stretches)]


def _missed(stretch: Stretch, why: str | None) -> Stretch:
    return stretch if why is None else attrs.evolve(stretch, fate="missed", reason=why)


def _situation(
    job: Job, who: Claimant, active: list[Run], back: int = 0, known: Sequence[Node] = (), gap: Sequence[Downtime] = ()
) -> Situation:
    return Situation(
        next_due=job.next_due,
        now=who.now,
        able_since=min([who.able_since, *_others_since(who, job)]),
        active=bool(active),
        queued=len(active) > 1 and any(run.state == "waiting" for run in active),
        paused=job.paused,
        starts_left=None if job.max_runs is None else job.max_runs - job.starts + back,
        downtimes=[*gap, *(who.downtimes if who.alone else _downtimes(job, who, known))],
    )


def _downtimes(job: Job, who: Claimant, known: Sequence[Node]) -> list[Downtime]:
    """The times in which no node lived that could run the job. `known` are the nodes as they were last."""
    then, now = ([node for node in some if node.can(job.task, job.policy.require)] for some in (known, who.peers))
    down = without_nodes(then, now)
    return [] if down is None else [down]


def _others_since(who: Claimant, job: Job) -> Iterator[datetime]:
    """If another node lived when a due passed, a node could run the due."""
    others = (node for node in who.peers if node.id != who.node_id and node.since <= who.now)
    return (node.since for node in others if node.can(job.task, job.policy.require))


def _run(job: Job, stretch: Stretch, who: Claimant, slot: bool, place: str) -> Run:
    run = passed(job, stretch, who.ids.make(who.now), who.now)
    if place != run.place:
        run = run.but(place=place)
    if stretch.fate != "run":
        return run
    if place not in (ANYWHERE, who.node):
        return run.but(reason=f"waits for node {place} to start it")
    return _running(run, who) if slot else run.but(reason=NO_SLOT)


def _running(run: Run, who: Claimant) -> Run:
    return run.become("running", reason=IS_RUNNING, node=who.node, node_id=who.node_id, started=who.now)


def _waits(run: Run) -> Run:
    return run.but(state="waiting", reason=NO_SLOT, node=None, node_id=None, started=None)


def _startable(records: Records, who: Claimant, hold: Hold | None) -> tuple[list[Run], bool]:
    held = hold if hold is not None and hold.waiting == "hold" and not hold.is_over(who.now) else None
    if not who.peers:
        return records.startable(who.now, who.slots, None, any_task=True, hold=held)
    mine = next((node for node in who.peers if node.id == who.node_id), None)
    if mine is None:
        return [], False
    return records.startable(who.now, who.slots, mine, any_task=who.alone, hold=held)


def _start(records: Records, who: Claimant, waiting: Iterable[Run], new: Container[str]) -> list[Run]:
    """Start them; the new ones among them have not waited."""
    waited = (run if run.id in new else run.but(waited_for=run.reason or None) for run in waiting)
    started = [_running(run, who) for run in waited]
    if started:
        records.start(started)
    return started


def drop_waiting(records: WithWaiting, active: list[Run], now: datetime) -> tuple[list[Run], list[Run]]:
    """Make room for a run that replaces `active`. Returns the runs that only waited, which are skipped now, and the
    others, which are to be ended."""
    return records.end_waiting(active, "skipped", TOOK_PLACE, now)
