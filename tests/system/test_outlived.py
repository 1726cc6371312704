"""Runs in executors outlive what happens to their daemon and its host: upgrades under load, a full disk; and a reboot,
which ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from jobsched.verify import verify
from tests.system.caller import ENDED, Caller, instant
from tests.system.daemon import TWISTD, Daemon, daemon_in, is_gone, until
from tests.system.disk import fill, small_disk

UPGRADES = 4
APART = timedelta(seconds=0.5)  # of the clock that ends are told by from the test's, at most
LOAD = """#!/bin/sh
echo begun
echo "$JOBSCHED_RUN_ID" >> "$JOBSCHED_PARAM_NOTES"
sleep "$JOBSCHED_PARAM_SECONDS"
echo ended
exit "$JOBSCHED_PARAM_CODE"
"""
GATED = """#!/bin/sh
echo begun
while [ ! -e "$JOBSCHED_PARAM_GATE" ]; do sleep 0.05; done
echo ended
exit 3
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.options("EXECUTORS = 2\nON_STOP = 'leave'\nJOB_LIVETIME = 300")
        daemon.script("load", LOAD)
        daemon.section("parameters = notes, seconds, code\n")
        daemon.script("gated", GATED)
        daemon.section("parameters = gate\n")
        yield daemon


@pytest.fixture
def ask(daemon: Daemon) -> Caller:
    return Caller(daemon)


def begun(ask: Caller, gate: Path) -> tuple[str, psutil.Process]:
    """A run that waits for its gate, and its process."""
    run = ask.run(ask.make("gated", parameters={"gate": str(gate)}))
    process = psutil.Process(until(lambda: ask.get(run)["pid"]))
    until(lambda: ask.text(f"{run}/output") == "begun\n")
    return run, process


def wait_for(notes: Path, more: int) -> None:
    """So many more runs have begun."""
    before = len(notes.read_text().split())
    until(lambda: len(notes.read_text().split()) > before + more)


def all_ended(ask: Caller, job: str) -> list[Any]:
    """The runs of a job, when none goes on."""

    def ended() -> list[Any] | None:
        runs = ask.runs(job)
        return runs if all(run["state"] in ENDED for run in runs) else None

    return until(ended)


def test_upgrades_under_load_end_no_run(daemon: Daemon, ask: Caller, tmp_path: Path) -> None:
    """Each stop comes while runs begin, go on and end."""
    notes, gate = tmp_path / "notes", tmp_path / "gate"
    notes.touch()
    daemon.start()
    through, _ = begun(ask, gate)  # others may all end while there is no daemon
    kinds = [(seconds, code) for seconds in (0, 0.4, 3) for code in (0, 7)]
    jobs = [
        ask.make("load", 1, overlap="allow", parameters={"notes": str(notes), "seconds": seconds, "code": code})
        for seconds, code in kinds
    ]
    for _ in range(UPGRADES):
        wait_for(notes, 2 * len(kinds))
        assert daemon.stop() == 0
        daemon.start()
    gate.touch()
    assert ask.ended(through)["exit_code"] == 3
    for job in jobs:
        ask.ask("POST", f"{job}/pause")
    found: list[Any] = []
    for job, (_, code) in zip(jobs, kinds, strict=True):
        runs = [run for run in all_ended(ask, job) if run["started"]]
        wanted = "failed" if code else "succeeded"
        assert {(run["state"], run["exit_code"]) for run in runs} == {(wanted, code)}
        assert {ask.text(f"/runs/{run['id']}/output") for run in runs} == {"begun\nended\n"}
        found += runs
    assert sorted(run["id"] for run in found) == sorted(notes.read_text().split()), "each began once, and none else"
    assert daemon.log.count(" goes on, pid ") >= UPGRADES
    assert [str(fault) for fault in verify(f"sqlite:///{daemon.folder / 'var' / 'jobsched.sqlite'}", whole=True)] == []


