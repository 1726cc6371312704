"""The promise as rules over the record: silent about what happens, and each fault that is planted is found."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.draft import Draft
from jobsched.model.hold import Hold
from jobsched.model.invariants import Facts, faults
from jobsched.model.job import Job, Policy
from jobsched.model.node import Node
from jobsched.model.run import Run
from jobsched.model.selection import Selection

T0 = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86_400.0


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def job(next_due: float | None = 600, **fields: Any) -> Job:
    """Every minute since T0, with one retry; five of its dues have started, as in RECORD."""
    policy = Policy(retries=1, retry_delay=timedelta(seconds=5))
    made = Draft(task="task", name="job", every=timedelta(seconds=60), policy=policy).job("job", T0)
    return attrs.evolve(made, **{"next_due": None if next_due is None else at(next_due), "starts": 5} | fields)


def run(due: float, state: str = "succeeded", **fields: Any) -> Run:
    """One that began half a second after its due on node n, for ten seconds."""
    given: dict[str, Any] = {
        "id": f"{due:g}.{fields.get('attempt', 1)}{fields.get('place', '')}",
        "job_id": "job",
        "job_name": "job",
        "task": "task",
        "due": at(due),
        "created": at(due + 0.5),
        "state": state,
        "reason": f"because it {state}",
        "node": "n",
        "node_id": "n1",
        "started": at(due + 0.5),
        "ended": at(due + 10.5),
    }
    return Run(**(given | fields))


def stretch(due: float, count: int, state: str = "missed", every: float = 60, **fields: Any) -> Run:
    """So many dues that did not start, decided at the last of them."""
    last = due + (count - 1) * every
    until = at(last) if count > 1 else None
    none: dict[str, Any] = {"node": None, "node_id": None, "started": None}
    return run(due, state, **none | {"until": until, "count": count, "created": at(last), "ended": at(last)} | fields)


def retry(due: float, state: str = "succeeded", **fields: Any) -> Run:
    """The second attempt, 20 seconds after the due."""
    given = {"attempt": 2, "cause": "retry", "created": at(due + 10.5), "started": at(due + 20), "ended": at(due + 30)}
    return run(due, state, **given | fields)


def manual(due: float, **fields: Any) -> Run:
    return run(due, cause="manual", **fields)


NODE = Node(id="n1", name="n", tasks=["task"], since=at(-100), seen=at(598))
LATER = Node(id="n2", name="later", tasks=["task"], since=at(300), seen=at(597))
NOW = Facts(now=at(599), nodes={"n1": NODE, "n2": LATER}, whole=True)

RECORD = [
    run(60),
    run(120, "failed"),
    retry(120),
    stretch(180, 3),
    manual(200),
    stretch(360, 1, "skipped"),
    run(420, "lost"),
    retry(420, "timed_out"),
    run(480, place="later", node="later", node_id="n2"),
    run(480, place="n"),
    run(540, "running", ended=None),
]


def found(job: Job | None, record: list[Run], facts: Facts = NOW) -> list[str]:
    return [str(fault) for fault in faults("job", job, record, facts)]


def test_what_happens_every_day_is_no_fault() -> None:
    assert found(job(), RECORD) == []


def test_a_fault_says_of_which_job_and_run_it_is() -> None:
    record = [attrs.evolve(run(60), reason="")]
    assert found(job(120), record, Facts(whole=True)) == ["job job, run 60.1: succeeded, and no reason is given"]
    assert found(job(180), [run(60)], Facts(whole=True)) == [
        "job job: due 2026-01-01T00:02:00+00:00 has no outcome, nor has any later one before 2026-01-01T00:03:00+00:00"
    ]


def without(due: float) -> Callable[[list[Run]], list[Run]]:
    return lambda record: [run for run in record if run.due != at(due)]


def changed(run_id: str, **fields: Any) -> Callable[[list[Run]], list[Run]]:
    return lambda record: [attrs.evolve(run, **fields) if run.id == run_id else run for run in record]


def added(*new: Run) -> Callable[[list[Run]], list[Run]]:
    return lambda record: sorted([*record, *new], key=lambda run: (run.due, run.attempt, run.place))


PLANTED = {
    # a due that was started twice
    "twice": (added(run(60, id="again")), "attempt 1 at .*00:01.* is there twice, .* started twice"),
    "twice, one never started": (added(stretch(360, 1, id="again")), "is there twice"),
    "attempt twice": (added(retry(120, id="again")), "attempt 2 .* is there twice, .* started twice"),
    "in a place and anywhere": (added(run(480)), "has an outcome for the whole job and one for a node"),
    "in a stretch and alone": (added(run(240)), "00:04:00.* has two outcomes"),
    "in two stretches": (changed("180.1", until=at(360), count=4), "00:06:00.* has two outcomes"),
    "in a stretch of a place and anywhere": (
        added(stretch(480, 2, place="x", created=at(541))),
        "00:09:00.* has two outcomes",
    ),
    "in a stretch of a place and there": (
        added(stretch(420, 3, place="n", created=at(541))),
        "00:08:00.* has two outcomes",
    ),
    # a due without an outcome
    "the first is gone": (without(60), "00:01:00.* has no outcome, nor .* before .*00:02"),
    "one between is gone": (without(360), "00:06:00.* has no outcome, nor .* before .*00:07"),
    "the last is gone": (without(540), "00:09:00.* has no outcome, nor .* before .*00:10"),
    "a stretch is short": (changed("180.1", until=at(240), count=2), "00:05:00.* has no outcome"),
    "a stretch counts too few": (changed("180.1", count=2), "there are 3 dues, and 2 have an outcome"),
    "a stretch counts too many": (changed("180.1", count=4), "there are 3 dues, and 4 have an outcome"),
    "a stretch ends beside a due": (changed("180.1", until=at(301)), "ends at .*00:05:01.*, which is no due"),
    "no due": (changed("60.1", due=at(60.25)), "00:01:00.25.* is no due of the job"),
    "before the first": (added(run(0)), "00:00:00.* comes before the first"),
    # states, reasons, order
    "no reason": (changed("60.1", reason=" "), "succeeded, and no reason is given"),
    "an unknown state": (changed("60.1", state="fine"), "there is no state fine"),
    "ended without an end": (changed("60.1", ended=None), "succeeded, and its end is unknown"),
    "running with an end": (changed("540.1", ended=at(550)), "running, and its end is 2026"),
    "ran without a start": (changed("60.1", started=None), "succeeded, but its start is unknown"),
    "ran nowhere": (changed("60.1", node=None, node_id=None), "succeeded, but .* its node unknown"),
    "skipped with a start": (changed("360.1", started=at(360)), "skipped, but it started at"),
    "started before its due": (changed("60.1", started=at(50)), "started at .*, before its due"),
    "ended before its start": (changed("60.1", ended=at(55)), "ended at .*, before it started"),
    "decided before its due": (changed("60.1", created=at(50)), "was decided at .*, before its due"),
    "a stretch decided early": (changed("180.1", created=at(250)), "was decided at .*, before its due .*00:05"),
    "a stretch that ran": (changed("180.1", state="failed"), "stands for several dues, and is attempt 1, failed"),
    "count without until": (changed("60.1", count=2), "stands for 2 dues from .* to unknown"),
    "until without count": (changed("180.1", count=1), "stands for 1 dues from"),
    # attempts
    "no first attempt": (changed("120.1", due=at(100), cause="manual"), "attempt 2 .* without the one before it"),
    "an attempt left out": (changed("120.2", attempt=3), "attempt 3 .* follows attempt 1"),
    "again after success": (changed("120.1", state="succeeded"), "attempt 2 .*, though the one before it is succeeded"),
    "again after a skip": (
        added(retry(360)),
        "attempt 2 .*, though the one before it is skipped",
    ),
    "again before the end": (changed("120.2", created=at(125)), "is from before the end of the one before it"),
    "too often": (
        added(run(420, attempt=3, cause="retry", created=at(455), started=at(456), ended=at(457))),
        "attempt 3 .*, but 1 retries were asked for",
    ),
    "not again": (added(run(60, "failed", place="other", attempt=1)), "failed and was not followed by another"),
    "a retry that says schedule": (changed("120.2", cause="schedule"), "is attempt 2, of cause schedule"),
    "a first attempt that says retry": (changed("60.1", cause="retry"), "is attempt 1, of cause retry"),
    # nodes
    "on nothing": (changed("540.1", node_id="gone"), r"running on node n \(gone\), which is not known"),
    "on nothing, stopping": (changed("540.1", state="stopping", node_id="gone"), "stopping on node"),
    "another task's": (changed("120.2", task="other"), "attempt 2 at .* is of task other, though task failed"),
    "other words": (changed("420.2", parameters={"a": 1}), "attempt 2 at .* has other parameters than the one before"),
    "by nobody": (changed("60.1", node_id="gone"), r"succeeded, executed by node n \(gone\), which never existed"),
    "by another name": (changed("60.1", node="m"), "executed by node m .*, whose name is n"),
    "before its node": (changed("480.1later", started=at(200), due=at(180)), "a node from .*00:05.* only"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str) -> None:
    plant, words = PLANTED[name]
    said = found(job(), plant(RECORD))
    assert [line for line in said if re.search(words, line)], said


@pytest.mark.parametrize(
    ("now", "node", "words"),
    [
        (599, {"state": "dead"}, "which is dead"),
        (599, {"state": "stopped"}, "which is stopped"),
        (619, {}, "which is alive and was last seen"),
        (560, {"seen": at(520)}, "a node from .* to .*00:08:40.* only"),
    ],
)
def test_a_run_on_a_node_that_is_gone_is_found(now: float, node: dict[str, Any], words: str) -> None:
    facts = Facts(now=at(now), nodes={"n1": attrs.evolve(NODE, **node), "n2": LATER}, whole=True)
    said = found(job(), RECORD, facts)
    assert [line for line in said if "540.1" in line and re.search(words, line)], said


def test_a_node_silent_for_its_lease_and_the_search_is_no_fault() -> None:
    facts = Facts(now=at(617.9), nodes={"n1": NODE, "n2": LATER}, whole=True)
    assert found(job(660), [*RECORD, stretch(600, 1, "skipped")], facts) == []


def test_a_run_that_the_next_daemon_went_on_with_is_no_fault() -> None:
    before, here = attrs.evolve(NODE, id="n0", state="dead", seen=at(550)), attrs.evolve(NODE, since=at(560))
    assert found(job(), RECORD, attrs.evolve(NOW, nodes={"n0": before, "n1": here, "n2": LATER})) == []
    assert found(job(), RECORD, attrs.evolve(NOW, nodes={"n1": here, "n2": LATER}))
    other = attrs.evolve(before, name="other")
    assert found(job(), RECORD, attrs.evolve(NOW, nodes={"n0": other, "n1": here, "n2": LATER}))


def test_without_nodes_nothing_is_said_of_them() -> None:
    assert found(job(), RECORD, Facts(whole=True)) == []
    assert found(job(), changed("60.1", node_id="gone")(RECORD), Facts(whole=True)) == []
    assert found(job(next_due=60), [], Facts(whole=True)) == []
    assert found(job(), changed("60.1", ended=at(55))(RECORD), Facts(whole=True)) == []  # the host's clock was set back


def test_a_node_may_be_forgotten_and_an_old_daemon_was_none() -> None:
    old = Facts(now=at(8 * DAY), nodes={"n2": attrs.evolve(LATER, since=at(-DAY), seen=at(8 * DAY))})
    ended = [run(60)]
    ahead = job(8 * DAY + 60)
    assert found(ahead, [*ended, stretch(120, round(8 * DAY) // 60 - 1)], old) == []
    before = Facts(now=at(100), nodes={"n2": attrs.evolve(LATER, since=at(90), seen=at(100))})
    assert found(job(120), ended, before) == []
    after = Facts(now=at(100), nodes={"n2": attrs.evolve(LATER, since=at(50), seen=at(100))})
    assert len(found(job(120), ended, after)) == 1


# Starts


@pytest.mark.parametrize(
    ("fields", "whole", "wrong"),
    [
        ({"starts": 5, "max_runs": 9}, True, False),
        ({"starts": 4, "max_runs": 9}, True, True),
        ({"starts": 4}, False, True),
        ({"starts": 6, "max_runs": 9}, True, True),
        ({"starts": 6, "max_runs": 9}, False, False),  # one may have been pruned
        ({"starts": 6}, True, False),  # nobody counts
    ],
)
def test_each_due_that_has_started_counts_once(fields: dict[str, Any], whole: bool, wrong: bool) -> None:
    words = f"job job: counts {fields['starts']} starts, and 5 of its dues have started or wait to"
    assert found(job(**fields), RECORD, attrs.evolve(NOW, whole=whole)) == ([words] if wrong else [])


# Dues that nobody decides


def overdue(now: float, policy: Policy | None = None, hold: Hold | None = None, **node: Any) -> list[str]:
    nodes = {"n1": attrs.evolve(NODE, **({"seen": at(now)} | node))}
    facts = Facts(now=at(now), nodes=nodes, hold=hold, whole=True)
    late = job(60)
    return found(late if policy is None else attrs.evolve(late, policy=policy), [], facts)


def test_a_due_that_is_left_too_long_is_found() -> None:
    assert overdue(179) == []  # a minute of grace, a minute to decide
    assert overdue(181) == ["job job: is due since 2026-01-01T00:01:00+00:00, and nobody decides it"]
    assert len(overdue(121, Policy(misfire_grace=None))) == 1
    assert len(overdue(181, tasks=[])) == 1  # it should be missed by now


def test_a_due_may_be_left_where_nobody_is_to_decide_it() -> None:
    assert overdue(1000, state="dead") == []
    assert overdue(1000, seen=at(900)) == []
    assert overdue(1000, since=at(990)) == []
    assert overdue(1000, Policy(misfire_grace=None), tasks=[]) == []
    assert found(attrs.evolve(job(60), paused=True, version=2, updated=at(61)), [], NOW) == []


def test_a_due_may_be_left_while_a_hold_says_so() -> None:
    hold = Hold(by=None, at=at(30), until=at(1000), missed="catch_up")
    assert [len(overdue(now, hold=hold)) for now in (999, 1059, 1061)] == [0, 0, 1]
    for other in (attrs.evolve(hold, missed="skip"), attrs.evolve(hold, select=Selection(names=("x",)))):
        assert len(overdue(999, hold=other)) == 1


# What is not known is not held against the record


def test_of_a_changed_job_no_attempt_is_missed() -> None:
    record = [run(60, "failed"), run(120, "failed"), retry(120, "failed"), run(120, attempt=3, cause="retry")]
    record[-1] = attrs.evolve(record[-1], created=at(151), started=at(152), ended=at(153))
    assert found(job(180, version=2, updated=at(170)), record, Facts(whole=True)) == []
    assert len(found(job(180), record, Facts(whole=True))) == 2


def test_of_a_deleted_job_the_runs_are_still_looked_at() -> None:
    assert found(None, RECORD) == []
    assert found(None, without(60)(RECORD)) == []
    assert len(found(None, added(run(60, id="again"))(RECORD))) >= 1
    assert len(found(None, added(run(240))(RECORD))) == 1
    assert len(found(None, changed("60.1", reason="")(RECORD))) == 1


def test_of_a_revived_job_the_runs_before_it_are_its_past() -> None:
    anew = job(660, starts=1, version=2, created=at(595), updated=at(595))
    record = [*RECORD, run(600, created=at(600), started=at(600.5), ended=at(610))]
    facts = attrs.evolve(NOW, now=at(620), nodes={"n1": attrs.evolve(NODE, seen=at(618)), "n2": LATER})
    assert found(anew, record, facts) == []
    assert len(found(attrs.evolve(anew, starts=0), record, facts)) == 1


def test_an_attempt_before_those_kept_may_have_been_pruned() -> None:
    kept = attrs.evolve(NOW, whole=False)
    record = [run for run in RECORD if run.due >= at(360) or run.id == "120.2"]
    assert found(job(), record, kept) == []
    assert found(job(), record)


def test_a_retry_of_another_task_that_never_began_harmed_nobody() -> None:
    stray = retry(60, "cancelled", task="other", parameters={"a": 1}, started=None, node=None, node_id=None)
    record = [run(60, "failed"), stray]
    assert found(job(120, version=2, updated=at(90)), record, Facts(whole=True)) == []
