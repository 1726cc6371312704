"""Stops and crashes: what survives, what becomes of the runs, what is said of the dues that passed."""

import signal
import time
from datetime import datetime, timedelta

import psutil
import pytest
import pytest_twisted

from tests.system.caller import dues
from tests.system.daemon import eventually, until

FOREVER = "#!/bin/sh\ntrap 'echo asked to end; exit 3' TERM\nsleep 600 &\necho begun\nwait\n"
NOTES = '#!/bin/sh\necho "$JOBSCHED_JOB_NAME $JOBSCHED_DUE" >>notes\n'
DEFINITION = ("id", "name", "task", "interval", "timeout", "parameters", "created", "misfire_grace", "overlap")


def notes(daemon):
    return (daemon.folder / "notes").read_text().splitlines()


async def has_begun(daemon, run):
    """Its script has printed something."""

    async def printed():
        return (await daemon.ask("GET", f"/runs/{run['id']}/output")).length

    await eventually(printed)


@pytest_twisted.ensureDeferred
async def test_everything_survives_a_restart(daemon):
    daemon.script("notes", NOTES)
    daemon.start()
    jobs = [await daemon.schedule("notes", 0.5, name="beat"), await daemon.schedule("example", 7384, timeout=7)]
    run = await daemon.run_in(jobs[0], "succeeded")
    before = [await daemon.get(job) for job in jobs]
    assert daemon.stop() == 0

    daemon.start()
    after = [await daemon.get(job) for job in jobs]
    for old, new in zip(before, after, strict=True):
        assert {name: new[name] for name in DEFINITION} == {name: old[name] for name in DEFINITION}
    assert after[1]["next_due"] == before[1]["next_due"]
    assert (await daemon.get(f"/runs/{run['id']}")) == run

    async def runs_on():
        return (await daemon.runs(jobs[0], "succeeded"))[-1]["due"] > after[0]["next_due"]

    await eventually(runs_on)
    grid = dues(await daemon.runs(jobs[0]), timedelta(seconds=0.5))
    first = datetime.fromisoformat(before[0]["created"])
    assert grid == [first + n * timedelta(seconds=0.5) for n in range(1, len(grid) + 1)]
    assert len(set(notes(daemon))) == len(notes(daemon))


@pytest.mark.parametrize("executors", ["EXECUTORS = 0", "EXECUTORS = None"])
@pytest_twisted.ensureDeferred
async def test_after_a_kill_dues_have_one_outcome_the_dead_are_lost(daemon, executors):
    daemon.options(executors)
    daemon.script("forever", FOREVER)
    daemon.script("notes", NOTES)
    daemon.start()
    every = timedelta(seconds=0.2)
    beat = await daemon.schedule("notes", 0.2, name="beat", misfire_grace=0.5)
    others = [await daemon.schedule("forever", 0.1, timeout=300) for _ in range(2)]
    broken = [await daemon.run_in(job, "running") for job in others]
    for run in broken:
        await has_begun(daemon, run)
    await daemon.run_in(beat, "succeeded")
    daemon.kill_all()
    orphans = daemon.alive()
    assert len(orphans) >= 2 * len(broken)  # of each a shell and its sleep
    time.sleep(3)  # it is down for much longer than an interval and its grace

    daemon.start()
    for job, run in zip(others, broken, strict=True):
        lost = await daemon.run_in(job, "lost")
        assert lost["id"] == run["id"]
        assert "the daemon that ran it is gone" in lost["reason"]
    assert not [process for process in orphans if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert len((await daemon.get("/jobs"))["values"]) == 3

    async def runs_on():
        runs = await daemon.runs(beat)
        missed = [n for n, run in enumerate(runs) if run["state"] == "missed"]
        return runs if missed and any(run["state"] == "succeeded" for run in runs[missed[-1] :]) else None

    runs = await eventually(runs_on)
    stretch = max((run for run in runs if run["state"] == "missed"), key=lambda run: run["count"])
    assert stretch["count"] >= 10
    assert stretch["reason"] != ""
    created = datetime.fromisoformat((await daemon.get(beat))["created"])
    seen = sorted(dues(runs, every))
    assert seen == [created + n * every for n in range(1, len(seen) + 1)]  # each once, none left out
    assert len(set(notes(daemon))) == len(notes(daemon))


@pytest_twisted.ensureDeferred
async def test_a_stop_ends_active_runs_and_records_them_as_cancelled(daemon):
    daemon.script("forever", FOREVER)
    daemon.script("deaf", "#!/bin/sh\ntrap '' TERM\necho begun\nwhile :; do sleep 1; done\n")
    daemon.options("KILL_GRACE = 3")
    daemon.start()
    jobs = [await daemon.schedule(task, 0.1) for task in ("forever", "deaf", "timeout")]
    runs = [await daemon.run_in(job, "running", "stopping") for job in jobs[:2]]
    for run in runs:
        await has_begun(daemon, run)
    assert daemon.stop() == 0
    assert daemon.alive() == []

    daemon.start()
    ended = [await daemon.get(f"/runs/{run['id']}") for run in runs]
    assert [run["state"] for run in ended] == ["cancelled", "cancelled"]
    assert all(run["reason"].startswith("shutdown") for run in ended)
    assert await daemon.text(f"/runs/{runs[0]['id']}/output") == "begun\nasked to end\n"
    assert "Traceback" not in daemon.log


@pytest_twisted.ensureDeferred
async def test_an_interrupt_from_the_keyboard_is_a_clean_stop_too(daemon):
    daemon.start()
    daemon.signal(signal.SIGINT)
    assert daemon.wait() == 0
    assert "Traceback" not in daemon.log


@pytest_twisted.ensureDeferred
async def test_twistd_in_the_background_writes_its_pid_runs_and_stops(daemon):
    assert daemon.run(command=("twistd", "--pidfile=jobsched.pid", "jobsched"))[0] == 0
    until(daemon.answers)
    pid = int((daemon.folder / "jobsched.pid").read_text())
    background = psutil.Process(pid)
    assert pid != daemon.process.pid
    job = await daemon.schedule("runfoo", 0.2)
    run = await daemon.run_in(job, "succeeded")
    assert (await daemon.text(f"/runs/{run['id']}/output")).endswith("foo: done\n")

    background.terminate()
    until(lambda: not background.is_running())
    assert daemon.alive() == []
    assert not (daemon.folder / "jobsched.pid").exists()


@pytest_twisted.ensureDeferred
async def test_it_runs_as_python_m_twisted_too(daemon):
    daemon.start(command=("python", "-m", "twisted", "jobsched"))
    job = await daemon.schedule("example", 0.2)
    await daemon.run_in(job, "succeeded")
    assert daemon.stop() == 0
