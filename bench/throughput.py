"""The most script runs a second that are held, as such and as a share of a bare C loop that starts the same program.

Each level has a daemon of its own, so many jobs every second, their dues evenly spread. A level is held when every due
ran and succeeded, 99 of 100 began within a second, and record and output of each run are there. The program
is `date`: its output is the instant at which it began.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from c_loops import compiled
from catalogs import DATE, PROGRAM
from daemon import (
    Daemon,
    NotMeasured,
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

EVERY = timedelta(seconds=1)
LATEST = 1.0  # seconds after its due that 99 of 100 runs have begun
IN_FLIGHT = 16
DEMANDED = 350


def main() -> None:
    """Step up until a level fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--levels", type=int, nargs="+", default=[200, 300, 350, 400, 450, 500, 550, 600, 700, 800],
                        help="runs a second, stepping up")  # fmt: skip
    parser.add_argument("--seconds", type=int, default=20, help="for how long each is held (default: 20)")
    parser.add_argument("--phase", choices=("even", "same"), default="even",
                        help="evenly spread dues, or all at the full second")  # fmt: skip
    parser.add_argument("--max-running", type=int, default=64, help="runs at once (default: 64, as shipped)")
    take_executors(parser)
    options = parser.parse_args()
    machine()
    before = bare_rates()
    best = 0.0
    for level in options.levels:
        held = measure(level, options.seconds, options.phase, options.executors, options.max_running)
        best = max(best, held)
        if not held:
            break
    verdict("script runs held", best, DEMANDED, "runs/s", at_least=True)
    for (name, rate), (_, again) in zip(before.items(), bare_rates().items(), strict=True):
        share = best / max((rate + again) / 2, 1)
        print(f"  C posix_spawn loop, {IN_FLIGHT} in flight, {name}: {rate:.0f}/s before, {again:.0f}/s after; "
              f"Jobsched holds {share:.0%} of that")  # fmt: skip


def measure(level: int, seconds: int, phase: str, executors: int, slots: int) -> float:
    """One level: the rate if it was held, else 0."""
    print(f"{level} jobs every second for {seconds} s, dues {phase}, {executors} executors, {slots} slots")
    with running(DATE, executors=executors, options=f"SCHED_CONFIG['max_running'] = {slots}") as daemon:
        first = once_made(level)
        offset = EVERY / level if phase == "even" else timedelta(0)
        ids, _ = post_jobs(daemon, [
            {"task": "date", "name": f"job {number}", "interval": {"seconds": 1},
             "start": (first + number * offset).isoformat()}
            for number in range(level)
        ])  # fmt: skip
        if datetime.now(UTC) > first:
            raise NotMeasured("the jobs could not be posted before the first was due")
        time.sleep((first - datetime.now(UTC)).total_seconds())
        cpu, children, begun = daemon.cpu, daemon.children_cpu, time.monotonic()
        end = first + seconds * EVERY
        time.sleep((end - datetime.now(UTC)).total_seconds())
        share = (daemon.cpu - cpu) / (time.monotonic() - begun)
        print(f"  daemon and executors took {share:.0%} of a core, {daemon.rss:.0f} MB; {load()}")
        time.sleep(LATEST)
        daemon.remove_jobs(ids)  # the CPU for one run has this in it, too
        with daemon.caller() as caller:
            record = [run for job_id in ids for run in daemon.runs(job_id, caller)]
            ran = sum(run["started"] is not None for run in record)
        cpu, children = (daemon.cpu - cpu) / max(ran, 1), (daemon.children_cpu - children) / max(ran, 1)
        print(f"  CPU for one run: daemon and executors {cpu * 1000:.2f} ms, program {children * 1000:.2f} ms")
        return level if is_held(level * seconds, [run for run in record if instant(run["due"]) < end], daemon) else 0.0


def is_held(owed: int, record: list[dict[str, Any]], daemon: Daemon) -> bool:
    """Whether every due that was owed ran, in time, with its record and its output."""
    if not record:
        raise NotMeasured("there is no record of any run")
    printed = {path.stem: path.read_text() for path in (daemon.state / "output").rglob("*.log")}
    states = Counter[str]()
    for run in record:
        states[run["state"]] += run["count"]
    ran = [run for run in record if run["state"] == "succeeded"]
    kept = [(run, printed[run["id"]]) for run in ran if printed.get(run["id"])]
    began = [float(text) - instant(run["due"]).timestamp() for run, text in kept]
    noted = [(instant(run["started"]) - instant(run["due"])).total_seconds() for run in ran]
    ended = [(instant(run["ended"]) - instant(run["due"])).total_seconds() for run in ran]
    print(f"  dues {owed}; states {dict(states)}; outputs kept {len(kept)}")
    print(f"  due to the program's first act: {spread(began)}")
    print(f"  due to `started` in the record: {spread(noted)}")
    print(f"  due to `ended` in the record:   {spread(ended)}")
    held = len(kept) == owed and states.total() == owed and percentile(began, 99) <= LATEST
    print(f"  {'held' if held else 'not held'}")
    return held


def bare_rates() -> dict[str, float]:
    """Processes a second that a C loop starts, by how it starts them; empty where there is no C compiler."""
    with tempfile.TemporaryDirectory(prefix="jobsched-bench-") as folder:
        loop = compiled("spawn_loop", Path(folder))
        if loop is None:
            return {}
        return {
            name: float(subprocess.check_output([str(loop), "3", str(IN_FLIGHT), *prefix, *PROGRAM]))
            for name, prefix in (("as it is", []), ("through setsid", [shutil.which("setsid") or "setsid"]))
        }


if __name__ == "__main__":
    try:
        main()
    except NotMeasured as why:
        sys.exit(f"not measured: {why}")
