"""Judging why a job did, or did not, run at a time, from the record alone.

The first that holds is the answer: the job was deleted, or not yet made; nothing was due; what was due was skipped or
missed, for some reason; it waits or runs; it started, and what became of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import attrs

from .claim import NO_SLOT
from .job import Job
from .overdue import spoken
from .run import NEVER_RAN, Run
from .verdict import Answer, Fact, Record, Step, Verdict, classify

_SEVERITY: Final = ("missed", "skipped", "lost", "timed_out", "failed", "cancelled", "waiting", "stopping", "running")


_WORDS: Final = {
    "succeeded": "succeeded",
    "failed": "failed",
    "timed_out": "timed out",
    "cancelled": "was cancelled",
    "lost": "was lost",
}


def judge(record: Record) -> Verdict:
    """Answer from the record alone."""
    found = _judged(record)
    return attrs.evolve(found, name=record.name, facts=(*found.facts, *_now(record, found)))


def worst(runs: Sequence[Run]) -> Run | None:
    """The run to speak of: of each due the last attempt, and of several dues the one that fared worst."""
    last: dict[tuple[datetime, str], Run] = {}
    for run in sorted(runs, key=lambda each: each.attempt):
        last[run.due, run.place] = run
    scheduled = [run for run in last.values() if run.cause != "manual"] or list(last.values())
    order = {state: place for place, state in enumerate(_SEVERITY)}
    return min(scheduled, key=lambda run: (order.get(run.state, len(order)), run.due), default=None)


def waits_for_a_slot(run: Run) -> bool:
    """Whether a run waits, and not for another run of its job."""
    return run.state == "waiting" and run.reason == NO_SLOT


def _judged(record: Record) -> Verdict:
    run = worst(record.runs)
    if run is not None:
        return _of_run(record, run)
    if record.job is None:
        return _deleted(record)
    if record.named.windows and record.job.created >= record.named.windows[-1].end:
        return Verdict(
            answer="not_made_yet",
            sentence=f"{record.job.name} was made on {_told(record.job.created)}, after that time",
            facts=(Fact(text="the job was made", at=record.job.created), *_near(record)),
        )
    if record.expected is not None and (record.job.next_due is not None or record.expected <= record.now):
        return _of_due(record, record.job, record.expected)
    return _not_due(record, record.job)


def _of_run(record: Record, run: Run) -> Verdict:
    answer, sentence = _said(record, run)
    steps = tuple(_steps(record, run, answer))
    facts = tuple(_evidence(record, run))
    return Verdict(answer=answer, sentence=sentence, due=run.due, run=run, facts=facts, steps=steps)


def _said(record: Record, run: Run) -> tuple[Answer, str]:
    name = run.job_name
    if run.state in NEVER_RAN:
        answer = classify(run.reason) or ("misfire" if run.state == "missed" else "overlap")
        many = f"{run.count} dues of {name} from {_told(run.due)} to {_told(run.until or run.due)} were"
        what = f"the due of {name} at {_told(run.due)} was" if run.count == 1 else many
        more = f", for it waits itself: {NO_SLOT}" if any(map(waits_for_a_slot, record.active)) else ""
        return answer, f"{what} {run.state}: {run.reason}{more}"
    if run.state == "waiting":
        late = spoken(_whole(record.now - run.due))
        if record.held is not None and record.held.waiting == "hold" and not run.forced:
            since = f"{name} has waited for {late} since its due at {_told(run.due)}"
            return "on_hold", f"{since}: it is {record.held.words}"
        answer = "no_slot" if run.reason == NO_SLOT else "waiting"
        return answer, f"{name} has waited for {late} since its due at {_told(run.due)}: {run.reason}"
    if run.state in ("running", "stopping"):
        return "running", f"{name} started at {_told(run.started or run.due)}, and has not ended yet"
    told = _WORDS[run.state] if run.state == "succeeded" else f"{_WORDS[run.state]}: {run.reason}"
    if run.started is None:
        return _outcome(run), f"the run of {name} due at {_told(run.due)} {told}"
    took = f"after {spoken(_whole(run.ended - run.started))} " if run.ended is not None else ""
    return _outcome(run), f"{name} started at {_told(run.started)}, and {took}{told}"


def _outcome(run: Run) -> Answer:
    for answer in ("failed", "timed_out", "cancelled", "lost", "succeeded"):
        if run.state == answer:
            return answer
    raise ValueError(run.state)


def _evidence(record: Record, run: Run) -> Iterator[Fact]:
    yield Fact(text="it was due" if run.count == 1 else f"the first of {run.count} dues", at=run.due, run_id=run.id)
    if run.until is not None and run.count > 1:
        yield Fact(text="the last of them", at=run.until, run_id=run.id)
    yield from _began(run)
    for name, at in (("TERM", run.term_at), ("KILL", run.kill_at)):
        if at is not None:
            yield Fact(text=f"{name} was sent to its processes", at=at, run_id=run.id)
    if run.ended is not None:
        code = f"exit code {run.exit_code}" if run.exit_code is not None else f"signal {run.signal}"
        ran = run.exit_code is not None or run.signal is not None
        yield Fact(text=f"it ended: {code}" if ran else "it was recorded", at=run.ended, run_id=run.id)
    for other in record.active:
        was = "active" if other.started is not None and other.started <= run.due else "waiting"
        end = f"ended at {_told(other.ended)}" if other.ended is not None else f"is still {_goes_on(other)}"
        yield Fact(text=f"run {other.id} of the job was {was} then, and {end}", at=other.started, run_id=other.id)
    for other in record.holders:
        yield Fact(text=f"a slot is held by run {other.id} of {other.job_name}", at=other.started, run_id=other.id)
    others = [each for each in record.runs if each.id != run.id]
    for attempt in sorted((each for each in others if each.due == run.due), key=lambda each: each.attempt):
        yield Fact(text=f"attempt {attempt.attempt}: {attempt.state}, {attempt.reason}", at=attempt.started,
                   run_id=attempt.id)  # fmt: skip
    for each in [each for each in others if each.due != run.due][:10]:
        yield Fact(text=f"another due of that time: {each.state}", at=each.due, run_id=each.id)
    yield from _changes(record)


def _goes_on(run: Run) -> str:
    return f"waiting: {run.reason}" if run.state == "waiting" else "active"


def _began(run: Run) -> Iterator[Fact]:
    if run.waited_for is not None:
        yield Fact(text=f"it waited: {run.waited_for}", at=run.created, run_id=run.id)
    if run.started is not None:
        late = run.started - run.due
        words = f"it started on node {run.node}" + (
            f", {spoken(_whole(late))} late" if late >= timedelta(seconds=1) else ""
        )
        yield Fact(text=words, at=run.started, run_id=run.id)


def _steps(record: Record, run: Run, answer: Answer) -> Iterator[Step]:
    if record.job is None:
        return
    job, path = record.job, f"/jobs/{record.job.id}"
    yield from _release_steps(record, answer)
    if answer in ("misfire", "no_daemon", "held_up") and run.reason.endswith("catch_up is none"):
        yield Step(text="let it be caught up next time", method="PATCH", path=path, body={"catch_up": "latest"})
    elif answer in ("misfire", "no_daemon", "held_up", "no_node") and job.policy.misfire_grace is not None:
        late = _whole((run.ended or record.now) - run.due) * 2
        wanted = max(late, job.policy.misfire_grace * 2).total_seconds()
        yield Step(text="let it be caught up next time", method="PATCH", path=path, body={"misfire_grace": wanted})
    if any(map(waits_for_a_slot, record.active)):
        yield Step(text="see what holds the slots", method="GET", path="/runs?state=running")
    elif answer == "overlap" and job.policy.overlap == "skip":
        yield Step(text="let it wait for the run before it", method="PATCH", path=path, body={"overlap": "queue"})
    if answer == "timed_out" and run.timeout is not None:
        yield Step(text="give it more time", method="PATCH", path=path, body={"timeout": run.timeout * 2})
    if answer in ("failed", "timed_out", "lost") and run.output_kept:
        yield Step(text="see what it printed", method="GET", path=f"/runs/{run.id}/output?tail=20")
    if answer == "running":
        yield Step(text="see what it prints", method="GET", path=f"/runs/{run.id}/output?follow=1")
    elif run.state != "waiting" and answer != "succeeded":
        yield _run_now(record, job)


def _release_steps(record: Record, answer: Answer) -> Iterator[Step]:
    if answer == "paused" and record.job is not None and record.job.paused:
        yield Step(text="let it go on", method="POST", path=f"/jobs/{record.job.id}/resume")
    if answer == "on_hold" and record.held is not None:
        yield _release()


def _deleted(record: Record) -> Verdict:
    entry = record.deleted
    if entry is None:
        return Verdict(answer="no_such_job", sentence=f"there is no job {record.job_id}")
    name, who = record.name, entry.who or "somebody without a token"
    return Verdict(
        answer="no_such_job",
        sentence=f"{name} was deleted by {who} on {_told(entry.at)}",
        facts=(Fact(text=f"it was deleted by {who}, from {entry.address}", at=entry.at), *_near(record)),
    )


def _of_due(record: Record, job: Job, due: datetime) -> Verdict:
    """There is a due in that time, and no run of it."""
    run, hold = _run_now(record, job), record.held
    paused = job.paused and (job.pause is None or not job.pause.is_over(due))
    resume = Step(text="let it go on", method="POST", path=f"/jobs/{job.id}/resume")
    if due > record.now:
        words = f"{job.name} is due at {_told(due)}, in {spoken(_whole(due - record.now))}"
        if paused:
            return Verdict(answer="paused", sentence=f"{words}, but it is {job.why_paused}", due=due,
                           steps=(resume, run), facts=tuple(_changes(record)))  # fmt: skip
        if hold is not None and not hold.is_over(due):
            return Verdict(answer="on_hold", sentence=f"{words}, but it is {hold.words}", due=due,
                           steps=(_release(), run))  # fmt: skip
        return Verdict(answer="to_come", sentence=words, due=due, steps=(run,), facts=tuple(_notes(record)))
    undecided = job.next_due is not None and job.next_due <= due
    if undecided and paused:
        words = f"the due of {job.name} at {_told(due)} is skipped: it is {job.why_paused}"
        return Verdict(answer="paused", sentence=words, due=due, facts=tuple(_changes(record)), steps=(resume, run))
    if undecided and hold is not None:
        later = "is skipped" if hold.missed == "skip" else "is decided when that is over"
        words = f"the due of {job.name} at {_told(due)} {later}: it is {hold.words}"
        facts = (Fact(text="the hold began", at=hold.at),)
        return Verdict(answer="on_hold", sentence=words, due=due, facts=facts, steps=(_release(), run))
    if undecided:
        why = record.trouble or "no node that can run it has claimed it"
        words = f"the due of {job.name} at {_told(due)} is not decided yet: {why}"
        nodes = Step(text="see which nodes live", method="GET", path="/nodes")
        return Verdict(answer="undecided", sentence=words, due=due, steps=(nodes, run))
    changes = tuple(_changes(record))
    if changes:
        words = f"{job.name} was changed after that time, and then was not due at {_told(due)}"
        return Verdict(answer="not_due", sentence=words, facts=(*changes, *_near(record)), steps=(run,))
    words = f"the record does not hold what became of the due of {job.name} at {_told(due)}: it is no longer kept"
    return Verdict(answer="not_known", sentence=words, due=due, facts=tuple(_near(record)), steps=(run,))


def _not_due(record: Record, job: Job) -> Verdict:
    note = f": {record.named.note}" if record.named.note else ""
    ended = "" if job.next_due is not None else "; it has no due left"
    sentence = f"{job.name} was not due at {record.named.text}{note}{ended}"
    steps = (_run_now(record, job),)
    facts = (*_near(record), *_notes(record), *_changes(record))
    return Verdict(answer="not_due", sentence=sentence, steps=steps, facts=facts)


def _run_now(record: Record, job: Job) -> Step:
    """A job on hold is run by force alone."""
    force = "" if record.held is None else "?force=1"
    return Step(text="run it now", method="POST", path=f"/jobs/{job.id}/run{force}")


def _release() -> Step:
    return Step(text="end the hold, of all its jobs", method="DELETE", path="/hold")


def _near(record: Record) -> Iterator[Fact]:
    if record.before is not None:
        yield Fact(text="the nearest due before", at=record.before)
    if record.after is not None:
        yield Fact(text="the nearest due after", at=record.after)


def _now(record: Record, found: Verdict) -> Iterator[Fact]:
    """What is so now, whatever the time that was asked for."""
    if (run := record.by_hand) is not None and run != found.run:
        yield Fact(text=f"it was run by hand since then: {run.state}, {run.reason}", at=run.due, run_id=run.id)
    if record.job is not None and not record.task_known:
        yield Fact(text=f"the catalog of no living node has its task {record.job.task} now: no due of it can start")
    if record.trouble is not None and found.answer != "undecided":
        yield Fact(text=f"the daemon that was asked cannot do its work now: {record.trouble}")


def _notes(record: Record) -> Iterator[Fact]:
    if record.note is not None:
        yield Fact(text=record.note)


def _changes(record: Record) -> Iterator[Fact]:
    for entry in record.entries:
        what = {"job.create": "made", "job.pause": "paused", "job.resume": "resumed"}.get(entry.action, "changed")
        fields = "" if what != "changed" else f" ({', '.join(entry.before or entry.after or ())})"
        yield Fact(text=f"the job was {what}{fields} by {entry.who or 'somebody without a token'}", at=entry.at)


def _told(instant: datetime) -> str:
    return f"{instant:%FT%TZ}"


def _whole(span: timedelta) -> timedelta:
    return timedelta(seconds=round(span.total_seconds(), 0 if span >= timedelta(seconds=10) else 1))