def test_a_full_disk_costs_no_outcome(daemon: Daemon, ask: Caller, tmp_path: Path) -> None:
    """While nothing can be written, one run ends beside its daemon, and one while that is dead; one goes on."""
    beside, without, later = (tmp_path / name for name in ("beside", "without", "later"))
    with small_disk(daemon.folder / "var", "24m") as disk:
        daemon.start()
        runs = {gate: begun(ask, gate) for gate in (beside, without, later)}
        filler = fill(disk)
        beside.touch()
        until(lambda: is_gone(runs[beside][1]))
        daemon.kill()
        without.touch()
        until(lambda: is_gone(runs[without][1]))
        filler.unlink()
        daemon.start()
        found = {gate: ask.ended(runs[gate][0]) for gate in (beside, without)}
        assert ask.get(runs[later][0])["pid"] == runs[later][1].pid
        assert not is_gone(runs[later][1])
        later.touch()
        found[later] = ask.ended(runs[later][0])
        assert [(run["state"], run["exit_code"]) for run in found.values()] == [("failed", 3)] * 3
        for gate, (run, _) in runs.items():
            said = ask.text(f"{run}/output")
            assert said == "begun\nended\n" or "output was cut: ENOSPC" in found[gate]["reason"], (gate, said)
        assert ask.text(f"{runs[later][0]}/output") == "begun\nended\n"
        assert daemon.stop() == 0
        until(lambda: daemon.alive() == [])


def can_boot() -> bool:
    """Whether a process here may have a boot id and a count of seconds of its own."""
    words = ["unshare", "--mount", "--time", "--boottime", "-1", "--fork", "mount", "--bind", "/dev/null", str(BOOT)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


BOOT = Path("/proc/sys/kernel/random/boot_id")


@pytest.mark.skipif(not can_boot(), reason="no namespaces of mounts and time can be made here")
def test_after_a_reboot_what_had_ended_keeps_its_outcome(daemon: Daemon, ask: Caller, tmp_path: Path) -> None:
    """The count of seconds begins anew then, and no executor and no process of a run is there any more."""
    gates = [tmp_path / name for name in ("first", "second")]
    daemon.start()
    (over, first), (lost, second) = (begun(ask, gate) for gate in gates)
    daemon.kill()
    let_go = datetime.now(UTC)
    gates[0].touch()
    until(lambda: is_gone(first))
    kept = daemon.folder / "var" / "executors"
    until(lambda: any(file.stat().st_size for file in kept.glob("*.ended")))
    for process in daemon.alive():
        with suppress(psutil.NoSuchProcess):  # it went with the one before
            process.kill()
    until(lambda: is_gone(second) and daemon.alive() == [])
    over_by = datetime.now(UTC)
    fresh = tmp_path / "boot_id"
    fresh.write_text(f"{uuid.uuid4()}\n")
    back = f"-{int(float(Path('/proc/uptime').read_text().split()[0])) - 30}"  # it runs for half a minute
    mounted = f'mount --bind {fresh} {BOOT} && exec "$@"'
    boot = (
        "unshare",
        "--fork",
        "--mount",
        "--time",
        "--boottime",
        back,
        "--monotonic",
        back,
        "sh",
        "-c",
        mounted,
        "sh",
    )
    twistd = str(Path(sys.executable).with_name(TWISTD[0]))
    daemon.start(command=(*boot, twistd, *TWISTD[1:]))
    found = ask.ended(over)
    assert (found["state"], found["exit_code"]) == ("failed", 3)
    assert let_go - APART < instant(found["ended"]) < over_by + APART, "by the wall clock, which went on"
    assert ask.text(f"{over}/output") == "begun\nended\n"
    found = ask.ended(lost)
    assert (found["state"], found["exit_code"]) == ("lost", None)
    assert ask.text(f"{lost}/output") == "begun\n"
    assert ask.ended(ask.run(ask.make("gated", parameters={"gate": str(gates[0])})))["exit_code"] == 3
    os.kill(int((daemon.folder / "var" / "jobsched.lock").read_text()), signal.SIGTERM)  # `unshare` passes none on
    assert daemon.wait() == 0
    until(lambda: daemon.alive() == [])
