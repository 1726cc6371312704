"""Jobs of which something is expected: a real daemon says when that does not happen, and when it does again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Server
from tests.system.caller import Caller, instant
from tests.system.daemon import Daemon, until
from tests.system.pair import Pair, pair_in
from tests.system.receiver import Receiver

GATE = '#!/bin/sh\nwhile [ ! -e "open-$JOBSCHED_JOB_NAME" ]; do sleep 0.05; done\n'
MOOD = "#!/bin/sh\n[ -e well ]\n"
HOUR = 3600
OVERDUE = ["overdue", "recovered"]


@pytest.fixture
def ask(daemon: Daemon, receiver: Receiver) -> Caller:
    """A daemon that has one slot, and tells the receiver of all jobs."""
    prepare(daemon, receiver)
    daemon.options("SCHED_CONFIG['max_running'] = 1")
    daemon.script("gate", GATE)
    daemon.script("mood", MOOD)
    daemon.start()
    return Caller(daemon)


def prepare(daemon: Daemon, receiver: Receiver) -> None:
    daemon.options("NOTIFY_SECRET = 'of sixteen letters and more'\nNOTIFY_PRIVATE = True")
    daemon.options(f"NOTIFY_URL = {receiver.url()!r}")


def overdue(ask: Caller, job: str) -> Any:
    """Since when it is and why, once it is."""
    return until(lambda: ask.get(job)["overdue"])


def recovers(ask: Caller, job: str) -> None:
    until(lambda: ask.get(job)["overdue"] is None)


def told(ask: Caller, job: str) -> list[tuple[str, str | None]]:
    """(event, run) of what was told of a job, the oldest first."""
    found = ask.get(f"{job}/deliveries")["values"]
    return [(each["event"], each["run_id"]) for each in reversed(found)]


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def job_id(path: str) -> str:
    return path.rpartition("/")[2]


def test_a_due_that_finds_no_slot_is_late_until_it_starts(ask: Caller, receiver: Receiver) -> None:
    holder = ask.run(ask.make("gate", HOUR, name="holder"))
    until(lambda: ask.get(holder)["state"] == "running")
    late = ask.make("mood", None, at=soon(6), max_late=3, notify={"on": OVERDUE})
    other = ask.make("mood", HOUR, max_late=1)

    shown = overdue(ask, late)
    (run,) = ask.runs(late)
    due = instant(run["due"])
    assert instant(shown["since"]) == due + timedelta(seconds=3)
    assert shown["reason"] == (
        f"not started within 3 s of its due at {due:%FT%TZ}: no free slot: max_running runs are active"
    )
    assert [job["id"] for job in ask.get("/jobs?overdue=true")["values"]] == [job_id(late)]
    assert job_id(other) in {job["id"] for job in ask.get("/jobs?overdue=false")["values"]}
    body = receiver.told().json
    assert (body["event"], body["reason"], body["run"], body["job"]["id"]) == (
        "overdue", shown["reason"], None, job_id(late),
    )  # fmt: skip
    ask.daemon.says(f"job {job_id(late)} (a mood) is overdue: {shown['reason']}")

    (ask.daemon.folder / "open-holder").touch()
    recovers(ask, late)
    body = receiver.told(2).json
    assert (body["event"], body["run"]["id"]) == ("recovered", run["id"])
    assert ask.get("/jobs?overdue=true")["values"] == []


def test_a_job_that_does_not_succeed_is_overdue_until_it_does(ask: Caller) -> None:
    job = ask.make("mood", 1, must_succeed_every=2, notify={"on": OVERDUE})
    shown = overdue(ask, job)
    made = instant(ask.get(job)["created"])
    assert instant(shown["since"]) == made + timedelta(seconds=2)
    assert shown["reason"] == f"no success within 2 s: none since {made:%FT%TZ}"
    failed = len(ask.runs(job, "failed"))
    ask.run_in(job, "failed", at_least=failed + 3)
    assert ask.get(job)["overdue"] == shown, "further failures change nothing"

    (ask.daemon.folder / "well").touch()
    good = ask.run_in(job, "succeeded")
    recovers(ask, job)
    assert [event for event, _ in told(ask, job)][:2] == OVERDUE  # where a machine is busy it may be overdue again
    assert instant(good["ended"]) > instant(shown["since"])
    (ask.daemon.folder / "well").unlink()
    assert "the last one was at" in overdue(ask, job)["reason"]


def test_a_missed_due_is_late_over_restarts_until_a_run(ask: Caller) -> None:
    start = soon(6)
    job = ask.make("mood", HOUR, start=start, max_late=1, catch_up="none", notify={"on": OVERDUE})
    ask.daemon.kill()
    until(lambda: datetime.now(UTC) > instant(start))
    ask.daemon.start()
    (missed,) = until(lambda: ask.runs(job, "missed"))
    shown = overdue(ask, job)
    assert shown["reason"].endswith(f": {missed['reason']}")
    assert ask.daemon.stop() == 0
    ask.daemon.start()
    later = ask.make("mood", HOUR, must_succeed_every=1)
    overdue(ask, later)  # so it has looked again since
    assert ask.get(job)["overdue"] == shown
    run = ask.run(job)
    recovers(ask, job)
    assert told(ask, job) == [("overdue", None), ("recovered", job_id(run))]


def test_pause_ends_it_in_silence_and_new_terms_begin_anew(ask: Caller) -> None:
    job, changed = (ask.make("mood", HOUR, must_succeed_every=1) for _ in range(2))
    for each in (job, changed):
        overdue(ask, each)
    assert ask.ask("POST", f"{job}/pause").json["overdue"] is None
    assert ask.patch(changed, must_succeed_every=HOUR)["overdue"] is None
    later = ask.make("mood", HOUR, must_succeed_every=1)
    shown = overdue(ask, later)
    assert ask.get(job)["overdue"] is ask.get(changed)["overdue"] is None
    assert ask.patch(later, name="new")["overdue"] == shown
    resumed = instant(ask.ask("POST", f"{job}/resume").json["updated"])
    assert instant(overdue(ask, job)["since"]) == resumed + timedelta(seconds=1)
    assert [event for event, _ in told(ask, job)] == ["overdue", "overdue"]
    assert [event for event, _ in told(ask, changed)] == ["overdue"]


@pytest.fixture(params=["postgresql", "mysql"])
def pair(
    request: pytest.FixtureRequest, tmp_path: Path, running: Callable[[str], Server], receiver: Receiver
) -> Iterator[Pair]:
    with pair_in(tmp_path / "pair", running(request.param)) as one:
        for daemon in (one.front, one.worker):
            prepare(daemon, receiver)
        one.start()
        yield one


def nowhere(ask: Caller, seconds: float) -> str:
    """A job that is due in so many seconds, and no node can run it."""
    terms = {"max_late": 1, "misfire_grace": None, "notify": {"on": OVERDUE}}
    return ask.make("few", HOUR, start=soon(seconds), require={"role": "nobody"}, **terms)


def is_said_once(pair: Pair, words: str) -> None:
    """By one of the two."""
    until(lambda: words in pair.front.log + pair.worker.log)
    assert (pair.front.log + pair.worker.log).count(words) == 1


def test_two_nodes_tell_it_once(pair: Pair, receiver: Receiver) -> None:
    ask = pair.ask
    job, later = nowhere(ask, 6), nowhere(ask, 18)
    assert overdue(ask, job)["reason"].endswith(": no node has taken it up yet")
    overdue(ask, later)  # meanwhile both have looked, more than once
    ask.patch(job, require={"role": "worker"})
    recovers(ask, job)
    receiver.told(3)
    assert sorted(receiver.events()) == ["overdue", "overdue", "recovered"]
    (run,) = ask.runs(job)
    assert told(ask, job) == [("overdue", None), ("recovered", run["id"])]
    for words in ("is overdue", "has recovered"):
        is_said_once(pair, f"job {job_id(job)} (a few) {words}: ")
