"""Why a job did not run: each answer from a record, and every reason for which a due starts nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.audit import Action, Entry
from jobsched.model.claim import NO_SLOT, SPENT
from jobsched.model.downtime import HELD_UP, NO_DAEMON, NO_NODE, Downtime
from jobsched.model.hold import Hold
from jobsched.model.job import CatchUp, Job, Overlap, Pause, Policy
from jobsched.model.judge import judge
from jobsched.model.order import REPLACED
from jobsched.model.owed import Situation, owed
from jobsched.model.run import Run, State
from jobsched.model.selection import Selection
from jobsched.model.time_text import named
from jobsched.model.trigger import Interval, Schedule
from jobsched.model.verdict import Record, Verdict, classify

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
DUE = datetime(2026, 11, 28, 3, tzinfo=UTC)
DAY = timedelta(days=1)
SCHEDULE = Schedule(trigger=Interval(start=DUE - 10 * DAY, every=DAY))
JOB = Job(
    id="nightly", name="nightly report", task="report", schedule=SCHEDULE, next_due=DUE + DAY, created=DUE - 9 * DAY,
    updated=DUE - 9 * DAY,
)  # fmt: skip


def run(state: State = "succeeded", **fields: Any) -> Run:
    made: dict[str, Any] = {
        "id": "r1",
        "job_id": "nightly",
        "job_name": "nightly report",
        "task": "report",
        "due": DUE,
        "created": DUE,
    }
    return Run(**made | {"state": state} | fields)


def entry(action: Action, at: datetime, **fields: Any) -> Entry:
    made = {
        "id": "e1",
        "who": "alice",
        "address": "10.0.0.1",
        "node": "alpha",
        "target": "nightly",
        "name": "nightly report",
    }
    return Entry(action=action, at=at, **made | fields)


def judged(*runs: Run, at: str = "03:00", **fields: Any) -> Verdict:
    held: dict[str, Any] = {"job_id": "nightly", "now": NOW, "named": named(at, "UTC", NOW), "job": JOB, "runs": runs}
    return judge(Record(**held | fields))


def steps(verdict: Verdict) -> list[str]:
    return [f"{step.method} {step.path}" + (f" {step.body}" if step.body else "") for step in verdict.steps]


RUN_NOW = "POST /jobs/nightly/run"
HOLD = Hold(by="alice", at=DUE - DAY, until=NOW + DAY, reason="upgrade", missed="catch_up")
TOMORROW = {"at": "2026-11-29T03:00Z", "expected": DUE + DAY}
HELD_STEPS = ["DELETE /hold", f"{RUN_NOW}?force=1"]
DOWN = str(Downtime(DUE - timedelta(hours=1), DUE + timedelta(minutes=20), NO_DAEMON))


@pytest.mark.parametrize(
    ("fields", "answer", "sentence", "next_steps"),
    [
        ({"expected": DUE, "job": attrs.evolve(JOB, next_due=DUE), "hold": HOLD}, "on_hold",
         ("the due of nightly report at 2026-11-28T03:00:00Z is decided when that is over: it is on hold by alice "
          "until 2026-11-29T12:00:00Z: upgrade"), HELD_STEPS),
        ({"expected": DUE, "job": attrs.evolve(JOB, next_due=DUE), "hold": Hold(by=None, at=DUE - DAY)}, "on_hold",
         "the due of nightly report at 2026-11-28T03:00:00Z is skipped: it is on hold", HELD_STEPS),
        ({**TOMORROW, "hold": HOLD}, "on_hold",
         ("nightly report is due at 2026-11-29T03:00:00Z, in 15 h, but it is on hold by alice until "
          "2026-11-29T12:00:00Z: upgrade"), HELD_STEPS),
        ({**TOMORROW, "hold": attrs.evolve(HOLD, until=DUE + DAY)}, "to_come",
         "nightly report is due at 2026-11-29T03:00:00Z, in 15 h", [f"{RUN_NOW}?force=1"]),
        ({**TOMORROW, "hold": attrs.evolve(HOLD, select=Selection(tasks=("other",)))}, "to_come",
         "nightly report is due at 2026-11-29T03:00:00Z, in 15 h", [RUN_NOW]),
        ({**TOMORROW, "job": attrs.evolve(JOB, paused=True, pause=Pause(by="bob", at=DUE, reason="moved"))}, "paused",
         "nightly report is due at 2026-11-29T03:00:00Z, in 15 h, but it is paused by bob: moved",
         ["POST /jobs/nightly/resume", RUN_NOW]),
        ({**TOMORROW, "job": attrs.evolve(JOB, paused=True, pause=Pause(by="bob", at=DUE, until=DUE + DAY))}, "to_come",
         "nightly report is due at 2026-11-29T03:00:00Z, in 15 h", [RUN_NOW]),
    ],
)  # fmt: skip
def test_holds_and_pauses_say_whose_they_are_and_when_they_end(
    fields: dict[str, Any], answer: str, sentence: str, next_steps: list[str]
) -> None:
    verdict = judged(**fields)
    assert (verdict.answer, verdict.sentence, steps(verdict)) == (answer, sentence, next_steps)


@pytest.mark.parametrize(("waiting", "forced", "answer"), [
    ("hold", None, "on_hold"), ("hold", True, "waiting"), ("keep", None, "waiting"),
])  # fmt: skip
def test_what_waits_on_hold_says_so(waiting: Any, forced: bool | None, answer: str) -> None:
    waits = run("waiting", reason="waits to be started", forced=forced)
    verdict = judged(waits, hold=attrs.evolve(HOLD, waiting=waiting))
    assert verdict.answer == answer
    assert (steps(verdict) == ["DELETE /hold"]) == (answer == "on_hold")


@pytest.mark.parametrize(
    ("fields", "answer", "sentence", "next_steps"),
    [
        ({"job": None, "deleted": entry("job.delete", DUE - DAY)}, "no_such_job",
         "nightly report was deleted by alice on 2026-11-27T03:00:00Z", []),
        ({"job": None}, "no_such_job", "there is no job nightly", []),
        ({"job": attrs.evolve(JOB, created=DUE + timedelta(hours=1))}, "not_made_yet",
         "nightly report was made on 2026-11-28T04:00:00Z, after that time", []),
        ({"at": "03:10"}, "not_due", "nightly report was not due at 03:10", [RUN_NOW]),
        ({"at": "03:10", "job": attrs.evolve(JOB, next_due=None)}, "not_due",
         "nightly report was not due at 03:10; it has no due left", [RUN_NOW]),
        ({"at": "2026-11-29T03:00Z", "expected": DUE + DAY}, "to_come",
         "nightly report is due at 2026-11-29T03:00:00Z, in 15 h", [RUN_NOW]),
        ({"at": "2026-11-29T03:00Z", "expected": DUE + DAY, "job": attrs.evolve(JOB, paused=True)}, "paused",
         "nightly report is due at 2026-11-29T03:00:00Z, in 15 h, but it is paused",
         ["POST /jobs/nightly/resume", RUN_NOW]),
        ({"expected": DUE, "job": attrs.evolve(JOB, paused=True, next_due=DUE)}, "paused",
         "the due of nightly report at 2026-11-28T03:00:00Z is skipped: it is paused",
         ["POST /jobs/nightly/resume", RUN_NOW]),
        ({"expected": DUE, "job": attrs.evolve(JOB, next_due=DUE)}, "undecided",
         "the due of nightly report at 2026-11-28T03:00:00Z is not decided yet: no node that can run it has claimed it",
         ["GET /nodes", RUN_NOW]),
        ({"expected": DUE}, "not_known",
         ("the record does not hold what became of the due of nightly report at 2026-11-28T03:00:00Z:"
          " it is no longer kept"), [RUN_NOW]),
        ({"expected": DUE, "entries": [entry("job.change", DUE + timedelta(hours=1), before={"cron": "0 4 * * *"})]},
         "not_due", "nightly report was changed after that time, and then was not due at 2026-11-28T03:00:00Z",
         [RUN_NOW]),
    ],
)  # fmt: skip
def test_a_due_without_a_run(fields: dict[str, Any], answer: str, sentence: str, next_steps: list[str]) -> None:
    verdict = judged(**fields)
    assert (verdict.answer, verdict.sentence, steps(verdict)) == (answer, sentence, next_steps)
    assert verdict.run is None


@pytest.mark.parametrize(
    ("state", "reason", "answer", "first_step"),
    [
        ("skipped", "paused by alice until 05:00", "paused", RUN_NOW),
        ("skipped", "on hold by alice: database upgrade", "on_hold", RUN_NOW),
        ("missed", DOWN, "no_daemon", "PATCH /jobs/nightly {'misfire_grace': 4800.0}"),
        ("missed", f"{DOWN}, and catch_up is none", "no_daemon", "PATCH /jobs/nightly {'catch_up': 'latest'}"),
        ("missed", f"{HELD_UP} from 02:00 until 03:20", "held_up", "PATCH /jobs/nightly {'misfire_grace': 4800.0}"),
        ("missed", f"{NO_NODE} from 02:00 until 03:20", "no_node", "PATCH /jobs/nightly {'misfire_grace': 4800.0}"),
        ("missed", "no living node has task report", "no_node", "PATCH /jobs/nightly {'misfire_grace': 4800.0}"),
        ("skipped", "the run before it was still active", "overlap", "PATCH /jobs/nightly {'overlap': 'queue'}"),
        ("missed", "found later than misfire_grace (60 s) allows", "misfire",
         "PATCH /jobs/nightly {'misfire_grace': 4800.0}"),
        ("skipped", "the job was changed before it could start", "changed", RUN_NOW),
        ("skipped", SPENT, "max_runs", RUN_NOW),
    ],
)  # fmt: skip
def test_a_due_that_started_nothing(state: State, reason: str, answer: str, first_step: str) -> None:
    verdict = judged(run(state, reason=reason, ended=DUE + timedelta(minutes=40)))
    assert (verdict.answer, steps(verdict)[0]) == (answer, first_step)
    assert verdict.sentence == f"the due of nightly report at 2026-11-28T03:00:00Z was {state}: {reason}"
    assert steps(verdict)[-1] == RUN_NOW


@pytest.mark.parametrize(
    ("fields", "answer", "sentence", "next_steps"),
    [
        ({"state": "succeeded", "exit_code": 0}, "succeeded",
         "nightly report started at 2026-11-28T03:00:02Z, and after 1 min succeeded", []),
        ({"state": "failed", "reason": "exit code 2", "exit_code": 2, "output_kept": 9}, "failed",
         "nightly report started at 2026-11-28T03:00:02Z, and after 1 min failed: exit code 2",
         ["GET /runs/r1/output?tail=20", RUN_NOW]),
        ({"state": "timed_out", "reason": "ran longer than 60 s", "timeout": 60.0}, "timed_out",
         "nightly report started at 2026-11-28T03:00:02Z, and after 1 min timed out: ran longer than 60 s",
         ["PATCH /jobs/nightly {'timeout': 120.0}", RUN_NOW]),
        ({"state": "lost", "reason": "node alpha died"}, "lost",
         "nightly report started at 2026-11-28T03:00:02Z, and after 1 min was lost: node alpha died", [RUN_NOW]),
        ({"state": "running", "ended": None}, "running",
         "nightly report started at 2026-11-28T03:00:02Z, and has not ended yet",
         ["GET /runs/r1/output?follow=1"]),
        ({"state": "waiting", "reason": NO_SLOT, "started": None, "ended": None}, "no_slot",
         f"nightly report has waited for 9 h since its due at 2026-11-28T03:00:00Z: {NO_SLOT}", []),
        ({"state": "waiting", "reason": "attempt 1 failed", "started": None, "ended": None}, "waiting",
         "nightly report has waited for 9 h since its due at 2026-11-28T03:00:00Z: attempt 1 failed", []),
        ({"state": "cancelled", "reason": "cancelled by a caller", "started": None}, "cancelled",
         "the run of nightly report due at 2026-11-28T03:00:00Z was cancelled: cancelled by a caller", [RUN_NOW]),
    ],
)  # fmt: skip
def test_a_due_that_started(fields: dict[str, Any], answer: str, sentence: str, next_steps: list[str]) -> None:
    started: dict[str, Any] = {
        "started": DUE + timedelta(seconds=2),
        "ended": DUE + timedelta(seconds=62),
        "node": "alpha",
    }
    verdict = judged(run(**started | fields))
    assert (verdict.answer, verdict.sentence, steps(verdict)) == (answer, sentence, next_steps)


def test_the_run_that_fared_worst_is_spoken_of() -> None:
    other = run(id="r2", due=DUE + timedelta(seconds=20), state="failed", reason="exit code 2")
    verdict = judged(run(), other)
    assert verdict.run == other
    assert [fact.run_id for fact in verdict.facts] == ["r2", "r1"]


def test_of_several_attempts_the_last_counts() -> None:
    retry = run(id="r2", attempt=2, cause="retry", started=DUE, ended=DUE)
    verdict = judged(retry, run("failed", reason="exit code 2"))
    assert (verdict.answer, verdict.run) == ("succeeded", retry)
    assert "attempt 1: failed, exit code 2" in [fact.text for fact in verdict.facts]


def test_a_manual_run_does_not_hide_what_became_of_the_due() -> None:
    missed = run("missed", reason=DOWN)
    assert judged(run(id="r2", cause="manual", due=DUE + timedelta(seconds=30)), missed).run == missed


def test_the_evidence_of_a_stretch_and_of_an_overlap() -> None:
    other = run("running", id="r0", due=DUE - DAY, started=DUE - timedelta(hours=1))
    skipped = run("skipped", reason="the run before it was still active", until=DUE + DAY, count=2, ended=DUE + DAY)
    verdict = judged(skipped, active=[other])
    assert [(fact.text, fact.at) for fact in verdict.facts] == [
        ("the first of 2 dues", DUE),
        ("the last of them", DUE + DAY),
        ("it was recorded", DUE + DAY),
        ("run r0 of the job was active then, and is still active", DUE - timedelta(hours=1)),
    ]


def test_term_and_kill_are_evidence() -> None:
    begun, term, kill, ended = (DUE + timedelta(seconds=seconds) for seconds in (0, 10, 15, 16))
    one = run("timed_out", started=begun, node="alpha", term_at=term, kill_at=kill, ended=ended, signal="SIGKILL")
    assert [(fact.text, fact.at) for fact in judged(one).facts][2:] == [
        ("TERM was sent to its processes", term), ("KILL was sent to its processes", kill),
        ("it ended: signal SIGKILL", ended),
    ]  # fmt: skip


def test_what_was_done_to_the_job_is_evidence() -> None:
    entries = [
        entry("job.create", DUE - DAY, after={"task": "backup", "cron": "0 3 * * *"}),
        entry("job.pause", DUE),
        entry("job.change", DUE + DAY, who=None, before={"cron": "0 4 * * *"}),
    ]
    verdict = judged(run("skipped", reason="paused"), entries=entries)
    assert [fact.text for fact in verdict.facts][-3:] == [
        "the job was made by alice",
        "the job was paused by alice",
        "the job was changed (cron) by somebody without a token",
    ]


def test_a_time_that_clocks_skip_is_said() -> None:
    verdict = judge(
        Record(
            job_id="nightly",
            now=NOW,
            named=named("2026-03-29T02:30", "Europe/Berlin", NOW),
            job=JOB,
            before=DUE - DAY,
            after=DUE,
        )
    )
    assert verdict.sentence == (
        "nightly report was not due at 2026-03-29T02:30: 02:30 does not exist on 2026-03-29 in Europe/Berlin"
    )
    assert [fact.text for fact in verdict.facts] == ["the nearest due before", "the nearest due after"]


@pytest.mark.parametrize("reason", [REPLACED, SPENT, "node alpha was gone before it could start"])
def test_other_reasons_are_known(reason: str) -> None:
    assert classify(reason) is not None


@given(
    now=st.integers(0, 10**7),
    able=st.integers(-(10**6), 10**7),
    overlap=st.sampled_from(get_args(Overlap)),
    catch_up=st.sampled_from(get_args(CatchUp)),
    grace=st.none() | st.integers(1, 10**6),
    active=st.booleans(),
    paused=st.booleans(),
    down=st.none() | st.sampled_from([NO_DAEMON, HELD_UP, NO_NODE]),
)
def test_every_reason_of_a_due_is_known(
    now: int, able: int, overlap: Overlap, catch_up: CatchUp, grace: int | None, active: bool, paused: bool,
    down: str | None,
) -> None:  # fmt: skip
    policy = Policy(
        overlap=overlap, catch_up=catch_up, misfire_grace=None if grace is None else timedelta(seconds=grace)
    )
    instant = DUE + timedelta(seconds=now)
    facts = Situation(
        next_due=DUE, now=instant, able_since=DUE + timedelta(seconds=able), active=active, queued=active,
        paused=paused, downtimes=() if down is None else [Downtime(DUE - DAY, instant, down)],
    )  # fmt: skip
    schedule = Schedule(trigger=Interval(start=DUE, every=timedelta(hours=1)))
    for stretch in owed(schedule, policy, facts).stretches:
        if stretch.fate in ("missed", "skipped"):
            answer = classify(stretch.reason)
            assert answer is not None
            assert not paused or answer == "paused"


def test_what_is_so_now_is_told_whatever_was_asked_for() -> None:
    record = Record(job_id="nightly", now=NOW, named=named("03:00", "UTC", NOW), job=JOB, runs=[run()])
    by_hand = run("failed", id="r2", due=NOW, cause="manual", reason="exit code 3")
    found = judge(attrs.evolve(record, by_hand=by_hand, task_known=False, trouble="the store refused a change"))
    assert (found.answer, found.run) == ("succeeded", run())
    assert [fact.text for fact in found.facts[-3:]] == [
        "it was run by hand since then: failed, exit code 3",
        "the catalog of no living node has its task report now: no due of it can start",
        "the daemon that was asked cannot do its work now: the store refused a change",
    ]


def test_a_due_that_a_store_in_trouble_keeps_from_its_decision() -> None:
    job = attrs.evolve(JOB, next_due=DUE)
    record = Record(job_id="nightly", now=NOW, named=named("03:00", "UTC", NOW), job=job, expected=DUE)
    found = judge(attrs.evolve(record, trouble="the store refused a change 1 s ago: the disk is full"))
    assert found.answer == "undecided"
    assert found.sentence.endswith("is not decided yet: the store refused a change 1 s ago: the disk is full")
    assert "no node that can run it has claimed it" in judge(record).sentence


def test_a_due_that_was_skipped_behind_a_run_without_a_slot() -> None:
    waits = run("waiting", id="r2", due=DUE - timedelta(hours=1), reason=NO_SLOT)
    skipped = run("skipped", reason="the run before it was still active")
    record = Record(job_id="nightly", now=NOW, named=named("03:00", "UTC", NOW), job=JOB, runs=[skipped])
    found = judge(attrs.evolve(record, active=[waits]))
    assert found.sentence.endswith(f"the run before it was still active, for it waits itself: {NO_SLOT}")
    assert f"run r2 of the job was waiting then, and is still waiting: {NO_SLOT}" in [each.text for each in found.facts]
    assert found.steps[0].path == "/runs?state=running"
