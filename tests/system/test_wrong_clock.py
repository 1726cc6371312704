"""A wall clock that is wrong for a few seconds: the daemon's own, or that of the database which several nodes go by."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jobsched.verify import verify
from tests.faketime import WrongClock
from tests.servers import KINDS, Server
from tests.system.caller import Caller, instant
from tests.system.daemon import GENEROUS, daemon_in, until

pytestmark = pytest.mark.long

AHEAD = timedelta(days=400)
SOON = timedelta(seconds=60)
LEASE = 30.0  # seconds, as shipped
GOOD = """#!/bin/sh
test -e "$JOBSCHED_PARAM_GATE" || exit 0
exit 1
"""


@pytest.fixture
def clock() -> Iterator[WrongClock]:
    with tempfile.TemporaryDirectory(prefix="jobsched-clock-") as folder:
        Path(folder).chmod(0o755)  # a server is another user, who may not look into `tmp_path`
        yield WrongClock(Path(folder))


def is_ahead(run: Any) -> bool:
    return instant(run["due"]) > datetime.now(UTC) + AHEAD / 2


def runs_ahead(ask: Caller, job: str) -> bool:
    return any(is_ahead(run) for run in ask.runs(job, "succeeded"))


def is_seen_ahead(ask: Caller, name: str) -> bool:
    seen = [instant(node["seen"]) for node in ask.get("/nodes")["values"] if node["name"] == name]
    return all(each > datetime.now(UTC) + AHEAD / 2 for each in seen)


def is_in_time(ask: Caller, job: str) -> bool:
    return ask.get(job)["overdue"] is None


def goes_on(ask: Caller, job: str) -> None:
    """Its next due is near, and it runs."""
    until(lambda: instant(ask.get(job)["next_due"]) < datetime.now(UTC) + SOON)
    before = len([run for run in ask.runs(job, "succeeded") if not is_ahead(run)])
    until(lambda: len([run for run in ask.runs(job, "succeeded") if not is_ahead(run)]) >= before + 2)


def shown(ask: Caller) -> list[datetime]:
    """The times of day in an answer's `Date` and in the last log line. The reactor's seconds are none."""
    stamp = re.findall(r"(?m)^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)", ask.daemon.log)[-1]
    local = datetime.fromisoformat(stamp).astimezone()
    return [parsedate_to_datetime(ask.ask("GET", "/health").headers["date"]), local]


def nothing_twice(ask: Caller, job: str) -> None:
    dues = [run["due"] for run in ask.runs(job) if run["started"]]
    assert len(set(dues)) == len(dues)


@pytest.mark.parametrize("stepped", ["the wall clock alone", "all clocks"])
def test_a_clock_ahead_for_seconds_silences_nothing(tmp_path: Path, clock: WrongClock, stepped: str) -> None:
    store = f"sqlite:///{tmp_path}/daemon/var/jobsched.sqlite"
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.script("good", GOOD)
        daemon.section("parameters = gate\n")
        daemon.environment = dict(clock.environment)
        if stepped == "all clocks":  # as a virtual machine's do that is set back to what it was
            del daemon.environment["FAKETIME_DONT_FAKE_MONOTONIC"]
        daemon.start()
        ask, gate = Caller(daemon), tmp_path / "gate"
        job = ask.make("example", 1, must_succeed_every=3)
        cron = ask.make("example", None, cron="* * * * * *", jitter=1)
        fails = ask.make("good", 1, must_succeed_every=3, parameters={"gate": str(gate)})
        for each in (job, cron, fails):
            ask.run_in(each, "succeeded")

        assert all(abs(each - datetime.now(UTC)) < SOON for each in shown(ask))
        clock.set("+400d")
        for each in (job, cron, fails):
            until(partial(runs_ahead, ask, each))
        until(lambda: all(abs(each - datetime.now(UTC) - AHEAD) < SOON for each in shown(ask)))
        clock.set("+0")
        gate.touch()
        for each in (job, cron):
            goes_on(ask, each)
            nothing_twice(ask, each)
            until(partial(is_in_time, ask, each))
            assert not is_ahead(ask.get(each)["last_run"])
        until(lambda: ask.get(fails)["overdue"])
        assert [str(fault) for fault in verify(store, whole=True)] == []
        words = r"WARNING .*the clock says 20.*, but \d+ runs? (?:is|are) recorded, with dues up to 20"
        until(lambda: re.search(words, daemon.log))

        clock.set("+400d")  # once more, and this time nobody sees it go back
        until(lambda: len([run for run in ask.runs(job, "succeeded") if is_ahead(run)]) > 8)
        daemon.kill()
        clock.set("+0")
        said = len(daemon.log)
        daemon.start()
        for each in (job, cron):
            goes_on(ask, each)
            nothing_twice(ask, each)
        daemon.says("it was wrong then, or is wrong now", said)
        assert daemon.log[said:].count("it was wrong then, or is wrong now") == 1
        assert [str(fault) for fault in verify(store, whole=True)] == []


@pytest.fixture(params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest, clock: WrongClock, running: Callable[[str], Server]) -> Iterator[Server]:
    """One of its own, whose clock may be wrong."""
    running(request.param)  # or the test is skipped, with the reason
    one = KINDS[request.param]()
    one.environment |= clock.environment
    one.start()
    yield one
    one.close()


def test_a_database_clock_that_was_ahead_silences_no_job(tmp_path: Path, server: Server, clock: WrongClock) -> None:
    url = server.create_database("wrong")
    with daemon_in(tmp_path / "a") as a, daemon_in(tmp_path / "b") as b:
        for name, node in (("a", a), ("b", b)):
            node.options(f"NODE_NAME = {name!r}\nSCHED_CONFIG['store'] = {url!r}")
            node.start()
        until(lambda: "node b is there" in a.log or "node a is there" in b.log)
        ask = Caller(a)
        jobs = [ask.make("example", 1, must_succeed_every=3), ask.make("example", None, cron="* * * * * *")]
        each_node = ask.make("example", 1, placement="every")
        for job in (*jobs, each_node):
            ask.run_in(job, "succeeded")

        clock.set("+400d")
        for job in (*jobs, each_node):
            until(partial(runs_ahead, ask, job))
        until(partial(is_seen_ahead, ask, "a"))  # a node that never saw that clock has nothing to put right
        b.kill()  # it was last seen in more than a year
        clock.set("+0")
        for job in jobs:
            goes_on(ask, job)
            nothing_twice(ask, job)
        until(lambda: [node["state"] for node in ask.get("/nodes")["values"] if node["name"] == "b"] == ["dead"],
              LEASE + GENEROUS)  # fmt: skip
        goes_on(ask, each_node)
        assert all(instant(node["since"]) < datetime.now(UTC) + SOON for node in ask.get("/nodes")["values"])
        # A claim that the step falls into decides by the clock before it, and is dated by the clock after it.
        faults = [str(fault) for fault in verify(url, whole=True)]
        assert [fault for fault in faults if "before its due" not in fault] == []
        a.says("it was wrong then, or is wrong now")


def test_a_job_that_is_meant_for_later_outlives_a_restart(tmp_path: Path) -> None:
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.start()
        ask = Caller(daemon)
        later = (datetime.now(UTC) + timedelta(days=4000)).isoformat()
        made = [
            ask.make("example", None, interval={"weeks": 3000}), ask.make("example", None, at=later),
            ask.make("example", 60, start=later), ask.make("example", None, cron="0 0 29 2 *"),
            ask.make("example", None, cron="0 0 * * *", jitter=80_000),
        ]  # fmt: skip
        before = [ask.get(job)["next_due"] for job in made]
        daemon.stop()
        daemon.start()
        ask.run_in(ask.make("example", 0.2), "succeeded")
        assert [ask.get(job)["next_due"] for job in made] == before
        assert "computed anew" not in daemon.log
