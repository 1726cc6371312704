"""How late runs start while a crowd of slow and broken clients is at the door, and how late without it."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from daemon import (
    ROOT,
    Daemon,
    NotMeasured,
    dues,
    instant,
    load,
    machine,
    percentile,
    post_jobs,
    running,
    spread,
    verdict,
)

FLOODER = ROOT / "tests" / "system" / "flooder.py"
CATALOG = """\
[quick]
file = runscript.py
class = RunScript
script = quick.sh
"""
SECOND = timedelta(seconds=1)
DEMAND = 0.250  # seconds after its due, the p99 of the starts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20, help="script jobs, each every second (default: 20)")
    parser.add_argument("--clients", type=int, default=1000, help="half are slow, half broken (default: 1000)")
    parser.add_argument("--pause", type=float, default=1, help="seconds until one comes again (default: 1)")
    parser.add_argument("--seconds", type=float, default=40, help="for how long, each of the two (default: 40)")
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    machine()
    # Late shall be late here, neither missed nor skipped.
    with running(CATALOG, {"quick.sh": "#!/bin/sh\n"}, "SCHED_CONFIG |= {'overlap': 'allow', 'catch_up': 'all'}") as it:
        ids, _ = post_jobs(
            it, [{"task": "quick", "name": f"job {n}", "interval": {"seconds": 1}} for n in range(options.jobs)]
        )
        time.sleep(3)
        spans = [span(it, options.seconds, None)]
        spans.append(span(it, options.seconds, [str(it.port), str(options.clients), str(options.pause)]))
        time.sleep(3)
        it.remove_jobs(ids)
        for name, (begin, end) in zip(("without a crowd", "under the crowd"), spans, strict=True):
            late, missing = lateness(it, ids, begin, end)
            print(f"  {name}: due to `started`: {spread(late)}; dues without a start {missing}")
    verdict("p99 of the starts under the crowd", percentile(late, 99) * 1000, DEMAND * 1000, "ms after its due")
    verdict("dues that did not start", missing, 0, "dues")


def span(daemon: Daemon, seconds: float, crowd: list[str] | None) -> tuple[datetime, datetime]:
    """Let so much time pass, with a crowd or without."""
    with tempfile.TemporaryFile("w+") as counts:
        process = crowd and subprocess.Popen([sys.executable, FLOODER, *crowd], stdout=counts)
        begin, cpu = datetime.now(UTC), daemon.cpu
        time.sleep(seconds)
        end, cpu = datetime.now(UTC), daemon.cpu - cpu
        print(f"  {'with' if crowd else 'without'} a crowd: the daemon took {cpu / seconds:.0%} of a core; {load()}")
        if process:
            ended = process.poll()
            process.kill()
            process.wait()
            counts.seek(0)
            lines = [line for line in counts if line.endswith("\n")]
            if ended is not None or not lines:
                raise NotMeasured("the crowd went home")
            answers = Counter(json.loads(lines[-1]))
            print(f"  at its end {answers.pop('open')} connections were open; answers: {dict(sorted(answers.items()))}")
    return begin, end


def lateness(daemon: Daemon, ids: list[str], begin: datetime, end: datetime) -> tuple[list[float], int]:
    """Seconds from due to start of every due in between, and how many have none."""
    late, missing = [], 0
    with daemon.caller() as caller:
        for job_id in ids:
            runs = {instant(run["due"]): run for run in daemon.runs(job_id, caller)}
            first = min(runs)
            for due in dues(first, SECOND, end):
                if due < begin:
                    continue
                run = runs.get(due)
                if run is None or run["started"] is None:
                    missing += 1
                else:
                    late.append((instant(run["started"]) - due).total_seconds())
    if not late:
        raise NotMeasured("nothing started")
    return late, missing


if __name__ == "__main__":
    try:
        main()
    except NotMeasured as why:
        sys.exit(f"not measured: {why}")
