"""The promise (design, section 1) against a model: what is done to a daemon in any order, stops and kills included.

The model knows when each job's grid began, was changed, was paused; by walking the grid itself it knows every due, and
each of them must have exactly one outcome.
"""

from __future__ import annotations

import signal
import tempfile
import time
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import psutil
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.system.caller import ENDED, Caller, instant
from tests.system.daemon import GENEROUS, Daemon, until

MOST_JOBS = 6  # at a time: this is about order, not about load
NOTE = 'echo "$JOBSCHED_RUN_ID" >>notes\n'
SCRIPTS = {
    "quick": f"#!/bin/sh\n{NOTE}",
    "slow": f"#!/bin/sh\n{NOTE}sleep 0.7\n",
    "deaf": f"#!/bin/sh\ntrap '' TERM\n{NOTE}sleep 1.5 & wait\nsleep 1\n",
    "failing": f"#!/bin/sh\n{NOTE}exit 3\n",
}
EVERY = (0.3, 0.5, 1.0)
OVERLAPS = ("skip", "queue", "replace", "allow")
GRACES = (0.5, 60, None)
SETTLE = GENEROUS  # seconds in which what must come true does


@attrs.define
class Grid:
    """Dues `origin + n * every`, n from 1; those up to `end` are owed, or all if it is None."""

    origin: datetime
    every: timedelta
    end: datetime | None = None

    def between(self, after: datetime, until: datetime) -> list[datetime]:
        """The dues in `after < due <= until`, walked one by one."""
        last = until if self.end is None else min(until, self.end)
        found, due = [], self.origin + self.every
        while due <= last:
            if due > after:
                found.append(due)
            due += self.every
        return found


@attrs.define
class Known:
    """A job as it must be."""

    path: str
    shown: dict[str, Any]
    version: str  # as If-Match takes it
    grids: list[Grid]
    paused: datetime | None = None
    pauses: list[tuple[datetime, datetime]] = attrs.field(factory=list)
    manual: set[str] = attrs.field(factory=set)
    deleted: tuple[datetime, datetime] | None = None  # before and after it was


DEFINITION = ("id", "name", "task", "interval_seconds", "overlap", "retries", "misfire_grace", "paused", "created")


def version(answer: Any) -> str:
    """The part of a job's tag that changes with its definition alone."""
    tag: str = answer.headers["etag"]
    return tag.partition(".")[0] + '"'


def same(run: Any, before: Any) -> bool:
    """Whether it is as it was: what has ended never changes, but for a stretch that grows by the next dues."""
    if run["state"] in {"skipped", "missed"} and run["count"] > before["count"]:
        before = before | {name: run[name] for name in ("until", "count", "ended")}
    return bool(run == before)


def now() -> datetime:
    return datetime.now(UTC)


