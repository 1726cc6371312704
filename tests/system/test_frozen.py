"""A daemon that slept, as in a machine that was suspended: what ended meanwhile has ended as it did."""

import contextlib
import signal
import time

import psutil
import pytest

from tests.system.caller import Caller
from tests.system.daemon import daemon_in, is_gone, until

LEASE = 20  # time to start a daemon on a busy machine before its node gives up
GIVEN_UP = 0.7 * LEASE  # seconds without a heartbeat after which a node ends its runs
SCRIPT = """#!/bin/sh
touch begun.$JOBSCHED_PARAM_NAME
while [ ! -e go.$JOBSCHED_PARAM_NAME ]; do sleep 0.05; done
touch ended.$JOBSCHED_PARAM_NAME
exit $JOBSCHED_PARAM_CODE
"""


@pytest.fixture
def frozen(tmp_path, running):
    """A node on PostgreSQL; a context in which it sleeps, for longer than others would wait for it."""
    server = running("postgresql")
    url = server.create_database("frozen")
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.options(f"SCHED_CONFIG['store'] = {url!r}")
        daemon.options(f"LEASE = {LEASE}")
        daemon.script("gated", SCRIPT)
        daemon.section("parameters = name, code\n")
        daemon.start()
        yield daemon
    server.drop_database("frozen")


@contextlib.contextmanager
def asleep(daemon):
    """Longer than any other node would wait, had it one."""
    daemon.signal(signal.SIGSTOP)
    begun = time.monotonic()
    try:
        yield
        time.sleep(max(GIVEN_UP + 1 - (time.monotonic() - begun), 0))  # what is waited for is that this time has passed
    finally:
        daemon.signal(signal.SIGCONT)


def test_what_ended_while_its_daemon_slept_has_its_own_outcome(frozen):
    ask = Caller(frozen)

    def begin(name, code, **more):
        run = ask.run(ask.make("gated", parameters={"name": name, "code": code}, **more))
        until((frozen.folder / f"begun.{name}").exists)
        return run

    well, badly = begin("well", 0), begin("badly", 3)
    long = begin("long", 0)
    late = begin("late", 0, timeout=GIVEN_UP - 1)  # its time is over too when the daemon wakes
    with asleep(frozen):
        for name in ("well", "badly", "late"):
            (frozen.folder / f"go.{name}").touch()
            until((frozen.folder / f"ended.{name}").exists)
    found = [ask.ended(run) for run in (well, badly, late, long)]

    frozen.says("could not be reached")  # it slept for longer than a node may
    assert [(run["state"], run["exit_code"], run["signal"]) for run in found] == [
        ("succeeded", 0, None),
        ("failed", 3, None),
        ("succeeded", 0, None),
        ("lost", None, "SIGTERM"),
    ], found


def test_a_run_in_an_executor_outlives_its_daemon_but_no_lease(frozen):
    frozen.stop()
    frozen.options("EXECUTORS = 1")
    frozen.start()
    ask = Caller(frozen)
    run = ask.run(ask.make("gated", parameters={"name": "long", "code": 0}))
    process = psutil.Process(until(lambda: ask.get(run)["pid"]))
    kept = ask.run(ask.make("gated", parameters={"name": "kept", "code": 0}, on_isolation="keep"))
    another = until(lambda: ask.get(kept)["pid"])
    frozen.kill()
    frozen.start()
    until(lambda: f"run {run.rpartition('/')[2]} of a gated goes on, pid {process.pid}" in frozen.log)
    assert ask.get(run)["state"] == "running"
    begun = time.monotonic()
    with asleep(frozen):
        until(lambda: is_gone(process))
        assert time.monotonic() - begun > GIVEN_UP / 2, "a heartbeat is 2 s old, a ping 1 s, or more on a busy machine"
    ended = ask.ended(run)
    assert (ended["state"], ended["signal"]) == ("lost", "SIGTERM")
    until(lambda: "is back under a new id" in frozen.log)
    found = until(lambda: (found := ask.get(kept))["isolated"] is not None and found)
    assert (found["state"], found["pid"]) == ("running", another)
    (frozen.folder / "go.kept").touch()
    assert ask.ended(kept)["state"] == "succeeded"
    (frozen.folder / "go.later").touch()
    assert ask.ended(ask.run(ask.make("gated", parameters={"name": "later", "code": 0})))["state"] == "succeeded"
    assert frozen.stop() == 0
    assert until(lambda: frozen.alive() == [])
