"""Entries of the audit log: they tell what differs and nothing else, in the words of the API, and no secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest

from jobsched.model.audit import Signature
from jobsched.model.definition import definition
from jobsched.model.draft import Draft
from jobsched.model.job import Job, Notify, Policy, Watch
from jobsched.model.redaction import Redaction
from jobsched.model.run import Run

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SIGNED = Signature(id="an id", at=T0, who="alice", address="192.0.2.7", node="alpha")
DRAFT = Draft(task="task", name="a job", every=timedelta(minutes=5))
JOB = DRAFT.job("job", T0)
RUN = Run(id="run", job_id="job", job_name="a job", task="task", due=T0, created=T0)


def remade(**changes: Any) -> Job:
    return attrs.evolve(DRAFT, **changes).remade(JOB, T0 + timedelta(seconds=1))


def differs(before: Job, after: Job, signed: Signature = SIGNED) -> Any:
    entry = signed.of_job(before, after)
    assert entry is not None
    return entry.action, entry.before, entry.after


def test_an_entry_says_who_from_where_when_and_by_which_node() -> None:
    made = SIGNED.of_job(None, JOB)
    assert made is not None
    assert (made.id, made.at, made.who, made.address, made.node) == ("an id", T0, "alice", "192.0.2.7", "alpha")
    assert (made.action, made.target, made.job_id, made.name, made.task) == ("job.create", "job", None, "a job", "task")
    assert made.before is None


def test_what_is_made_and_what_is_deleted_is_told_whole() -> None:
    made, deleted = SIGNED.of_job(None, JOB), SIGNED.of_job(JOB, None)
    assert made is not None
    assert deleted is not None
    assert (deleted.action, deleted.target, deleted.name, deleted.after) == ("job.delete", "job", "a job", None)
    assert made.after == deleted.before == definition(JOB) | {"paused": False}
    assert json.loads(json.dumps(made.after)) == made.after


@pytest.mark.parametrize(
    ("changes", "before", "after"),
    [
        ({"name": "other"}, {"name": "a job"}, {"name": "other"}),
        ({"every": timedelta(hours=1)}, {"interval": {"seconds": 300.0}}, {"interval": {"seconds": 3600.0}}),
        ({"every": None, "cron": "@daily"}, {"interval": {"seconds": 300.0}}, {"cron": "@daily"}),
        ({"every": None, "at": T0 + timedelta(days=1)}, {"interval": {"seconds": 300.0}},
         {"at": "2026-01-02T00:00:00Z"}),
        ({"end": T0 + timedelta(days=1, microseconds=5)}, {"end": None}, {"end": "2026-01-02T00:00:00.000005Z"}),
        ({"policy": Policy(misfire_grace=None)}, {"misfire_grace": 60.0}, {"misfire_grace": None}),
        ({"policy": Policy(require={"disk": "ssd"}, retries=2)}, {"retries": 0, "require": {}},
         {"retries": 2, "require": {"disk": "ssd"}}),
        ({"parameters": {"n": 1}}, {"parameters": {}}, {"parameters": {"n": 1}}),
        ({"watch": Watch(max_late=timedelta(seconds=30), notify=Notify(on=("failed",)))},
         {"max_late": None, "notify": None},
         {"max_late": 30.0, "notify": {"url": None, "on": ["failed"], "after": 1, "format": "json"}}),
    ],
)  # fmt: skip
def test_of_a_change_only_the_fields_that_differ_are_told(changes: Any, before: Any, after: Any) -> None:
    assert differs(JOB, remade(**changes)) == ("job.change", before, after)


def test_what_runs_and_time_do_to_a_job_is_no_change() -> None:
    later = attrs.evolve(
        JOB, next_due=T0 + timedelta(days=9), starts=7, version=2, updated=T0 + timedelta(days=8), overdue=T0
    )  # fmt: skip
    assert SIGNED.of_job(JOB, later) is None
    assert SIGNED.of_job(JOB, JOB) is None


def test_pause_and_resume_are_told_apart() -> None:
    paused = attrs.evolve(JOB, paused=True, version=2)
    assert differs(JOB, paused) == ("job.pause", {"paused": False}, {"paused": True})
    assert differs(paused, JOB) == ("job.resume", {"paused": True}, {"paused": False})


def test_a_secret_is_hidden_and_its_change_is_told_all_the_same() -> None:
    signed = attrs.evolve(SIGNED, redaction=Redaction(["pin"]))
    one = attrs.evolve(JOB, parameters={"PIN": "1234", "password": "p"})
    two = attrs.evolve(JOB, parameters={"PIN": "5678", "password": "p"})
    shown = {"parameters": {"PIN": "***", "password": "p"}}
    assert differs(one, two, signed) == ("job.change", shown, shown)
    for entry in (signed.of_job(None, one), signed.of_job(one, None), signed.of_job(one, two)):
        assert not any(secret in repr(entry) for secret in ("1234", "5678"))
    assert one.parameters["PIN"] == "1234"


def test_a_run_that_was_started_is_told_with_its_job() -> None:
    entry = SIGNED.of_start(RUN)
    assert (entry.action, entry.target, entry.job_id, entry.name, entry.task) == (
        "run.start", "run", "job", "a job", "task"
    )  # fmt: skip
    assert (entry.before, entry.after) == (None, {"due": "2026-01-01T00:00:00Z", "state": "waiting"})


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"state": "waiting"}, {"state": "cancelled", "ended": T0}, ("waiting", "cancelled")),
        ({"state": "running"}, {"state": "running", "stop": "cancelled by a caller"}, ("running", "stopping")),
        ({"state": "running", "stop": "why"}, {"state": "running", "stop": "why"}, None),
    ],
)
def test_a_run_is_cancelled_once(before: Any, after: Any, told: Any) -> None:
    entry = SIGNED.of_end(attrs.evolve(RUN, **before), attrs.evolve(RUN, **after))
    found = entry and ((entry.before or {})["state"], (entry.after or {})["state"])
    assert found == told
    assert entry is None or (entry.action, entry.target, entry.job_id) == ("run.cancel", "run", "job")