class Promise(RuleBasedStateMachine):
    """Drives a daemon; each rule checks its own answer, and `look` checks all that was promised."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.daemon = Daemon(Path(self._folder.name) / "daemon")
        self.daemon.options("KEEP_RUNS = 100_000\nKILL_GRACE = 0.3\nSCHED_CONFIG['max_running'] = 8")
        for name, text in SCRIPTS.items():
            self.daemon.script(name, text)
        self.daemon.start()
        self.ask = Caller(self.daemon)
        self.known: list[Known] = []
        self.over: dict[str, Any] = {}  # ended runs, as they were seen first

    def teardown(self) -> None:
        try:
            self.look()
        finally:
            self.daemon.clear()
            self._folder.cleanup()

    # what is done

    def alive(self) -> list[Known]:
        return [job for job in self.known if job.deleted is None]

    @initialize(target=jobs, overlap=st.sampled_from(OVERLAPS), grace=st.sampled_from(GRACES))
    def first(self, overlap: str, grace: float | None) -> Any:
        """Something to do, whatever comes."""
        return multiple(
            self.create("slow", 0.5, overlap, 0, grace, "latest"), self.create("failing", 0.3, "skip", 1, 60, "all")
        )

    @rule(
        target=jobs,
        task=st.sampled_from(sorted(SCRIPTS)),
        every=st.sampled_from(EVERY),
        overlap=st.sampled_from(OVERLAPS),
        retries=st.sampled_from([0, 1]),
        grace=st.sampled_from(GRACES),
        catch_up=st.sampled_from(["latest", "none", "all"]),
    )
    def create(self, task: str, every: float, overlap: str, retries: int, grace: float | None, catch_up: str) -> Any:
        if len(self.alive()) >= MOST_JOBS:
            return multiple()
        asked = {"overlap": overlap, "retries": retries, "retry_delay": 0.2, "misfire_grace": grace}
        path = self.ask.make(task, every, catch_up=catch_up, timeout=3, **asked)
        answer = self.ask.ask("GET", path)
        origin = instant(answer.json["created"])
        job = Known(path, answer.json, version(answer), [Grid(origin, timedelta(seconds=every))])
        self.known.append(job)
        return job

    @rule(job=jobs, every=st.sampled_from(EVERY), overlap=st.sampled_from(OVERLAPS))
    def patch(self, job: Known, every: float, overlap: str) -> None:
        old = job.version
        answer = self.ask.ask(
            "PATCH", job.path, {"interval": {"seconds": every}, "overlap": overlap}, if_match=job.version
        )
        if job.deleted is not None:
            assert answer.status == 404
            return
        assert answer.status == 200, answer
        self.changed(job, answer)
        assert (answer.json["interval_seconds"], answer.json["overlap"]) == (every, overlap)
        if timedelta(seconds=every) != job.grids[-1].every:
            origin = instant(answer.json["next_due"]) - timedelta(seconds=every)
            assert timedelta(0) <= origin - instant(answer.json["updated"]) < timedelta(seconds=1)
            job.grids[-1].end = origin
            job.grids.append(Grid(origin, timedelta(seconds=every)))
            if job.paused is not None:  # what passed until now is settled as paused; the rest begins anew
                job.pauses.append((job.paused, origin))
                job.paused = origin
        stale = self.ask.ask("PATCH", job.path, {"name": "never"}, if_match=old)
        assert stale.status == 412

    @rule(job=jobs)
    def pause_or_resume(self, job: Known) -> None:
        path = f"{job.path}/{'pause' if job.paused is None else 'resume'}"
        answer = self.ask.ask("POST", path)
        if job.deleted is not None:
            assert answer.status == 404
            return
        self.changed(job, answer)
        at = instant(answer.json["updated"])
        if job.paused is not None:
            job.pauses.append((job.paused, at))
        job.paused = at if job.paused is None else None
        again = self.ask.ask("POST", path)
        assert (again.status, version(again)) == (200, version(answer))

    @rule(job=jobs, key=st.sampled_from([None, "one", "two"]))
    def run(self, job: Known, key: str | None) -> None:
        headers = {} if key is None else {"idempotency_key": key}
        answer = self.ask.ask("POST", f"{job.path}/run", **headers)
        if job.deleted is not None and answer.status == 404:
            return
        assert answer.status == 202, answer
        run = urlsplit(answer.headers["location"]).path
        if key is not None:
            again = self.ask.ask("POST", f"{job.path}/run", **headers)
            assert again.headers["location"] == answer.headers["location"]
        assert job.deleted is None or run in job.manual  # only a key may still know it
        job.manual.add(run)
        assert self.ask.get(run)["cause"] == "manual"

    @rule(job=jobs, which=st.integers(0, 3))
    def cancel(self, job: Known, which: int) -> None:
        active = [run for run in self.ask.runs(job.path) if run["state"] not in ENDED] if self.seen(job) else []
        if not active:
            return
        run = f"/runs/{active[which % len(active)]['id']}"
        answer = self.ask.ask("POST", f"{run}/cancel")
        assert answer.status in {202, 409}, answer
        ended = self.ask.ended(run)
        if answer.status == 409:
            assert ended["state"] in ENDED
        assert self.ask.ask("POST", f"{run}/cancel").status == 409

    @rule(job=jobs, cancel=st.booleans())
    def delete(self, job: Known, cancel: bool) -> None:
        before = now()
        answer = self.ask.ask("DELETE", f"{job.path}?cancel={cancel:d}")
        assert answer.status == (200 if job.deleted is None else 404), answer
        if job.deleted is None:
            job.deleted = (before, now())
        assert self.ask.ask("GET", job.path).status == 404

    @rule(number=st.sampled_from([signal.SIGTERM, signal.SIGKILL]), down=st.sampled_from([0, 0.8]))
    def restart(self, number: signal.Signals, down: float) -> None:
        self.daemon.signal(number)
        status = self.daemon.wait()
        if number == signal.SIGTERM:
            assert status == 0
            assert self.daemon.work == []
            until(lambda: self.daemon.alive() == [])
        time.sleep(down)
        self.daemon.start()

    @rule(seconds=st.sampled_from([0.2, 0.9]))
    def wait(self, seconds: float) -> None:
        time.sleep(seconds)
        self.look()

    # what must hold

    @invariant()
    def pass_time(self) -> None:
        """Dues come meanwhile."""
        time.sleep(0.1)

    def changed(self, job: Known, answer: Any) -> None:
        assert answer.status == 200, answer
        assert version(answer) != job.version
        job.shown, job.version = answer.json, version(answer)

    def seen(self, job: Known) -> bool:
        """Whether its runs can be asked for: a job that was deleted before it had any is forgotten."""
        return job.deleted is None or self.ask.ask("GET", f"{job.path}/runs").status == 200

    def look(self) -> None:
        """Everything that was promised."""
        listed = {job["id"] for job in self.ask.get("/jobs?limit=1000")["values"]}
        assert listed == {job.shown["id"] for job in self.alive()}
        rows: dict[str, Any] = {}
        for job in self.known:
            horizon = self.definition(job)
            runs = self.ask.runs(job.path) if self.seen(job) else []
            rows |= {run["id"]: run for run in runs}
            self.outcomes(job, runs, horizon)
            self.paused(job, runs)
            assert job.manual <= {f"/runs/{run['id']}" for run in runs if run["cause"] == "manual"}
        for run_id, run in self.over.items():
            assert same(rows[run_id], run)
        self.over |= {run_id: run for run_id, run in rows.items() if run["state"] in ENDED}
        assert all(run["reason"] for run in self.over.values())
        self.started(rows)
        self.processes(rows)

    def definition(self, job: Known) -> datetime:
        """What was answered is there; the instant up to which, and not including it, every due has its outcome."""
        if job.deleted is not None:
            return job.deleted[0]
        answer = self.ask.ask("GET", job.path)
        assert version(answer) == job.version
        assert {name: answer.json[name] for name in DEFINITION} == {name: job.shown[name] for name in DEFINITION}
        return instant(answer.json["next_due"])

    def outcomes(self, job: Known, runs: list[Any], horizon: datetime) -> None:
        """Every due has one row, or lies in one stretch, of the right count."""
        until = job.deleted[1] if job.deleted is not None else now()
        begin = job.grids[0].origin
        owed = [due for grid in job.grids for due in grid.between(begin, until)]
        told: Counter[datetime] = Counter()
        for run in runs:
            if (run["cause"], run["attempt"]) == ("schedule", 1):
                first = instant(run["due"])
                last = instant(run["until"] or run["due"])
                inside = [due for due in owed if first <= due <= last]
                assert (len(inside), inside[:1], inside[-1:]) == (run["count"], [first], [last]), (job, run)
                told.update(inside)
        assert not [due for due, count in told.items() if count > 1]
        untold = [due for due in owed if due < horizon and due not in told]
        assert not untold, (job, untold)
        keys = Counter((run["due"], run["attempt"]) for run in runs)
        assert not [key for key, count in keys.items() if count > 1]

    def paused(self, job: Known, runs: list[Any]) -> None:
        """Of the dues of a pause nothing started, and one row tells of them."""
        for begin, end in job.pauses:
            dues = [due for grid in job.grids for due in grid.between(begin, end)]
            tell = [
                run
                for run in runs
                if (run["cause"], run["attempt"]) == ("schedule", 1)
                and any(instant(run["due"]) <= due <= instant(run["until"] or run["due"]) for due in dues)
            ]
            assert [(run["state"], run["reason"]) for run in tell] == [("skipped", "paused")] * bool(dues), (job, tell)

    def started(self, rows: dict[str, Any]) -> None:
        """No (job, due, attempt), which is a run, was started twice, and none that was not to be."""
        path = self.daemon.folder / "notes"
        notes = Counter(path.read_text().split()) if path.exists() else Counter()
        assert set(notes.values()) <= {1}
        unknown = notes.keys() - rows.keys()
        assert not [run for run in unknown if self.ask.get(f"/runs/{run}")["started"] is None]
        for run_id, run in rows.items():
            if run["state"] in {"skipped", "missed"}:
                assert run_id not in notes
            if run["state"] == "succeeded":
                assert run_id in notes

    def processes(self, rows: dict[str, Any]) -> None:
        """Nothing is left running whose process is gone, and no process whose run is over."""
        for run in rows.values():
            if run["state"] in {"running", "stopping"} and not (run["pid"] and psutil.pid_exists(run["pid"])):
                gone = f"/runs/{run['id']}"
                until(partial(self.lives_or_ended, gone), SETTLE)

        for process in self.daemon.work:
            with suppress(psutil.Error):  # it has just ended
                if run_id := process.environ().get("JOBSCHED_RUN_ID"):
                    until(partial(self.is_going_on, f"/runs/{run_id}", process), SETTLE)

    def is_going_on(self, path: str, process: psutil.Process) -> bool:
        return not lives(process) or self.ask.get(path)["state"] not in ENDED

    def lives_or_ended(self, path: str) -> bool:
        run = self.ask.get(path)
        return bool(run["state"] in ENDED or (run["pid"] and psutil.pid_exists(run["pid"])))


def lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_every_due_has_one_outcome_whatever_is_done():
    run_state_machine_as_test(
        Promise,
        settings=settings(
            max_examples=8,
            stateful_step_count=20,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # what time had a hand in cannot be shrunk
            suppress_health_check=list(HealthCheck),
        ),
    )
