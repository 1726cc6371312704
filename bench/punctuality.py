"""How close to their dues script jobs start, and whether each due started exactly once.

The scripts say themselves when they began (bash's clock, first line of the script), and the record is compared. Where
all dues fall at once, a bare C loop starts as many of the same scripts in the same minute, in a session each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from c_loops import compiled
from daemon import (
    Daemon,
    NotMeasured,
    dues,
    instant,
    load,
    machine,
    once_made,
    percentile,
    post_jobs,
    running,
    spread,
    take_executors,
    verdict,
)

CATALOG = """\
[stamp]
file = runscript.py
class = RunScript
script = stamp.bash
arguments = FOLDER/starts
"""
STAMP = """\
#!/bin/bash
printf '%s %s %s\\n' "$EPOCHREALTIME" "$JOBSCHED_JOB_ID" "$JOBSCHED_DUE" >> "$1"
"""
MAX_RUNNING = 64  # at once, as shipped
BURSTS = 10
DEMANDS = {20: (100, 0.050), 200: (99, 0.100)}  # jobs -> (percentile, seconds)

Due = tuple[str, datetime]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, action="append", help="how many jobs; may be repeated (default: 20, 200)")
    parser.add_argument("--seconds", type=float, default=30, help="for how long (default: 30)")
    parser.add_argument("--every", type=float, default=1, help="seconds between two dues of a job (default: 1)")
    parser.add_argument(
        "--phase", choices=("posted", "even", "same"), default="posted",
        help="when the dues of the jobs fall: as they come when posted one after another, evenly spread, all at once",
    )  # fmt: skip
    take_executors(parser)
    options = parser.parse_args()
    machine()
    for jobs in options.jobs or list(DEMANDS):
        print(f"{jobs} script jobs every {options.every:g} s for {options.seconds:g} s, dues {options.phase}, "
              f"{options.executors} executors")  # fmt: skip
        measure(jobs, options.seconds, timedelta(seconds=options.every), options.phase, options.executors)


def measure(jobs: int, seconds: float, every: timedelta, phase: str, executors: int) -> None:
    """One daemon, one number of jobs."""
    with running(CATALOG, {"stamp.bash": STAMP}, executors=executors) as daemon:
        first = once_made(jobs)
        offset = {"posted": None, "even": every / jobs, "same": timedelta(0)}[phase]
        ids, took = post_jobs(
            daemon,
            [
                {"task": "stamp", "name": f"job {number}", "interval": {"seconds": every.total_seconds()}}
                | ({} if offset is None else {"start": (first + number * offset).isoformat()})
                for number in range(jobs)
            ],
        )
        cpu, begun = daemon.cpu, time.monotonic()
        end = (datetime.now(UTC) if offset is None else first) + timedelta(seconds=seconds)
        expected = {(job_id, due) for job_id in ids for due in dues(first_due(daemon, job_id), every, end)}
        time.sleep((end - datetime.now(UTC)).total_seconds() + 2)
        cpu = (daemon.cpu - cpu) / (time.monotonic() - begun)
        daemon.remove_jobs(ids)
        print(f"  posted in {took:.2f} s; daemon and executors took {cpu:.0%} of a core; {load()}")
        compare(expected, said(daemon.folder / "starts"), recorded(daemon, ids, every), DEMANDS.get(jobs))
        if phase == "same":
            bare_bursts(jobs, daemon.folder)


def bare_bursts(count: int, folder: Path) -> None:
    """How late the scripts of a C loop begin that starts so many at once, some times over."""
    loop, script, starts = compiled("spawn_burst", folder), folder / "bare.bash", folder / "bare"
    if loop is None:
        return
    script.write_text(STAMP)
    script.chmod(0o700)
    words = [str(loop), str(count), str(MAX_RUNNING), str(script), str(starts)]
    late, latest = list[float](), list[float]()
    for _ in range(BURSTS):
        begun = float(subprocess.check_output(words, env={"JOBSCHED_JOB_ID": "-", "JOBSCHED_DUE": "-"}))
        found = [float(line.split()[0]) - begun for line in starts.read_text().splitlines()]
        late, latest = late + found, [*latest, max(found)]
        starts.unlink()
    print(f"  a C loop, {BURSTS} times: {spread(late)}; the last of a burst {spread(latest)}")


def first_due(daemon: Daemon, job_id: str) -> datetime:
    """By the contract: at `start`, or one interval after it was made."""
    with daemon.caller() as caller:
        job = caller.get(f"/jobs/{job_id}")
    if job["start"] is not None:
        return instant(job["start"])
    return instant(job["created"]) + timedelta(seconds=job["interval_seconds"])


def said(starts: Path) -> dict[Due, list[datetime]]:
    """When scripts began, as they wrote it."""
    found: dict[Due, list[datetime]] = {}
    for line in starts.read_text().splitlines() if starts.exists() else []:
        at, job_id, due = line.split()
        found.setdefault((job_id, instant(due)), []).append(datetime.fromtimestamp(float(at), UTC))
    return found


def recorded(daemon: Daemon, ids: list[str], every: timedelta) -> dict[Due, list[dict[str, Any]]]:
    """What the record says of each due; a stretch is taken apart."""
    found: dict[Due, list[dict[str, Any]]] = {}
    with daemon.caller() as caller:
        for job_id in ids:
            for run in daemon.runs(job_id, caller):
                for beat in range(run["count"]):
                    found.setdefault((job_id, instant(run["due"]) + beat * every), []).append(run)
    return found


def compare(
    expected: set[Due],
    began: dict[Due, list[datetime]],
    record: dict[Due, list[dict[str, Any]]],
    demand: tuple[float, float] | None,
) -> None:
    """Every due against what the scripts and the record say."""
    late = [(at - due[1]).total_seconds() for due in expected for at in began.get(due, [])]
    noted = [
        (instant(run["started"]) - due[1]).total_seconds()
        for due in expected for run in record.get(due, []) if run["started"]
    ]  # fmt: skip
    print(f"  due to the script's first line: {spread(late)}")
    print(f"  due to `started` in the record: {spread(noted)}")
    states = Counter(run["state"] for due in expected for run in record.get(due, []))
    lost = sum(due not in began for due in expected)
    doubled = sum(len(times) > 1 for times in began.values()) + sum(len(runs) > 1 for runs in record.values())
    silent = sum(due not in record for due in expected)
    foreign = sum(due not in record for due in began)
    print(f"  dues {len(expected)}; states {dict(states)}; never began {lost}; began or recorded twice {doubled}; "
          f"without a record {silent}; began without a record {foreign}")  # fmt: skip
    if not late:
        raise NotMeasured("no script began")
    if demand is not None:
        percent, seconds = demand
        name = "latest start" if percent == 100 else f"p{percent:g} of the starts"
        verdict(name, percentile(late, percent) * 1000, seconds * 1000, "ms after its due")
    verdict("dues lost or doubled", lost + doubled + silent + foreign, 0, "dues")


if __name__ == "__main__":
    try:
        main()
    except NotMeasured as why:
        sys.exit(f"not measured: {why}")
